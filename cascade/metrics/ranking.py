"""Metrics of the ranking of rows: AUROC and average precision, with ties, as formulas of sums."""

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
    """Return the area under the ROC curve per label; NaN where a label has only one class.

    Examples
    --------
    >>> label_auroc(np.array([[1], [0], [0]], np.uint8), np.array([[0.5], [0.5], [0.1]]))
    array([0.75])
    """
    return AUROC(_without_bits(Y, proba))


def label_average_precision(Y: Labels, proba: Floats) -> Floats:
    """Return the average precision per label; NaN where the label never occurs.

    Examples
    --------
    >>> label_average_precision(np.array([[1, 0], [0, 0]], np.uint8), np.array([[0.5, 0.5], [0.5, 0.1]]))
    array([0.5, nan])
    """
    return AVERAGE_PRECISION(_without_bits(Y, proba))


def micro_average_precision(Y: Labels, proba: Floats) -> float:
    """Return the average precision over all (row, label) pairs; NaN without a positive."""
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
    """Mark the place of each row in the order of scores; rows whose label is not known have none.

    Only the B distinct scores of positives matter. Columns 0 to B - 1 are their positives, from the highest score
    down. The next B columns are ties: negatives of the same score. The last B + 1 are gaps: negatives between one of
    these scores and the next higher one, and those below all.
    """
    # Negated, since np.unique sorts ascending: block 0 has the highest score.
    block = np.unique(-score, return_inverse=True)[1]
    positive = np.bincount(block, weights=y, minlength=1) > 0
    n_places = int(positive.sum())
    # How many scores of positives are strictly higher: the place of a tie, and the gap of any other negative.
    place: NDArray[np.intp] = (np.cumsum(positive) - positive)[block]
    kind = np.where(y > 0, 0, np.where(positive[block], 1, 2))
    # The layout is that of all rows. A bootstrap draw changes only the counts, so nothing is sorted again.
    shape = (int(row.max(initial=-1)) + 1, 3 * n_places + 1)
    counted = np.ones(len(y)) if known is None else known.astype(np.float64)
    return sparse.csr_array((counted, (row, kind * n_places + place)), shape=shape)


def counts_at_places(sums: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    """Return positives and tied negatives per place, negatives down to it including ties, and all negatives."""
    n_places = len(sums) // 3
    positives, ties, gaps = sums[:n_places], sums[n_places : 2 * n_places], sums[2 * n_places :]
    negatives_above = np.cumsum(ties + gaps[:-1], axis=0)
    return positives, ties, negatives_above, ties.sum(axis=0) + gaps.sum(axis=0)


def _auroc(sums: Floats) -> Floats:
    positives, ties, negatives_above, negatives = counts_at_places(sums)
    # `negatives_above` includes the ties of the same place, of which half count as ranked below.
    won = (positives * (negatives - negatives_above + ties / 2)).sum(axis=0)
    return ratio(won, positives.sum(axis=0) * negatives)


def _average_precision(sums: Floats) -> Floats:
    positives, _, negatives_above, _ = counts_at_places(sums)
    true_positives = np.cumsum(positives, axis=0)
    # A draw without a positive down to a place has no precision there, and no positive that would weigh it.
    precision = np.divide(
        true_positives,
        true_positives + negatives_above,
        out=np.zeros_like(true_positives),
        where=true_positives > 0,
    )
    return ratio((positives * precision).sum(axis=0), positives.sum(axis=0))


AUROC = Metric("auroc", _of_labels, _auroc, 1.0)
AVERAGE_PRECISION = Metric("average_precision", _of_labels, _average_precision, 1.0)
MICRO_AVERAGE_PRECISION = Metric("micro_average_precision", _of_pairs, _average_precision, 1.0)
