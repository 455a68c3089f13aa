"""Evaluate a saved cascade on labelled data."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from cascade.data import Dataset, read_data
from cascade.data.columns import Roles
from cascade.errors import DataError
from cascade.many.predictor import ManyLabelPredictor
from cascade.predictor import CascadePredictor
from cascade.report import evaluate
from pipelines import train_flat
from pipelines.models import find_model, is_flat
from pipelines.progress import StageBars
from pipelines.reading import pixels_of


def run(model: Path, data_path: Path, roles: Roles) -> dict[str, Any]:
    """Return the report of a model on labelled data; label names must be the model's."""
    folder = find_model(model)
    if is_flat(folder):
        flat = ManyLabelPredictor.load(folder)
        return train_flat.evaluate(flat, _read(flat, data_path, roles))
    predictor = CascadePredictor.load(folder)
    data = _read(predictor, data_path, roles).with_dense_labels()
    assert data.Y is not None
    started = time.monotonic()
    scores = predictor.score(data.X, progress=StageBars())
    rate = len(data) / (time.monotonic() - started)
    report = evaluate(predictor, scores, data.Y, data.groups, known=data.known)
    report["overall"]["rows_per_second"] = rate
    return report


def _read(predictor: CascadePredictor | ManyLabelPredictor, data_path: Path, roles: Roles) -> Dataset:
    trained = predictor.provenance.get("columns", {})
    group, row_id = roles.group or trained.get("group"), roles.id or trained.get("id")
    if roles.labels is not None and set(roles.labels) != set(predictor.labels):
        raise DataError(f"`--labels` must name the model's labels {list(predictor.labels)}.")
    known = replace(roles, labels=predictor.labels, group=group, id=row_id, pixels=pixels_of(predictor))
    return read_data(data_path, known, features=predictor.signature.feature_names)
