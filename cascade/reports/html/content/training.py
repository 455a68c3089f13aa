"""Content of the page of a training run, as plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from cascade.data import Dataset
from cascade.data.splits import group_numbers
from cascade.metrics import Outcome
from cascade.plots.curves import precision_recall_curve, reliability_curve
from cascade.predictor import CascadePredictor
from cascade.reports.html.content.data import data_facts
from cascade.reports.html.content.explorer import examined_everywhere, explorer
from cascade.reports.html.content.mistakes import mistakes
from cascade.reports.html.content.plain import plain, plain_list
from cascade.reports.html.layout.panels import MOST_PANELS
from cascade.rules.rules import Scores
from cascade.utils.types import Rows


def training_data(
    predictor: CascadePredictor,
    data: Dataset,
    held_out: Rows,
    scores: Scores,
    report: Mapping[str, Any],
    decision: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return the content of the page of a training run.

    Parameters
    ----------
    predictor : CascadePredictor
    data : Dataset
        All rows, with labels as an array.
    held_out : ndarray of int, shape (m,)
        Numbers of the rows that the model was not trained on; curves and mistakes are computed on them.
    scores : Scores
        Output of `predictor.score` for the held-out rows.
    report : mapping
        Output of `cascade.reports.report.evaluate` for them, with the entry `certificate`.
    decision : mapping, optional
        Challenger against champion, with a `sentence` and `reasons`. Each reason has `guard`, `label`, `champion`,
        `challenger`, `difference`, `low`, `high`, `margin`, `verdict` and `sentence`. Label and numbers may be None.
        The verdicts "passed" and "failed" are coloured.

    Returns
    -------
    dict
        Plain data, the input of `cascade.reports.html.page`.
    """
    test = data.part(held_out)
    assert test.Y is not None
    any_index = predictor.rules.plan.any_index
    any_label = None if any_index is None else predictor.label_names[any_index]
    prediction = predictor.decide(scores)
    outcome = Outcome(test.Y, prediction.proba, prediction.labels, prediction.passed_gate, test.known)
    # The explorer needs the labeler on all rows; everything else shows the model at its own threshold.
    explored = (
        None
        if predictor.rules.is_flat
        else explorer(predictor, examined_everywhere(predictor, test.X, scores), outcome, test.groups)
    )
    return {
        "kind": "training",
        "report": report,
        "data": data_facts(data, any_label, held_out),
        "explorer": explored,
        **_curves(outcome, predictor.label_names, test.groups),
        "mistakes": mistakes(test, prediction, outcome),
        "decision": decision,
    }


def _curves(outcome: Outcome, label_names: tuple[str, ...], groups: Any) -> dict[str, Any]:
    group = group_numbers(groups, len(outcome))
    # Each precision curve has a bootstrap band, so only the curves that are drawn are computed.
    numbered = list(enumerate(label_names))[:MOST_PANELS]
    return {
        "precision_recall": [_plain(precision_recall_curve(outcome, k, name, group)) for k, name in numbered],
        "reliability": [_plain(reliability_curve(outcome, k, name, group)) for k, name in numbered],
    }


def _plain(curve: Any) -> dict[str, Any]:
    return {key: _plain_value(value) for key, value in asdict(curve).items()}


def _plain_value(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return plain_list(value)
    return plain(value) if isinstance(value, float) else value
