"""The ledger of losses: where the positives of each label are found or lost, and errors on empty rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cascade.metrics.outcome import Outcome

Counts = NDArray[np.int64]


@dataclass(frozen=True)
class Ledger:
    """Counts that add up: positives = found + lost_at_gate + lost_at_labeler.

    Attributes
    ----------
    positives, found : ndarray of int, shape (L,)
    lost_at_gate : ndarray of int, shape (L,)
        Positives without their bit on rows that the gate rejected.
    lost_at_labeler : ndarray of int, shape (L,)
        Positives without their bit on rows that passed the gate.
    false_alarms : ndarray of int, shape (L,)
        Bits on rows that are known not to have the label.
    empty_rows, empty_past_gate, empty_with_alarm : int
        Rows known to have no label; how many of them passed the gate; how many were given a bit.
    """

    positives: Counts
    found: Counts
    lost_at_gate: Counts
    lost_at_labeler: Counts
    false_alarms: Counts
    empty_rows: int
    empty_past_gate: int
    empty_with_alarm: int


def ledger(outcome: Outcome) -> Ledger:
    """Count positives found, positives lost at the gate and at the labeler, and false alarms.

    Examples
    --------
    >>> Y, bits = np.array([[1], [1], [1], [0]], np.uint8), np.array([[1], [0], [0], [1]], np.uint8)
    >>> book = ledger(Outcome(Y, bits.astype(float), bits, passed=np.array([True, True, False, True])))
    >>> int(book.found[0]), int(book.lost_at_gate[0]), int(book.lost_at_labeler[0]), book.empty_with_alarm
    (1, 1, 1, 1)
    """
    true, bits, passed = outcome.Y > 0, outcome.known_bits > 0, outcome.passed[:, None]
    empty = outcome.empty
    # The bit is checked before the gate, so the counts add up even where a rejected row has a bit.
    return Ledger(
        positives=true.sum(axis=0),
        found=(true & bits).sum(axis=0),
        lost_at_gate=(true & ~bits & ~passed).sum(axis=0),
        lost_at_labeler=(true & ~bits & passed).sum(axis=0),
        false_alarms=(bits & ~true).sum(axis=0),
        empty_rows=int(empty.sum()),
        empty_past_gate=int((empty & outcome.passed).sum()),
        empty_with_alarm=int((empty & ~outcome.predicted_empty).sum()),
    )
