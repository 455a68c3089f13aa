"""Exams (one row per group) from the shards of a finished job or from a prediction."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset
from numpy.typing import ArrayLike, NDArray
from pyarrow import acero

from cascade.data.splits import group_numbers
from cascade.rules.rules import Prediction
from cascade.utils.address import Address, Place


def exams_of(folder: Place, label_names: tuple[str, ...]) -> pa.Table:
    """Aggregate rows to one row per group as `exam_table` does, with only the groups in memory.

    Parameters
    ----------
    folder : path or address
        Folder of a finished job of a cascade on rows with groups.
    label_names : tuple of str

    Returns
    -------
    pyarrow.Table
        Columns `group`, `rows`, `gate_probability`, `passed_gate`, then `<label>_probability` and `<label>`, sorted
        by group.
    """
    predicted = [column for name in label_names for column in (f"{name}_probability", name)]
    largest = ["gate_probability", "passed_gate", *predicted]
    parts = _parts_of(folder)
    rows = ("group", "hash_count", None, "rows")
    # A streaming plan: `dataset.to_table` and a group-by would load all rows first.
    scan = acero.Declaration("scan", acero.ScanNodeOptions(parts, columns=["group", *largest]))
    collect = acero.AggregateNodeOptions([rows, *((name, "hash_max", None, name) for name in largest)], keys=["group"])
    table = acero.Declaration.from_sequence([scan, acero.Declaration("aggregate", collect)]).to_table()
    # Groups are strings in every exam table, also if the input had numbers.
    table = table.set_column(0, "group", pc.cast(table["group"], pa.string()))
    return table.sort_by("group").select(["group", "rows", *largest])


def _parts_of(folder: Place) -> pyarrow.dataset.Dataset:
    if isinstance(folder, Address):
        names = sorted(name for name in folder.stamps() if name.startswith("part-"))
        paths = [(folder / name).path for name in names]
        return pyarrow.dataset.dataset(paths, format="parquet", filesystem=folder.files)
    return pyarrow.dataset.dataset(sorted(folder.glob("part-*.parquet")), format="parquet")


def exam_table(
    groups: ArrayLike | Any, prediction: Prediction, label_names: tuple[str, ...]
) -> dict[str, NDArray[Any]]:
    """Aggregate rows to one row per group: a label is set if any row has it; its probability is the largest one.

    The largest slice probability ranks exams. It is not the calibrated probability that the exam has the label,
    which many slices raise.

    Parameters
    ----------
    groups : array-like, shape (n,)
    prediction : Prediction
        Prediction of n rows.
    label_names : tuple of str
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
    for k, name in enumerate(label_names):
        columns[f"{name}_probability"] = _largest(prediction.proba[:, k], number)
        columns[name] = _largest(prediction.labels[:, k], number)
    return columns


def _largest(values: NDArray[Any], number: NDArray[np.intp]) -> NDArray[Any]:
    # Probabilities and bits are not negative, so zeros are a neutral start; `at` handles repeated group numbers.
    largest = np.zeros(int(number.max()) + 1, dtype=values.dtype)
    np.maximum.at(largest, number, values)
    return largest
