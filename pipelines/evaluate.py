"""Evaluate a saved cascade on labelled data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cascade.data.readers.columns import Roles
from cascade.many_labels.predictor import ManyLabelPredictor
from cascade.predictor import CascadePredictor

from . import train_many_labels
from .steps.fitted import report_on, timed_scores
from .steps.locate import find_model, is_many_labels
from .steps.reading import read_labelled


def run(model: Path, data_path: Path, roles: Roles) -> dict[str, Any]:
    """Return the report of a model on labelled data; label names must be the model's."""
    folder = find_model(model)
    if is_many_labels(folder):
        flat = ManyLabelPredictor.load(folder)
        return train_many_labels.evaluate(flat, read_labelled(flat, data_path, roles))
    predictor = CascadePredictor.load(folder)
    data = read_labelled(predictor, data_path, roles).with_dense_labels()
    return report_on(predictor, timed_scores(predictor, data), data)
