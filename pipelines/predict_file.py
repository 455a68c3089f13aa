"""Predict an input that fits into memory to one file, and optionally one row per exam to another."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa

from cascade.batch.outputs.exams import exam_table
from cascade.batch.outputs.predictions import CascadeTables, ManyLabelTables, counts_of, row_table
from cascade.batch.outputs.writing import write_predictions
from cascade.data import Dataset
from cascade.data.readers.table.columns import Roles
from cascade.errors import DataError

from .steps.progress import StageBars
from .steps.reading import read_input
from .steps.tables import write_table


def run(
    folder: Path,
    source: Path,
    output: Path,
    tables: CascadeTables | ManyLabelTables,
    roles: Roles,
    exams: Path | None,
) -> dict[str, Any]:
    """Predict every row of `source`, of which none may be invalid; return a summary."""
    data = read_input(tables.predictor, source, roles)
    if exams is not None and data.groups is None:
        raise DataError(f"`{source}` has no groups to make exams of; name the group column with --group.")
    if isinstance(tables, CascadeTables):
        counts = _write_cascade(tables, data, output, exams)
    else:
        # Written in chunks, so that the lists of all rows are not in memory at once.
        counts = write_predictions(output, tables(data.X, data.ids, data.groups, StageBars())).counts
    return {"rows": len(data), **counts, "output": str(output), "model": str(folder)}


def _write_cascade(tables: CascadeTables, data: Dataset, output: Path, exams: Path | None) -> dict[str, int]:
    # One prediction for both files, so that rows and exams cannot disagree.
    prediction = tables.predict(data.X, StageBars())
    label_names, counts = tables.predictor.label_names, counts_of(prediction)
    write_table(output, row_table(data.ids, data.groups, prediction, label_names))
    if exams is not None:
        table = exam_table(data.groups, prediction, label_names)
        write_table(exams, pa.table(table))
        counts["exams"] = len(table["group"])
    return counts
