"""The plan of the label columns: predicted by the gate, by the labeler, or as a constant share."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cascade.data.label_matrix import LabelMatrix
from cascade.data.labels import Labels

MOST_LABELS = 12
"""Largest number of labels for joint decisions, which compare up to 2**12 label vectors per row."""


def varying_labels(labels: LabelMatrix) -> NDArray[np.intp]:
    """Return the columns that have both classes among the rows on which the label is known."""
    # Unknown entries are 0 in `values`, so a label without negatives shows only against its number of known rows.
    count = labels.values.sum(axis=0, dtype=np.int64)
    return np.flatnonzero((count > 0) & (count < labels.rows_per_label()))


@dataclass(frozen=True)
class LabelPlan:
    """How each column gets its probability: from the gate (`any`), from the labeler, or as a constant share.

    Attributes
    ----------
    any_index : int or None
        Column that equals the OR of the others.
    learned : ndarray of int, shape (K,)
        Columns that the labeler learns.
    share : ndarray of float, shape (L,)
        Smoothed share of each label among rows with a label. A constant column is predicted as its share times the
        gate's probability.
    seen : ndarray of 0/1, shape (S, K)
        Combinations of the learned labels among training rows with one of them; empty for more than 12 labels.
    seen_count : ndarray of int, shape (S,)
        Training rows with each combination.
    """

    any_index: int | None
    learned: NDArray[np.intp]
    share: NDArray[np.float64]
    seen: Labels
    seen_count: NDArray[np.int64]


def plan_labels(labels: LabelMatrix, any_index: int | None, weight: NDArray[np.float64] | None = None) -> LabelPlan:
    """Choose the columns that the labeler can learn from the labels of the training rows.

    A label that never or always occurs among rows with a label cannot be learned and gets its share there, with half
    a count added to each class (Jeffreys' prior). Only rows on which the label is known count.
    """
    # Whatever the negative pool, a label that is constant among rows with a label is determined by the gate's target.
    has_label = labels.has_label()
    learned = varying_labels(labels.part(has_label))
    counted = has_label * (np.ones(len(labels)) if weight is None else weight)
    # Half a count keeps every share inside (0, 1): a label that was never seen may still occur.
    share = (counted @ labels.values + 0.5) / (labels.weight_per_label(counted) + 1.0)
    # Without a column `any` the comparison with None holds everywhere, and all learned columns stay.
    return planned(labels, any_index, learned[learned != any_index], share)


def planned(
    labels: LabelMatrix, any_index: int | None, learned: NDArray[np.intp], share: NDArray[np.float64]
) -> LabelPlan:
    """Make the plan of chosen columns, with their combinations on the rows where all of them are known."""
    # Only joint decisions use the combinations; for more labels than these support, none are stored with the model.
    part = labels.part(slice(None) if len(learned) <= MOST_LABELS else slice(0), learned)
    # An unknown entry reads as 0 and would pass for a combination that was never observed.
    kept = part.values if part.known is None else part.values[part.known.all(axis=1)]
    seen, count = np.unique(kept[kept.any(axis=1)], axis=0, return_counts=True)
    return LabelPlan(any_index, learned, share, seen, count.astype(np.int64))
