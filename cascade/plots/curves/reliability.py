"""Observed against predicted shares of a label, with an interval over groups."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cascade.metrics import Outcome
from cascade.metrics.intervals import clustered_interval
from cascade.utils.types import Floats

MOST_BINS = 10
FEWEST_EXPECTED = 5


@dataclass(frozen=True)
class ReliabilityCurve:
    """Observed share of a label and its mean predicted probability, in B bins of the probability.

    Attributes
    ----------
    label : str
    rows : ndarray of int, shape (B,)
    predicted, observed : ndarray of float, shape (B,)
        Mean probability, and share of the rows that have the label.
    low, high : ndarray of float, shape (B,)
        95 % interval of `observed` over groups.
    """

    label: str
    rows: NDArray[np.int64]
    predicted: Floats
    observed: Floats
    low: Floats
    high: Floats


def reliability_curve(outcome: Outcome, k: int, label: str, group: NDArray[np.intp]) -> ReliabilityCurve:
    """Compute the curve of label `k`.

    Bins are cut so that each expects the same number of positives. With equal numbers of rows, all but one of a rare
    label's bins would have no positive. There are at most ten bins, and fewer if ten would expect less than five
    positives each.

    Parameters
    ----------
    outcome : Outcome
        Outcome of n rows.
    k : int
    label : str
    group : ndarray of int, shape (n,)
        Number of the group of each row, from 0.

    See Also
    --------
    cascade.metrics.intervals.clustered_interval : the interval, which is valid also where a bin has no positive.

    Examples
    --------
    >>> p = np.repeat([0.1, 0.5], 100)[:, None]
    >>> Y = np.tile([1] + 9 * [0], 20).astype(np.uint8)[:, None]
    >>> curve = reliability_curve(Outcome(Y, p, Y, np.ones(200, bool)), 0, "bleed", np.arange(200))
    >>> curve.predicted.round(2).tolist(), curve.observed.round(2).tolist()
    ([0.1, 0.5], [0.1, 0.1])
    """
    rows = outcome.labels.rows_knowing(k)
    y, p, number = outcome.Y[rows, k], outcome.proba[rows, k], group[rows]
    place = _bins(p)
    # Bins without a row are left out: a single frequent probability can span several bins.
    bins = [np.flatnonzero(place == number_of_bin) for number_of_bin in np.unique(place)]
    ends = [clustered_interval(y[of_bin, None], np.ones(len(of_bin)), number[of_bin])[:, 0] for of_bin in bins]
    low, high = np.array(ends).reshape(-1, 2).T
    return ReliabilityCurve(
        label,
        rows=np.array([len(of_bin) for of_bin in bins], dtype=np.int64),
        predicted=np.array([p[of_bin].mean() for of_bin in bins]),
        observed=np.array([y[of_bin].mean() for of_bin in bins]),
        low=low,
        high=high,
    )


def _bins(p: Floats) -> NDArray[np.intp]:
    """Return the bin of each row by the sum of probabilities below it; equal probabilities share a bin."""
    values, place, rows = np.unique(p, return_inverse=True, return_counts=True)
    mass = values * rows
    total = mass.sum()
    n_bins = int(np.clip(total // FEWEST_EXPECTED, 1, MOST_BINS))
    # A probability that many rows share goes into the bin at the middle of its mass, instead of at one end.
    # The divisor avoids 0 / 0 if all probabilities are 0.
    middle = (np.cumsum(mass) - mass / 2) / max(total, np.finfo(np.float64).tiny)
    return np.asarray(np.minimum(middle * n_bins, n_bins - 1).astype(np.intp)[place])
