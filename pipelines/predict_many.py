"""Predict files with a saved flat model: labels and probabilities as lists, written a chunk of rows at a time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet
from scipy.special import expit

from cascade.data import Dataset
from cascade.data.columns import Roles
from cascade.errors import ConfigError
from cascade.many.predictor import ManyLabelPredictor
from cascade.metrics.top_k import top_columns
from cascade.publish import new_file
from pipelines.progress import StageBars
from pipelines.reading import read_input

TOP_K = 10


def run(folder: Path, source: Path, output: Path, roles: Roles, top_k: int | None) -> dict[str, Any]:
    """Predict every row of `source`; return a summary."""
    if output.suffix != ".parquet":
        raise ConfigError(f"a flat model's answers are lists, which only .parquet holds. Received `{output}`.")
    predictor = ManyLabelPredictor.load(folder)
    n_labels = len(predictor.labels)
    k = min(TOP_K, n_labels) if top_k is None else top_k
    if not 1 <= k <= n_labels:
        raise ConfigError(f"`--top-k` must lie between 1 and the number of labels ({n_labels}). Received {k}.")
    data = read_input(predictor, source, roles)
    summary: dict[str, Any] = {
        "rows": len(data),
        "rows_with_label": 0,
        "labels": 0,
        "output": str(output),
        "model": str(folder),
    }
    with new_file(output) as aside:
        writer = None
        for table in _tables(predictor, data, k):
            writer = writer or pyarrow.parquet.ParquetWriter(aside, table.schema)
            writer.write_table(table)
            number = np.diff(np.asarray(table["labels"].combine_chunks().offsets))
            summary["rows_with_label"] += int((number > 0).sum())
            summary["labels"] += int(number.sum())
        assert writer is not None
        writer.close()
    return summary


def _tables(predictor: ManyLabelPredictor, data: Dataset, k: int) -> Iterator[pa.Table]:
    names, bars = np.array(predictor.labels), StageBars()
    for rows, z in predictor.chunks(data.X, progress=lambda done, total: bars("rows", done, total)):
        bits = predictor.decode(data.X, rows, z)
        first = top_columns(z, k)
        columns = {"id": data.ids[rows]}
        if data.groups is not None:
            columns["group"] = data.groups[rows]
        start, own = bits.indptr.astype(np.int32), bits.indices
        row = np.repeat(np.arange(len(rows)), np.diff(start))
        columns["labels"] = _lists(start, names[own])
        columns["probabilities"] = _lists(start, expit(z[row, own]))
        even = np.arange(len(rows) + 1, dtype=np.int32) * k
        columns["top_labels"] = _lists(even, names[first.ravel()])
        columns["top_probabilities"] = _lists(even, expit(np.take_along_axis(z, first, axis=1)).ravel())
        yield pa.table(columns)


def _lists(start: Any, values: Any) -> pa.ListArray:
    return pa.ListArray.from_arrays(pa.array(start), pa.array(values))
