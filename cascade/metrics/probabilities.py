"""Metrics of probabilities: Brier score, also of positives and negatives separately, log loss and sum ratio."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from cascade.data.labels import Labels
from cascade.metrics.metric import Columns, Metric, ratio_of_sums, side_by_side
from cascade.metrics.outcome import Outcome
from cascade.utils.log_odds import SMALLEST
from cascade.utils.types import Floats


def weighted_log_loss(Y: Labels, proba: Floats, any_index: int | None) -> float:
    """Return the mean log loss with `any` counted double, the metric of the RSNA 2019 challenge.

    That is the RSNA Intracranial Hemorrhage Detection challenge. The probability of the true value is clipped to at
    least 1e-7.

    Examples
    --------
    >>> weighted_log_loss(np.array([[0, 0]], np.uint8), np.array([[0.0, 0.0]]), any_index=1)
    0.0
    """
    outcome = Outcome(Y, proba, np.zeros_like(Y), np.ones(len(Y), dtype=bool))
    return float(any_counted_double(any_index)(outcome)[0])


def any_counted_double(any_index: int | None) -> Metric:
    """Make the metric of `weighted_log_loss`; without `any` every label counts the same.

    Examples
    --------
    >>> any_counted_double(1).name
    'weighted_log_loss'
    """

    def columns(outcome: Outcome) -> Iterable[Columns]:
        weights = np.ones(outcome.Y.shape[1])
        if any_index is not None:
            weights[any_index] = 2.0
        # A row counts by the weight of its known labels; if all are known, this is the same mean as below.
        if outcome.known is not None:
            loss = (_label_loss(outcome) * outcome.known) @ weights
            return [np.column_stack([loss, outcome.known @ weights])]
        loss = _label_loss(outcome) @ weights / weights.sum()
        return [np.column_stack([loss, np.ones(len(loss))])]

    return Metric("weighted_log_loss", columns, ratio_of_sums, 0.0)


def _label_loss(outcome: Outcome) -> Floats:
    """Return the negative log of the probability of the true value, shape (n, L)."""
    p = outcome.proba
    # Clipped at one end only: a correct prediction of exactly 0 or 1 then has a loss of exactly 0.
    # Subtracting from 0.0 instead of negating avoids -0.0.
    log_likelihood = np.where(outcome.Y > 0, np.log(np.maximum(p, SMALLEST)), np.log1p(-np.minimum(p, 1 - SMALLEST)))
    return np.asarray(0.0 - log_likelihood)


def _squares(outcome: Outcome) -> Floats:
    return np.asarray((outcome.proba - outcome.Y) ** 2)


def _brier(outcome: Outcome) -> Iterable[Columns]:
    return side_by_side(outcome.known, _squares(outcome), np.ones_like(outcome.proba))


def _brier_positives(outcome: Outcome) -> Iterable[Columns]:
    return side_by_side(outcome.known, _squares(outcome) * outcome.Y, outcome.Y)


def _brier_negatives(outcome: Outcome) -> Iterable[Columns]:
    return side_by_side(outcome.known, _squares(outcome) * (1 - outcome.Y), 1 - outcome.Y)


def _log_loss(outcome: Outcome) -> Iterable[Columns]:
    return side_by_side(outcome.known, _label_loss(outcome), np.ones_like(outcome.proba))


def _sums(outcome: Outcome) -> Iterable[Columns]:
    return side_by_side(outcome.known, outcome.proba, outcome.Y)


# Wallace & Dahabreh (2012), Class probability estimates are unreliable for imbalanced data (and how to fix them).
BRIER_POSITIVES = Metric("brier_positives", _brier_positives, ratio_of_sums, 0.0)
BRIER_NEGATIVES = Metric("brier_negatives", _brier_negatives, ratio_of_sums, 0.0)
BRIER = Metric("brier", _brier, ratio_of_sums, 0.0)
LOG_LOSS = Metric("log_loss", _log_loss, ratio_of_sums, 0.0)
SUM_RATIO = Metric("sum_ratio", _sums, ratio_of_sums, 1.0)
