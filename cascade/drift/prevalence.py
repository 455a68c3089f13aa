"""Estimate the prevalence, the share of rows with a label, from gate probabilities of unlabelled rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from cascade.metrics.bootstrap import times_drawn
from cascade.utils.log_odds import log_odds
from cascade.utils.types import Floats, Rows

DRAWS = 500
BISECTIONS = 40
BINS = 128
"""Bins of gate probabilities in the bootstrap, so that its cost does not depend on the number of rows."""


@dataclass(frozen=True)
class PrevalenceEstimate:
    """An estimate with its 95 % interval, which covers the sampling of rows but not errors of the gate.

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
    def factor(self) -> float:
        """Factor between the estimate and the further end of its interval; infinite if the lower end is 0."""
        if not self.low > 0:
            return float("inf")
        return max(self.high / self.value, self.value / self.low)


def estimate_prevalence(gate: Floats, source: float, group: Rows, seed: int = 0) -> PrevalenceEstimate:
    """Estimate the share of rows with a label by maximum likelihood of the gate's probabilities.

    Parameters
    ----------
    gate : ndarray of float, shape (n,)
        p(a | x), calibrated on rows of which a share `source` has a label.
    source : float in (0, 1)
    group : ndarray of int, shape (n,)
        Number of the group of each row, from 0; the bootstrap draws groups.
    seed : int

    Returns
    -------
    PrevalenceEstimate

    Notes
    -----
    The calibrated gate gives the likelihood ratio r = p(x | a = 1) / p(x | a = 0). The log-likelihood of a share q is
    the sum of log(q r + 1 - q), which is concave. The expectation-maximisation of Saerens et al. converges to its
    maximum. Here the zero of its slope is found by bisection, in a fixed number of steps.

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
    >>> estimate = estimate_prevalence(gate, 0.1, np.arange(20_000))
    >>> round(estimate.value, 2), estimate.low < 0.3 < estimate.high
    (0.3, True)
    """
    value = float(_most_likely(_ratio(gate, source), np.ones((1, len(gate))))[0])
    # The estimate uses every row. Only the bootstrap is binned: bins by rank have about equal numbers of rows.
    order = np.argsort(gate, kind="stable")
    bins = np.empty(len(gate), dtype=np.intp)
    bins[order] = np.arange(len(gate)) * BINS // len(gate)
    number = np.maximum(np.bincount(bins, minlength=BINS), 1)
    mean = np.bincount(bins, gate, minlength=BINS) / number
    drawn = _most_likely(_ratio(mean, source), _drawn_counts(bins, group, seed))
    low, high = np.quantile(drawn, [0.025, 0.975])
    # Binning can move the interval slightly past the estimate of an extreme case; it has to contain the estimate.
    return PrevalenceEstimate(value, min(float(low), value), max(float(high), value), len(gate))


def _ratio(gate: Floats, source: float) -> Floats:
    """Return p(x | a = 1) / p(x | a = 0) from probabilities calibrated at a share `source`."""
    # Bayes: posterior odds over prior odds. `log_odds` clips at 1e-7, which keeps the ratio finite.
    ratio: Floats = np.exp(log_odds(gate) - log_odds(source))
    return ratio


def _drawn_counts(bins: Rows, group: Rows, seed: int) -> Floats:
    """Count the rows of each bin in each draw of groups; shape (draws, bins)."""
    n_groups = int(group.max(initial=-1)) + 1
    # Equal entries are added, so that rows of a group in the same bin are counted.
    by_group = sparse.csr_array((np.ones(len(bins)), (bins, group)), shape=(BINS, n_groups))
    return np.concatenate([(by_group @ times).T for times in times_drawn(n_groups, DRAWS, seed)])


def _most_likely(ratio: Floats, counts: Floats) -> Floats:
    """Return the maximum likelihood share for each row of `counts` (d, B), at likelihood ratios (B,)."""
    # The slope falls with the share. If it has one sign throughout, bisection converges to 0 or 1, the maximum there.
    low, high = np.zeros(len(counts)), np.ones(len(counts))
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        slope = (counts * ((ratio - 1) / (1 + middle[:, None] * (ratio - 1)))).sum(axis=1)
        low, high = np.where(slope > 0, middle, low), np.where(slope > 0, high, middle)
    return (low + high) / 2
