"""The gate's operating curve: rows that pass and positives kept per label, at each threshold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cascade.data.labels import Labels
from cascade.data.splits import group_numbers
from cascade.metrics import ratio
from cascade.metrics.intervals import clustered_interval
from cascade.utils.types import Floats

Counts = NDArray[np.int64]

POINTS = 60
"""Number of thresholds at quantiles of all rows, and as many at quantiles of the rows with a label."""

CELLS = 2_000_000
"""Positives x thresholds that are in memory at a time."""


@dataclass(frozen=True)
class GateCurve:
    """Rows and positives that pass a gate at each of T thresholds; scores equal to a threshold pass.

    Attributes
    ----------
    labels : tuple of str, length L
    thresholds : ndarray of float, shape (T,)
        Ascending.
    rows : int
    passed : ndarray of int, shape (T,)
        Rows that pass.
    positives : ndarray of int, shape (L,)
    kept : ndarray of int, shape (T, L)
        Positives of each label that pass.
    low, high : ndarray of float, shape (T, L)
        95 % interval of the recall over groups; NaN for a label without a positive.
    """

    labels: tuple[str, ...]
    thresholds: Floats
    rows: int
    passed: Counts
    positives: Counts
    kept: Counts
    low: Floats
    high: Floats

    @property
    def share_passed(self) -> Floats:
        """Share of the rows that pass, shape (T,)."""
        return self.passed / max(self.rows, 1)

    @property
    def recall(self) -> Floats:
        """Share of each label's positives that pass, shape (T, L); NaN without a positive."""
        return ratio(self.kept.astype(np.float64), np.broadcast_to(self.positives, self.kept.shape))


def threshold_grid(gate: ArrayLike, with_label: ArrayLike, own: float, lowest: float = 0.0) -> Floats:
    """Return thresholds for a curve: quantiles of all rows and of those with a label, and the model's threshold.

    Parameters
    ----------
    gate : array-like of float, shape (n,)
        Gate probabilities.
    with_label : array-like of bool, shape (n,)
    own, lowest : float
        The model's threshold, and the lowest one of the result. Both are included, unless `own` is below `lowest`.

    Returns
    -------
    ndarray of float, shape (T,)
        Ascending, without duplicates.

    Examples
    --------
    >>> threshold_grid([0.1, 0.2, 0.9], [False, False, True], own=0.5)[[0, -1]].tolist()
    [0.0, 0.9]
    """
    scores = np.asarray(gate, dtype=np.float64)
    steps = np.linspace(0, 1, POINTS)
    parts = [scores, scores[np.asarray(with_label, dtype=bool)]]
    # Quantiles that are scores themselves: between two scores nothing changes. Quantiles of rows with a label are
    # included since these are few, and recall changes only at their scores.
    quantiles = [np.quantile(part, steps, method="lower") for part in parts if len(part)]
    grid = np.unique(np.concatenate([*quantiles, [own, lowest]]))
    return grid[grid >= lowest]


def gate_curve(
    gate: ArrayLike, Y: Labels, names: Sequence[str], thresholds: ArrayLike, groups: ArrayLike | None = None
) -> GateCurve:
    """Count the rows and positives that pass at each threshold.

    Parameters
    ----------
    gate : array-like of float, shape (n,)
        Gate probabilities of rows that the model has not seen.
    Y : ndarray of 0/1, shape (n, L)
    names : sequence of str, length L
    thresholds : array-like of float, shape (T,)
        Ascending.
    groups : array-like, shape (n,), optional
        Intervals are over groups. Default: each row is a group.

    Returns
    -------
    GateCurve

    See Also
    --------
    cascade.metrics.intervals.clustered_interval : the interval, which is valid also where no positive is lost.

    Examples
    --------
    >>> curve = gate_curve([0.1, 0.6, 0.9], np.array([[0], [1], [1]], np.uint8), ["bleed"], [0.0, 0.5, 0.8])
    >>> curve.passed.tolist(), curve.recall[:, 0].tolist()
    ([3, 2, 1], [1.0, 1.0, 0.5])
    """
    scores, limits = np.asarray(gate, dtype=np.float64), np.asarray(thresholds, dtype=np.float64)
    group = group_numbers(groups, len(Y))
    positives = [np.flatnonzero(column) for column in Y.T]
    intervals = [_interval(scores[rows], group[rows], limits) for rows in positives]
    low, high = np.stack(intervals, axis=-1)
    return GateCurve(
        labels=tuple(names),
        thresholds=limits,
        rows=len(Y),
        passed=passing(scores, limits),
        positives=np.array([len(rows) for rows in positives], dtype=np.int64),
        kept=np.stack([passing(scores[rows], limits) for rows in positives], axis=-1),
        low=low,
        high=high,
    )


def passing(scores: Floats, thresholds: Floats) -> Counts:
    """Count the scores at or above each threshold; int of shape (T,).

    Examples
    --------
    >>> passing(np.array([0.2, 0.5]), np.array([0.0, 0.5, 0.6])).tolist()
    [2, 1, 0]
    """
    return np.asarray(len(scores) - np.searchsorted(np.sort(scores), thresholds), dtype=np.int64)


def _interval(scores: Floats, group: NDArray[np.intp], thresholds: Floats) -> Floats:
    """Return the interval (2, T) of the share of rows that pass."""
    if not len(scores):
        return np.full((2, len(thresholds)), np.nan)
    # In parts, since rows x thresholds of a frequent label would not fit into memory.
    parts = np.array_split(thresholds, np.ceil(len(scores) * len(thresholds) / CELLS))
    weight = np.ones(len(scores))
    return np.concatenate([clustered_interval(scores[:, None] >= part, weight, group) for part in parts], axis=1)
