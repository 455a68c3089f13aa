"""From rows to exams: what a reader acts on is the patient or study, not the slice."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cascade.data.splits import group_numbers
from cascade.rules.prediction import Prediction


def exam_table(groups: ArrayLike | Any, prediction: Prediction, labels: tuple[str, ...]) -> dict[str, NDArray[Any]]:
    """Make one row of each group: a label is on if it is on in any row, its probability is the largest.

    The largest slice probability ranks exams. It is not the calibrated probability that the exam has the label,
    which many slices raise.

    Parameters
    ----------
    groups : array-like, shape (n,)
    prediction : Prediction
        Of n rows.
    labels : tuple of str
        Names in column order.

    Returns
    -------
    dict
        Columns `group`, `rows`, `gate_probability`, `passed_gate`, then `<label>_probability` and `<label>`.

    Examples
    --------
    >>> proba, bits = np.array([[0.2], [0.9]]), np.array([[0], [1]], np.uint8)
    >>> table = exam_table(["p", "p"], Prediction(proba[:, 0], bits[:, 0] > 0, proba, bits), ("bleed",))
    >>> table["bleed"].tolist(), table["bleed_probability"].tolist(), table["rows"].tolist()
    ([1], [0.9], [2])
    """
    number = group_numbers(groups, len(prediction.proba))
    columns: dict[str, NDArray[Any]] = {
        "group": np.unique(np.asarray(groups)).astype(str),
        "rows": np.bincount(number),
        "gate_probability": _largest(prediction.gate_proba, number),
        "passed_gate": _largest(prediction.passed_gate, number),
    }
    for k, name in enumerate(labels):
        columns[f"{name}_probability"] = _largest(prediction.proba[:, k], number)
        columns[name] = _largest(prediction.labels[:, k], number)
    return columns


def _largest(values: NDArray[Any], number: NDArray[np.intp]) -> NDArray[Any]:
    largest = np.zeros(int(number.max()) + 1, dtype=values.dtype)
    np.maximum.at(largest, number, values)
    return largest
