"""Metrics of the order of rows: AUROC and average precision, with ties, as formulas of sums."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from cascade.data.labels import Labels
from cascade.data.missing import Known
from cascade.metrics.metric import Columns, Metric, ratio
from cascade.metrics.outcome import Outcome
from cascade.utils.types import Floats


def label_auroc(Y: Labels, proba: Floats) -> Floats:
    """Area under the ROC curve of each label; NaN where a label has only one class.

    Examples
    --------
    >>> label_auroc(np.array([[1], [0], [0]], np.uint8), np.array([[0.5], [0.5], [0.1]]))
    array([0.75])
    """
    return AUROC(_without_bits(Y, proba))


def label_average_precision(Y: Labels, proba: Floats) -> Floats:
    """Average precision of each label; NaN where it never occurs.

    Examples
    --------
    >>> label_average_precision(np.array([[1, 0], [0, 0]], np.uint8), np.array([[0.5, 0.5], [0.5, 0.1]]))
    array([0.5, nan])
    """
    return AVERAGE_PRECISION(_without_bits(Y, proba))


def micro_average_precision(Y: Labels, proba: Floats) -> float:
    """Average precision over all (row, label) pairs; NaN without a positive."""
    return float(MICRO_AVERAGE_PRECISION(_without_bits(Y, proba))[0])


def _without_bits(Y: Labels, proba: Floats) -> Outcome:
    return Outcome(Y, proba, np.zeros_like(Y), np.ones(len(Y), dtype=bool))


def _of_labels(outcome: Outcome) -> Iterable[Columns]:
    rows, n_labels = np.arange(len(outcome)), outcome.Y.shape[1]
    return (
        _places(outcome.Y[:, k], outcome.proba[:, k], rows, None if outcome.known is None else outcome.known[:, k])
        for k in range(n_labels)
    )


def _of_pairs(outcome: Outcome) -> Iterable[Columns]:
    n_rows, n_labels = outcome.Y.shape
    known = None if outcome.known is None else outcome.known.ravel()
    return [_places(outcome.Y.ravel(), outcome.proba.ravel(), np.repeat(np.arange(n_rows), n_labels), known)]


def _places(y: NDArray[np.uint8], score: Floats, row: NDArray[np.intp], known: Known) -> Columns:
    """Mark each row's place in the order of scores, as far as a ranking can tell; none where it is not known.

    Only the B scores that some positive has matter. Columns 0 to B - 1 are their positives, from the highest
    score down, then come the B ties: negatives of the same score; then B + 1 gaps: the negatives above each
    of these scores and below the one before, and those below all.
    """
    block = np.unique(-score, return_inverse=True)[1]
    positive = np.bincount(block, weights=y, minlength=1) > 0
    n_places = int(positive.sum())
    place: NDArray[np.intp] = (np.cumsum(positive) - positive)[block]
    kind = np.where(y > 0, 0, np.where(positive[block], 1, 2))
    shape = (int(row.max(initial=-1)) + 1, 3 * n_places + 1)
    counted = np.ones(len(y)) if known is None else known.astype(np.float64)
    return sparse.csr_array((counted, (row, kind * n_places + place)), shape=shape)


def counts_at_places(sums: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    """Positives and tied negatives at each place, negatives down to it with ties, and all negatives."""
    n_places = len(sums) // 3
    positives, ties, gaps = sums[:n_places], sums[n_places : 2 * n_places], sums[2 * n_places :]
    passed_by = np.cumsum(ties + gaps[:-1], axis=0)
    return positives, ties, passed_by, ties.sum(axis=0) + gaps.sum(axis=0)


def _auroc(sums: Floats) -> Floats:
    positives, ties, passed_by, negatives = counts_at_places(sums)
    won = (positives * (negatives - passed_by + ties / 2)).sum(axis=0)
    return ratio(won, positives.sum(axis=0) * negatives)


def _average_precision(sums: Floats) -> Floats:
    positives, _, passed_by, _ = counts_at_places(sums)
    found = np.cumsum(positives, axis=0)
    # A draw without a row at or above a place has no precision there, and no positive to count it.
    precision = np.divide(found, found + passed_by, out=np.zeros_like(found), where=found > 0)
    return ratio((positives * precision).sum(axis=0), positives.sum(axis=0))


AUROC = Metric("auroc", _of_labels, _auroc, 1.0)
AVERAGE_PRECISION = Metric("average_precision", _of_labels, _average_precision, 1.0)
MICRO_AVERAGE_PRECISION = Metric("micro_average_precision", _of_pairs, _average_precision, 1.0)
