"""What came out, per label and overall, as plain data and as a table to read."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from cascade.bootstrap import ratio_interval
from cascade.labels import Labels
from cascade.merge import MERGES
from cascade.metrics import (
    label_auroc,
    label_average_precision,
    label_f1,
    mean_defined,
    micro_average_precision,
    ratio,
    weighted_log_loss,
)
from cascade.prediction import Prediction, Scores
from cascade.predictor import CascadePredictor
from cascade.rules import Rules
from cascade.splits import group_numbers

Floats = NDArray[np.float64]


def evaluate(predictor: CascadePredictor, scores: Scores, Y: Labels, groups: NDArray[Any] | None) -> dict[str, Any]:
    """Compare a cascade's predictions with labels.

    Parameters
    ----------
    predictor : CascadePredictor
    scores : Scores
        What `predictor.score` said of the rows.
    Y : ndarray of 0/1, shape (n, L)
    groups : ndarray, shape (n,), or None
        Intervals are drawn over them.

    Returns
    -------
    dict
        `labels`: one dict a label; `overall`; undefined values are None. Of the sums of probabilities,
        `uncorrected` takes the labeler's raw answer on rows past the gate, `merged` has shifts undone and both
        stages merged, `ratio` is the calibrated end result.
    """
    rules = predictor.rules
    prediction = predictor.decide(scores)
    true = Y.sum(axis=0, dtype=np.float64)
    low, high = ratio_interval(prediction.proba, Y.astype(np.float64), group_numbers(groups, len(Y)))
    columns = {
        "positives": true,
        "prevalence": true / len(Y),
        "auroc": label_auroc(Y, prediction.proba),
        "average_precision": label_average_precision(Y, prediction.proba),
        "f1": label_f1(Y, prediction.labels),
        "gate_recall": ratio(Y[prediction.passed_gate].sum(axis=0, dtype=np.float64), true),
        "count_ratio": ratio(prediction.labels.sum(axis=0, dtype=np.float64), true),
        "sum_ratio_uncorrected": ratio(uncorrected_proba(predictor, scores).sum(axis=0), true),
        "sum_ratio_merged": ratio(merged_proba(rules, scores).sum(axis=0), true),
        "sum_ratio": ratio(prediction.proba.sum(axis=0), true),
        "sum_ratio_low": low,
        "sum_ratio_high": high,
    }
    per_label = [
        {"label": name, **{key: _plain(values[k]) for key, values in columns.items()}}
        for k, name in enumerate(rules.labels)
    ]
    return {"labels": per_label, "overall": _overall(rules, prediction, Y, columns)}


def _overall(rules: Rules, prediction: Prediction, Y: Labels, columns: dict[str, Floats]) -> dict[str, Any]:
    findings = np.arange(len(rules.labels)) != rules.plan.any_index
    has_label: Labels = Y.max(axis=1, keepdims=True)
    values = {
        "rows": len(Y),
        "rows_with_label": int(has_label.sum()),
        "share_past_gate": float(prediction.passed_gate.mean()),
        "gate_threshold": rules.gate_threshold,
        "gate_auroc": label_auroc(has_label, prediction.gate_proba[:, None])[0],
        "macro_average_precision": mean_defined(columns["average_precision"]),
        "macro_average_precision_findings": mean_defined(columns["average_precision"][findings]),
        "micro_average_precision": micro_average_precision(Y, prediction.proba),
        "weighted_log_loss": weighted_log_loss(Y, prediction.proba, rules.plan.any_index),
        "undefined_labels": int(np.isnan(columns["average_precision"]).sum()),
    }
    return {key: _plain(value) for key, value in values.items()}


def uncorrected_proba(predictor: CascadePredictor, scores: Scores) -> Floats:
    """What the models say if nothing is undone: the labeler's raw answer on rows past the gate, 0 elsewhere."""
    rules = predictor.rules
    proba = np.zeros((len(scores.passed), len(rules.labels)))
    shift = getattr(predictor.labeler, "prior_shift_", 0.0)
    proba[np.ix_(scores.passed, rules.plan.learned)] = expit(scores.labeler_z - shift)
    if rules.plan.any_index is not None:
        proba[:, rules.plan.any_index] = expit(scores.gate_z)
    return proba


def merged_proba(rules: Rules, scores: Scores) -> Floats:
    """Shifts undone and stages merged, without any learned calibration."""
    gate: Floats = expit(scores.gate_z)
    proba: Floats = gate[:, None] * np.where(scores.passed[:, None], rules.plan.share, rules.rejected_share)
    merge = MERGES[rules.negative_pool]
    proba[np.ix_(scores.passed, rules.plan.learned)] = merge(gate[scores.passed], expit(scores.labeler_z))
    if rules.plan.any_index is not None:
        proba[:, rules.plan.any_index] = gate
    return proba


def _plain(value: Any) -> Any:
    number = float(value)
    if not math.isfinite(number):
        return None
    return int(number) if isinstance(value, (int, np.integer)) else number


COLUMNS = (
    ("positives", "rows", "{:.0f}"),
    ("prevalence", "prevalence", "{:.4f}"),
    ("auroc", "AUROC", "{:.3f}"),
    ("average_precision", "AP", "{:.3f}"),
    ("f1", "F1", "{:.3f}"),
    ("gate_recall", "gate recall", "{:.3f}"),
    ("count_ratio", "count ratio", "{:.2f}"),
    ("sum_ratio_uncorrected", "raw sum", "{:.2f}"),
    ("sum_ratio_merged", "merged sum", "{:.2f}"),
    ("sum_ratio", "sum ratio", "{:.2f}"),
)


def table(report: dict[str, Any]) -> str:
    """Lay a report out as text: one line a label, then what holds for all."""
    head = ["label", *(title for _, title, _ in COLUMNS), "95 % of sum"]
    lines = [head, *(_line(row) for row in report["labels"])]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    text = [
        "  ".join(
            cell.rjust(width) if place else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        for line in lines
    ]
    overall = report["overall"]
    summary = [f"{key.replace('_', ' ')}: {_short(value)}" for key, value in overall.items()]
    return "\n".join([*text, "", *summary])


def _line(row: dict[str, Any]) -> list[str]:
    cells = ["-" if row[key] is None else form.format(row[key]) for key, _, form in COLUMNS]
    low, high = row["sum_ratio_low"], row["sum_ratio_high"]
    return [row["label"], *cells, "-" if low is None else f"{low:.2f}-{high:.2f}"]


def _short(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
