"""Metrics of the predicted bits per label: F1, F2, count ratio and recall of the gate."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np

from cascade.data.labels import Labels
from cascade.metrics.metric import Columns, Metric, ratio, ratio_of_sums, side_by_side
from cascade.metrics.outcome import Outcome
from cascade.utils.types import Floats


def label_f1(Y: Labels, bits: Labels) -> Floats:
    """Return F1 per label; NaN where the label neither occurs nor is predicted.

    Examples
    --------
    >>> label_f1(np.array([[1, 0], [0, 0]], np.uint8), np.array([[1, 0], [0, 0]], np.uint8))
    array([ 1., nan])
    """
    return F1(Outcome(Y, bits.astype(np.float64), bits, np.ones(len(Y), dtype=bool)))


def f_beta(beta: float) -> Callable[[Floats], Floats]:
    """Return the formula of F_beta from the sums of hits, predicted and true; recall has beta times the importance.

    The formula is NaN where no bit is predicted and none is true.

    References
    ----------
    van Rijsbergen (1979), Information retrieval, chapter 7.
    """
    square = beta**2

    def formula(sums: Floats) -> Floats:
        # With predicted = hits + FP and true = hits + FN, this is (1 + b^2) TP / ((1 + b^2) TP + b^2 FN + FP).
        hits, predicted, true = sums
        return ratio((1 + square) * hits, square * true + predicted)

    return formula


def _hits(outcome: Outcome) -> Iterable[Columns]:
    return side_by_side(outcome.known, outcome.Y & outcome.bits, outcome.bits, outcome.Y)


def _counts(outcome: Outcome) -> Iterable[Columns]:
    return side_by_side(outcome.known, outcome.bits, outcome.Y)


def _kept(outcome: Outcome) -> Iterable[Columns]:
    return side_by_side(outcome.known, outcome.Y & outcome.passed[:, None], outcome.Y)


F1 = Metric("f1", _hits, f_beta(1), 1.0)
F2 = Metric("f2", _hits, f_beta(2), 1.0)
COUNT_RATIO = Metric("count_ratio", _counts, ratio_of_sums, 1.0)
GATE_RECALL = Metric("gate_recall", _kept, ratio_of_sums, 1.0)
