"""What a model answers on held-out rows, to be held against another model's answers to the same rows."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cascade.data.missing import known_part
from cascade.metrics import Outcome

if TYPE_CHECKING:
    from cascade.data.readers.dataset import Dataset
    from cascade.predictor import CascadePredictor


@dataclass(frozen=True)
class Candidate:
    """A model's answers on the held-out rows.

    Attributes
    ----------
    labels : tuple of str, length L
    outcome : Outcome
        Of n rows and L labels.
    rows_per_second : float, optional
    """

    labels: tuple[str, ...]
    outcome: Outcome
    rows_per_second: float | None = None

    def of(self, labels: Sequence[str]) -> Outcome:
        """Outcome of some labels, in their order."""
        columns = [self.labels.index(label) for label in labels]
        own = self.outcome
        known = known_part(own.known, slice(None), columns)
        return Outcome(own.Y[:, columns], own.proba[:, columns], own.bits[:, columns], own.passed, known)


def candidate(predictor: CascadePredictor, data: Dataset) -> Candidate:
    """Ask a model about held-out rows, with the labels in its own order; those that it alone knows stay away."""
    assert data.Y is not None
    started = time.monotonic()
    answer = predictor.examine(data.X)
    rate = len(data) / (time.monotonic() - started)
    labels = tuple(label for label in predictor.labels if label in data.label_names)
    own = [predictor.labels.index(label) for label in labels]
    given = [data.label_names.index(label) for label in labels]
    known = None if data.known is None else data.known[:, given]
    outcome = Outcome(data.Y[:, given], answer.proba[:, own], answer.labels[:, own], answer.passed_gate, known)
    return Candidate(labels, outcome, rate)
