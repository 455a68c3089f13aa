"""Predictions of one model on held-out rows, to be compared with another model's on the same rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cascade.data.readers.dataset import Dataset
from cascade.metrics import Outcome
from cascade.rules.rules import Prediction


@dataclass(frozen=True)
class Candidate:
    """A model's predictions on the held-out rows, with the true labels.

    Attributes
    ----------
    label_names : tuple of str, length L
    outcome : Outcome
        Of n rows and L labels.
    """

    label_names: tuple[str, ...]
    outcome: Outcome

    def of(self, names: Sequence[str]) -> Outcome:
        """Return the outcome of some labels, in the order of `names`."""
        columns = [self.label_names.index(name) for name in names]
        outcome = self.outcome
        true = outcome.labels.part(slice(None), columns)
        return Outcome(true.values, outcome.proba[:, columns], outcome.bits[:, columns], outcome.passed, true.known)


def candidate(label_names: tuple[str, ...], prediction: Prediction, data: Dataset) -> Candidate:
    """Pair a model's predictions of held-out rows with their labels, for labels that both model and data have.

    Parameters
    ----------
    label_names : tuple of str
        Of the model, whose order is kept.
    prediction : Prediction
        Of all rows of `data`.
    data : Dataset
        n labelled rows.

    Returns
    -------
    Candidate
    """
    assert data.Y is not None
    shared = tuple(name for name in label_names if name in data.label_names)
    # The columns of model and data may be in different orders; `shared` has that of the model.
    predicted = [label_names.index(name) for name in shared]
    true = [data.label_names.index(name) for name in shared]
    known = None if data.known is None else data.known[:, true]
    outcome = Outcome(
        data.Y[:, true], prediction.proba[:, predicted], prediction.labels[:, predicted], prediction.passed_gate, known
    )
    return Candidate(shared, outcome)
