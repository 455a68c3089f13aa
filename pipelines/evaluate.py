"""Evaluate a saved model on labelled data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cascade.data.readers.table.columns import Roles
from cascade.many_labels.predictor import ManyLabelPredictor
from cascade.many_labels.report import many_table
from cascade.predictor import CascadePredictor
from cascade.reports.report import report_table
from cascade.reports.verdict import verdict_text

from . import train_many_labels
from .steps.fitted import report_on, timed_scores
from .steps.locate import find_model, is_many_labels
from .steps.reading import read_labelled
from .steps.trained_on import record_of_model, warn_trained_on


def run(model: Path, data_path: Path, roles: Roles) -> dict[str, Any]:
    """Return the report of a model on labelled data, which must have the model's label names.

    `share_trained_on` is the share of rows that the model was trained on, by their content; of a cascade only.
    """
    folder = find_model(model)
    if is_many_labels(folder):
        many_label = ManyLabelPredictor.load(folder)
        return train_many_labels.evaluate(many_label, read_labelled(many_label, data_path, roles))
    predictor = CascadePredictor.load(folder)
    # Labels of thousands of columns stay sparse above; metrics of a cascade need an array.
    data = read_labelled(predictor, data_path, roles).with_dense_labels()
    share = warn_trained_on(record_of_model(folder), data)
    return report_on(predictor, timed_scores(predictor, data), data) | {"share_trained_on": share}


def text(report: dict[str, Any]) -> str:
    """Return a report as text; that of a cascade ends with its verdict."""
    # Only the report of a many-label model has figures of the k most probable labels.
    if "top_k" in report:
        return many_table(report)
    return f"{report_table(report)}\n\n{verdict_text(report['verdict'])}"
