"""The share of rows with a label, estimated from a calibrated gate's answers for rows without labels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from cascade.metrics.bootstrap import times_drawn
from cascade.utils.log_odds import log_odds
from cascade.utils.types import Floats, Rows

DRAWS = 500
HALVINGS = 40
BINS = 128
"""Rows of about the same gate probability count as one in the bootstrap, which thus costs the same for any number."""


@dataclass(frozen=True)
class PrevalenceEstimate:
    """An estimate with its 95 % interval; of rows drawn anew, the gate's own errors are not in it.

    Attributes
    ----------
    value, low, high : float
    rows : int
    """

    value: float
    low: float
    high: float
    rows: int

    @property
    def unsure(self) -> float:
        """Factor between the estimate and the further end of its interval; infinite where that is 0."""
        if not self.low > 0:
            return float("inf")
        return max(self.high / self.value, self.value / self.low)


def estimate_prevalence(gate: Floats, source: float, group: Rows, seed: int = 0) -> PrevalenceEstimate:
    """Find the share of rows with a label under which the gate's answers are most likely.

    Parameters
    ----------
    gate : ndarray of float, shape (n,)
        p(a | x), calibrated where a share `source` of the rows has a label.
    source : float in (0, 1)
    group : ndarray of int, shape (n,)
        Number of each row's group, from 0; the interval draws groups.
    seed : int

    Returns
    -------
    PrevalenceEstimate

    Notes
    -----
    With r = p(x | a = 1) / p(x | a = 0), which the calibrated gate gives, the log-likelihood of a share q is the sum
    of log(q r + 1 - q). It is concave; the expectation-maximisation of Saerens et al. climbs it, and ends where its
    slope is 0. That place is found by halving, in a fixed number of steps.

    References
    ----------
    Saerens, Latinne & Decaestecker (2002), Adjusting the outputs of a classifier to new a priori probabilities: a
    simple procedure, Neural Computation 14, formula 2.9.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> a = np.arange(20_000) % 10 < 3
    >>> x = rng.normal(3.0 * a)
    >>> gate = 1 / (1 + np.exp(4.5 - 3 * x) * 9)
    >>> found = estimate_prevalence(gate, 0.1, np.arange(20_000))
    >>> round(found.value, 2), found.low < 0.3 < found.high
    (0.3, True)
    """
    value = float(_likeliest(_ratio(gate, source), np.ones((1, len(gate))))[0])
    order = np.argsort(gate, kind="stable")
    bins = np.empty(len(gate), dtype=np.intp)
    bins[order] = np.arange(len(gate)) * BINS // len(gate)
    number = np.maximum(np.bincount(bins, minlength=BINS), 1)
    mean = np.bincount(bins, gate, minlength=BINS) / number
    drawn = _likeliest(_ratio(mean, source), _drawn_counts(bins, group, seed))
    low, high = np.quantile(drawn, [0.025, 0.975])
    return PrevalenceEstimate(value, min(float(low), value), max(float(high), value), len(gate))


def _ratio(gate: Floats, source: float) -> Floats:
    """p(x | a = 1) / p(x | a = 0) of answers calibrated at a share `source`."""
    ratio: Floats = np.exp(log_odds(gate) - log_odds(source))
    return ratio


def _drawn_counts(bins: Rows, group: Rows, seed: int) -> Floats:
    """Rows of each bin in each draw of groups; shape (draws, bins)."""
    n_groups = int(group.max(initial=-1)) + 1
    by_group = sparse.csr_array((np.ones(len(bins)), (bins, group)), shape=(BINS, n_groups))
    return np.concatenate([(by_group @ times).T for times in times_drawn(n_groups, DRAWS, seed)])


def _likeliest(ratio: Floats, counts: Floats) -> Floats:
    """Share of largest likelihood for each row of `counts` (d, B), at likelihood ratios (B,)."""
    low, high = np.zeros(len(counts)), np.ones(len(counts))
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        slope = (counts * ((ratio - 1) / (1 + middle[:, None] * (ratio - 1)))).sum(axis=1)
        low, high = np.where(slope > 0, middle, low), np.where(slope > 0, high, middle)
    return (low + high) / 2
