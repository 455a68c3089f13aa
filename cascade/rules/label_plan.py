"""Which columns the gate, the labeler or a constant share answers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cascade.data.labels import Labels
from cascade.data.missing import Known

MOST_LABELS = 12
"""Whole vectors are weighed for up to this many labels: 2 to the power of it, for every row."""


def varying_labels(Y: Labels, known: Known = None) -> NDArray[np.intp]:
    """Columns that have both classes among the rows, of those that know the label."""
    count = Y.sum(axis=0, dtype=np.int64)
    return np.flatnonzero((count > 0) & (count < (len(Y) if known is None else known.sum(axis=0))))


@dataclass(frozen=True)
class LabelPlan:
    """How each column gets its probability: by the gate (`any`), by the labeler, or as a constant share.

    Attributes
    ----------
    any_index : int or None
    learned : ndarray of int
        Columns the labeler learns.
    share : ndarray of float, shape (L,)
        Smoothed share of each label among rows with a label; what a constant column is given.
    seen : ndarray of 0/1, shape (S, K)
        Combinations of the learned labels among training rows with one of them; none for more than 12 labels.
    seen_count : ndarray of int, shape (S,)
    """

    any_index: int | None
    learned: NDArray[np.intp]
    share: NDArray[np.float64]
    seen: Labels
    seen_count: NDArray[np.int64]


def plan_labels(
    Y: Labels, any_index: int | None, weight: NDArray[np.float64] | None = None, known: Known = None
) -> LabelPlan:
    """Decide which columns the labeler can learn from the training rows `Y`.

    A label that never, or always, occurs among rows with a label has nothing to learn; it gets its share there
    with half a count added (Jeffreys), so that no probability is exactly 0 or 1. Only rows that know it count.
    """
    some = Y.any(axis=1)
    learned = varying_labels(Y[some], None if known is None else known[some])
    counted = some * (np.ones(len(Y)) if weight is None else weight)
    total = counted.sum() if known is None else counted @ known
    return planned(Y, any_index, learned[learned != any_index], (counted @ Y + 0.5) / (total + 1.0), known)


def planned(
    Y: Labels, any_index: int | None, learned: NDArray[np.intp], share: NDArray[np.float64], known: Known = None
) -> LabelPlan:
    """Make a plan for columns that were chosen, with the combinations of them that occur, all known, in `Y`."""
    kept = Y[:, learned] if len(learned) <= MOST_LABELS else Y[:0, learned]
    if known is not None:
        kept = kept[known[: len(kept), learned].all(axis=1)]
    seen, count = np.unique(kept[kept.any(axis=1)], axis=0, return_counts=True)
    return LabelPlan(any_index, learned, share, seen, count.astype(np.int64))
