"""Metrics of whole rows, where an empty row that is predicted empty is correct and scores 1.

If most rows are empty, predicting no label scores well on all of these metrics. Compare with that baseline.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from cascade.metrics.label_based import f_beta
from cascade.metrics.metric import Columns, Metric, ratio, ratio_of_sums
from cascade.metrics.outcome import Outcome
from cascade.utils.types import Floats


def _mean(outcome: Outcome, values: Floats | NDArray[np.bool_]) -> Iterable[Columns]:
    """Return the columns of a mean over the rows with at least one known label."""
    counted = np.ones(len(values)) if outcome.known is None else outcome.known.any(axis=1).astype(np.float64)
    return [np.column_stack([values * counted, counted])]


def _subset_accuracy(outcome: Outcome) -> Iterable[Columns]:
    return _mean(outcome, (outcome.known_bits == outcome.Y).all(axis=1))


def _hamming_loss(outcome: Outcome) -> Iterable[Columns]:
    wrong = outcome.known_bits != outcome.Y
    if outcome.known is None:
        return _mean(outcome, wrong.mean(axis=1))
    # Divided by the known labels of the row: an unknown one is neither right nor wrong.
    return _mean(outcome, wrong.sum(axis=1) / np.maximum(outcome.known.sum(axis=1), 1))


def _counts(outcome: Outcome) -> tuple[Floats, Floats]:
    hits = (outcome.Y & outcome.bits).sum(axis=1, dtype=np.float64)
    return hits, outcome.Y.sum(axis=1, dtype=np.float64) + outcome.known_bits.sum(axis=1)


def _samples_f1(outcome: Outcome) -> Iterable[Columns]:
    hits, total = _counts(outcome)
    return _mean(outcome, np.where(total > 0, ratio(2 * hits, total), 1.0))


def _jaccard(outcome: Outcome) -> Iterable[Columns]:
    hits, total = _counts(outcome)
    # `total` counts the intersection twice, so the union is `total - hits`.
    return _mean(outcome, np.where(total > 0, ratio(hits, total - hits), 1.0))


def _f1_normal(outcome: Outcome) -> Iterable[Columns]:
    # A row without a known positive may still have one among its unknown labels; such a row is left out.
    empty, predicted = outcome.empty, outcome.predicted_empty & (outcome.empty | outcome.with_label)
    return [np.column_stack([empty & predicted, predicted, empty]).astype(np.float64)]


SUBSET_ACCURACY = Metric("subset_accuracy", _subset_accuracy, ratio_of_sums, 1.0)
HAMMING_LOSS = Metric("hamming_loss", _hamming_loss, ratio_of_sums, 0.0)
SAMPLES_F1 = Metric("samples_f1", _samples_f1, ratio_of_sums, 1.0)
JACCARD = Metric("jaccard", _jaccard, ratio_of_sums, 1.0)
# Haurum & Moeslund (2021), arXiv 2103.10895: a row without a label is the positive class.
F1_NORMAL = Metric("f1_normal", _f1_normal, f_beta(1), 1.0)
