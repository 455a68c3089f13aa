"""From rows to exams: what a reader acts on is the patient or study, not the slice."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cascade.predictor import Prediction


class ExamTable:
    """One row a group: a label is on if it is on in any row, its probability is the largest of the rows.

    The largest slice probability ranks exams. It is not the calibrated probability that the exam has the label,
    which many slices raise.

    Examples
    --------
    >>> exams = ExamTable(("bleed",))
    >>> proba, bits = np.array([[0.2], [0.9]]), np.array([[0], [1]], np.uint8)
    >>> exams.add(np.array(["p", "p"]), Prediction(proba[:, 0], bits[:, 0] > 0, proba, bits))
    >>> exams.columns()["bleed"].tolist(), exams.columns()["rows"].tolist()
    ([1], [2])
    """

    def __init__(self, labels: tuple[str, ...]) -> None:
        self.labels = labels
        self._exams: dict[Any, list[Any]] = {}

    def __len__(self) -> int:
        return len(self._exams)

    def add(self, groups: NDArray[Any] | None, prediction: Prediction) -> None:
        """Take in some rows; a group may come in several parts."""
        names, number = np.unique(np.asarray(groups), return_inverse=True)
        for index, name in enumerate(names.tolist()):
            rows = number == index
            part = [
                int(rows.sum()),
                prediction.gate_proba[rows].max(),
                bool(prediction.passed_gate[rows].any()),
                prediction.proba[rows].max(axis=0),
                prediction.labels[rows].max(axis=0),
            ]
            known = self._exams.get(name)
            self._exams[name] = part if known is None else _merge(known, part)

    def columns(self) -> dict[str, NDArray[Any]]:
        """The table by column, groups in the order in which they came."""
        rows, gate, passed, proba, bits = zip(*self._exams.values(), strict=True)
        columns: dict[str, NDArray[Any]] = {
            "group": np.array([str(name) for name in self._exams]),
            "rows": np.array(rows),
            "gate_probability": np.array(gate),
            "passed_gate": np.array(passed),
        }
        for k, name in enumerate(self.labels):
            columns[f"{name}_probability"] = np.array([row[k] for row in proba])
            columns[name] = np.array([row[k] for row in bits])
        return columns


def _merge(known: list[Any], part: list[Any]) -> list[Any]:
    return [known[0] + part[0], *(np.maximum(a, b) for a, b in zip(known[1:], part[1:], strict=True))]
