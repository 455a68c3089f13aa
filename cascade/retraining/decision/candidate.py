"""What a model answers on held-out rows, to be held against another model's answers to the same rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cascade.data.readers.dataset import Dataset
from cascade.metrics import Outcome
from cascade.rules.rules import Prediction


@dataclass(frozen=True)
class Candidate:
    """A model's answers on the held-out rows.

    Attributes
    ----------
    label_names : tuple of str, length L
    outcome : Outcome
        Of n rows and L labels.
    rows_per_second : float, optional
    """

    label_names: tuple[str, ...]
    outcome: Outcome
    rows_per_second: float | None = None

    def of(self, names: Sequence[str]) -> Outcome:
        """Outcome of some labels, in their order."""
        columns = [self.label_names.index(label) for label in names]
        own = self.outcome
        true = own.labels.part(slice(None), columns)
        return Outcome(true.values, own.proba[:, columns], own.bits[:, columns], own.passed, true.known)


def candidate(
    label_names: tuple[str, ...], prediction: Prediction, data: Dataset, rows_per_second: float | None = None
) -> Candidate:
    """Pair a model's predictions of held-out rows with their labels, for the labels that model and data share.

    Parameters
    ----------
    label_names : tuple of str
        Of the model, whose order is kept.
    prediction : Prediction
        Of all rows of `data`.
    data : Dataset
        n labelled rows.
    rows_per_second : float, optional

    Returns
    -------
    Candidate
    """
    assert data.Y is not None
    shared = tuple(label for label in label_names if label in data.label_names)
    own = [label_names.index(label) for label in shared]
    given = [data.label_names.index(label) for label in shared]
    known = None if data.known is None else data.known[:, given]
    outcome = Outcome(
        data.Y[:, given], prediction.proba[:, own], prediction.labels[:, own], prediction.passed_gate, known
    )
    return Candidate(shared, outcome, rows_per_second)
