"""Metrics of the bits of each label: F1, F2, how many were predicted, how many the gate kept."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np

from cascade.data.labels import Labels
from cascade.metrics.metric import Columns, Metric, ratio, ratio_of_sums, side_by_side
from cascade.metrics.outcome import Outcome
from cascade.utils.types import Floats


def label_f1(Y: Labels, bits: Labels) -> Floats:
    """F1 of each label; NaN where it neither occurs nor is predicted.

    Examples
    --------
    >>> label_f1(np.array([[1, 0], [0, 0]], np.uint8), np.array([[1, 0], [0, 0]], np.uint8))
    array([ 1., nan])
    """
    return F1(Outcome(Y, bits.astype(np.float64), bits, np.ones(len(Y), dtype=bool)))


def f_beta(beta: float) -> Callable[[Floats], Floats]:
    """Formula of F_beta from the sums of hits, predicted and true: recall counts beta times as much as precision.

    NaN where there is neither a predicted nor a true one.

    References
    ----------
    van Rijsbergen (1979), Information retrieval, chapter 7.
    """
    square = beta**2

    def formula(sums: Floats) -> Floats:
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
