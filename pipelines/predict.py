"""Predict files with a saved cascade and write one row for each, and one for each exam if asked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa

from cascade.data import Dataset
from cascade.data.columns import Roles
from cascade.errors import ConfigError, DataError
from cascade.exams import exam_table
from cascade.prediction import Prediction
from cascade.predictor import CascadePredictor
from cascade.publish import new_file
from pipelines import predict_many
from pipelines.models import find_model, is_flat
from pipelines.progress import StageBars
from pipelines.reading import read_input
from pipelines.tables import FORMATS, check_columns


def run(model: Path, source: Path, output: Path, roles: Roles, exams: Path | None, top_k: int | None) -> dict[str, Any]:
    """Predict every row of `source`; return a summary."""
    _check_outputs(source, output, exams)
    folder = find_model(model)
    if is_flat(folder):
        if exams is not None:
            raise ConfigError("`--exams` needs a cascade; the model is a flat one. Leave it out.")
        return predict_many.run(folder, source, output, roles, top_k)
    if top_k is not None:
        raise ConfigError("`--top-k` needs a flat model; a cascade writes every label. Leave it out.")
    predictor = CascadePredictor.load(folder)
    check_columns(predictor.labels)
    data = read_input(predictor, source, roles)
    if exams is not None and data.groups is None:
        raise DataError(f"`{source}` has no groups to make exams of; name the group column with --group.")
    prediction = predictor.decide(predictor.score(data.X, progress=StageBars()))
    _write(output, row_table(data, prediction, predictor.labels))
    summary = {
        "rows": len(data),
        "rows_past_gate": int(prediction.passed_gate.sum()),
        "rows_with_label": int(prediction.labels.any(axis=1).sum()),
        "output": str(output),
        "model": str(folder),
    }
    if exams is not None:
        table = exam_table(data.groups, prediction, predictor.labels)
        _write(exams, pa.table(table))
        summary["exams"] = len(table["group"])
    return summary


def _check_outputs(source: Path, output: Path, exams: Path | None) -> None:
    """Refuse to write over the input, inside of it, or one output over the other."""
    for path in (output, exams):
        if path is not None and path.resolve().is_relative_to(source.resolve()):
            raise ConfigError(f"`{path}` would be written over the input `{source}`; choose another file.")
    if exams is not None and exams.resolve() == output.resolve():
        raise ConfigError(f"`--output` and `--exams` must be two files. Received `{output}` for both.")


def _write(output: Path, table: pa.Table) -> None:
    with new_file(output) as aside:
        FORMATS[output.suffix](table, aside)


def row_table(part: Dataset, prediction: Prediction, labels: tuple[str, ...]) -> pa.Table:
    """Columns of the output: id, group, gate probability, fate, then a probability and a bit for each label."""
    columns: dict[str, Any] = {"id": part.ids}
    if part.groups is not None:
        columns["group"] = part.groups
    columns["gate_probability"] = prediction.gate_proba
    columns["passed_gate"] = prediction.passed_gate
    for k, name in enumerate(labels):
        columns[f"{name}_probability"] = prediction.proba[:, k]
        columns[name] = prediction.labels[:, k]
    return pa.table(columns)
