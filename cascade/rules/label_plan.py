"""Which columns the gate, the labeler or a constant share answers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cascade.data.label_matrix import LabelMatrix
from cascade.data.labels import Labels

MOST_LABELS = 12
"""Whole vectors are weighed for up to this many labels: 2 to the power of it, for every row."""


def varying_labels(labels: LabelMatrix) -> NDArray[np.intp]:
    """Return the columns that have both classes among the rows on which the label is known."""
    count = labels.values.sum(axis=0, dtype=np.int64)
    return np.flatnonzero((count > 0) & (count < labels.rows_per_label()))


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


def plan_labels(labels: LabelMatrix, any_index: int | None, weight: NDArray[np.float64] | None = None) -> LabelPlan:
    """Decide which columns the labeler can learn from the labels of the training rows.

    A label that never, or always, occurs among rows with a label has nothing to learn; it gets its share there
    with half a count added (Jeffreys), so that no probability is exactly 0 or 1. Only rows on which it is known count.
    """
    some = labels.has_label()
    learned = varying_labels(labels.part(some))
    counted = some * (np.ones(len(labels)) if weight is None else weight)
    share = (counted @ labels.values + 0.5) / (labels.weight_per_label(counted) + 1.0)
    return planned(labels, any_index, learned[learned != any_index], share)


def planned(
    labels: LabelMatrix, any_index: int | None, learned: NDArray[np.intp], share: NDArray[np.float64]
) -> LabelPlan:
    """Make a plan for columns that were chosen, with their combinations on the rows where all of them are known."""
    part = labels.part(slice(None) if len(learned) <= MOST_LABELS else slice(0), learned)
    kept = part.values if part.known is None else part.values[part.known.all(axis=1)]
    seen, count = np.unique(kept[kept.any(axis=1)], axis=0, return_counts=True)
    return LabelPlan(any_index, learned, share, seen, count.astype(np.int64))
