"""Predict an input that fits into memory into one file, and one row for each exam into another if asked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa

from cascade.batch.outputs.exams import exam_table
from cascade.batch.outputs.predictions import CascadeTables, ManyLabelTables, counts_of, row_table
from cascade.batch.outputs.writing import write_predictions
from cascade.data import Dataset
from cascade.data.readers.columns import Roles
from cascade.errors import DataError

from .steps.progress import StageBars
from .steps.reading import read_input
from .steps.tables import write_table


def run(
    folder: Path,
    source: Path,
    output: Path,
    answers: CascadeTables | ManyLabelTables,
    roles: Roles,
    exams: Path | None,
) -> dict[str, Any]:
    """Predict every row of `source`, none of which may be bad; return a summary."""
    data = read_input(answers.predictor, source, roles)
    if exams is not None and data.groups is None:
        raise DataError(f"`{source}` has no groups to make exams of; name the group column with --group.")
    if isinstance(answers, CascadeTables):
        counts = _write_cascade(answers, data, output, exams)
    else:
        counts = write_predictions(output, answers(data.X, data.ids, data.groups, StageBars())).counts
    return {"rows": len(data), **counts, "output": str(output), "model": str(folder)}


def _write_cascade(answers: CascadeTables, data: Dataset, output: Path, exams: Path | None) -> dict[str, int]:
    prediction = answers.predict(data.X, StageBars())
    labels, counts = answers.predictor.label_names, counts_of(prediction)
    write_table(output, row_table(data.ids, data.groups, prediction, labels))
    if exams is not None:
        table = exam_table(data.groups, prediction, labels)
        write_table(exams, pa.table(table))
        counts["exams"] = len(table["group"])
    return counts
