"""The report of a cascade as plain data: metrics per label, overall and on parts of the rows."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import asdict, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit

from cascade.data.label_matrix import LabelMatrix
from cascade.data.splits import group_numbers
from cascade.metrics import (
    AUROC,
    AVERAGE_PRECISION,
    BRIER,
    COUNT_RATIO,
    F1,
    F2,
    LOG_LOSS,
    ROW_METRICS,
    Metric,
    Outcome,
    any_counted_double,
    label_values,
    ledger,
    macro,
    overall_metrics,
    ratio,
)
from cascade.metrics.bootstrap import metric_interval, paired_difference, ratio_interval
from cascade.metrics.operations import cascade_operations, operations_per_row
from cascade.predictor import CascadePredictor
from cascade.reports.report_text import report_table
from cascade.reports.verdict import verdict
from cascade.rules.probability.merge import MERGES
from cascade.rules.rules import Prediction, Rules, Scores
from cascade.utils.types import Floats

__all__ = ["evaluate", "merged_proba", "report_table", "uncorrected_proba"]


WITH_INTERVAL = (AUROC, AVERAGE_PRECISION, F1, F2, BRIER, LOG_LOSS, COUNT_RATIO)

DRAWS = 1000
"""Bootstrap draws per metric; the intervals of 10,000 rows take one or two seconds."""

OF_BITS = {"f2_ciw", *(metric.name for metric in ROW_METRICS)}
"""Overall metrics of predicted labels; all others depend on probabilities."""

FIXED = {"with_label": frozenset({"gate_recall", "f1_normal"}), "past_gate": frozenset({"gate_recall"})}
"""Metrics left out per slice: they equal the value on all rows, or are the same for every prediction."""


def evaluate(
    predictor: CascadePredictor,
    scores: Scores,
    labels: LabelMatrix,
    groups: NDArray[Any] | None,
    importance: ArrayLike | None = None,
) -> dict[str, Any]:
    """Compare a cascade's predictions with labels.

    Parameters
    ----------
    predictor : CascadePredictor
    scores : Scores
        Output of `predictor.score` for the rows.
    labels : LabelMatrix
        Dense, n rows and L labels. Only known entries are counted.
    groups : ndarray, shape (n,), or None
        Groups that the bootstrap draws; without them, each row is one group.
    importance : array-like of float >= 0, shape (L,), optional
        Weight of each label in `f2_ciw`; equal if not given.

    Returns
    -------
    dict
        - `model`: "cascade", or "flat" without a gate.
        - `labels`: one dict per label. `decision_threshold` is None where the bit is never set.
        - `overall`: one dict for all labels together.
        - `undefined`: number of labels without a value, per metric.
        - `slices`: these three for the rows with a label and for the rows past the gate.
        - `all_empty`: scores of predicting no label on any row.
        - `ledger`: counts of positives found, lost at the gate and lost at the labeler.
        - `constant`: scores of predicting each label's prevalence on every row, and the `difference` of the cascade's
          weighted log loss to it, with its interval `low` to `high`.
        - `cost`: operations per row of `gate` and `labeler`, of both together (`cascade`), and `over_labeler`, those
          together over the labeler's on every row. None where the arithmetic of a model is not known.
        - `verdict`: what follows from these figures; see `cascade.reports.verdict.verdict`.

        Undefined values are None; `_low` and `_high` are the ends of 95 % intervals.

    Notes
    -----
    Three ratios divide a sum of probabilities by the number of true rows. `sum_ratio_uncorrected` uses the labeler's
    raw probabilities on rows past the gate. `sum_ratio_merged` removes its shifts and merges both stages.
    `sum_ratio` uses the calibrated probabilities.

    Raises
    ------
    ConfigError
        If `importance` is not one number of 0 or more per label.
    """
    rules = predictor.rules
    prediction = predictor.decide(scores)
    outcome = Outcome(labels.values, prediction.proba, prediction.labels, prediction.passed_gate, labels.known)
    metrics = overall_metrics(len(rules.label_names), rules.plan.any_index, importance)
    report = _compare(rules, outcome, metrics)
    group = group_numbers(groups, len(labels))
    # The slices have no intervals: the bootstrap takes most of the time of a report.
    more = _sums(predictor, scores, outcome, group) | _intervals(WITH_INTERVAL, outcome, group)
    thresholds = rules.thresholds.tolist()
    for row, added, limit in zip(report["labels"], _rows(more, len(thresholds)), thresholds, strict=True):
        # A threshold above 1 is a code for "never", not a probability.
        row |= added | {"decision_threshold": limit if limit <= 1 else None}
    intervals = _intervals([metric for metric in metrics if metric.name not in OF_BITS], outcome, group)
    report["overall"] |= _gate_values(rules, prediction, outcome, group) | _rows(intervals, 1)[0]
    parts = {"with_label": outcome.with_label, "past_gate": outcome.passed}
    # With rare labels, predicting nothing already scores high on these metrics; a model has to exceed it.
    nothing = replace(outcome, bits=np.zeros_like(outcome.Y))
    report |= {
        "model": "flat" if rules.is_flat else "cascade",
        "slices": {name: _compare(rules, outcome.part(part), metrics, FIXED[name]) for name, part in parts.items()},
        "all_empty": {metric.name: _plain(metric(nothing)[0]) for metric in metrics if metric.name in OF_BITS},
        "ledger": _ledger(rules, outcome),
        "constant": _constant(outcome, rules.plan.any_index, group),
        "cost": _cost(predictor, float(outcome.passed.mean())),
    }
    return report | {"verdict": verdict(report)}


def _constant(outcome: Outcome, any_index: int | None, group: NDArray[np.intp]) -> dict[str, float | None]:
    """Compare with the constant prediction that has the lowest log loss on these rows."""
    share = np.nan_to_num(ratio(outcome.Y.sum(axis=0, dtype=np.float64), outcome.labels.rows_per_label()))
    constant, metric = replace(outcome, proba=np.tile(share, (len(outcome), 1))), any_counted_double(any_index)
    difference, low, high = paired_difference(metric, outcome, constant, group, DRAWS)
    values = {
        metric.name: metric(constant),
        # Equal scores of all rows have the prevalence as average precision.
        "macro_average_precision": macro(AVERAGE_PRECISION)(constant),
        "difference": difference,
        "low": low,
        "high": high,
    }
    return {key: _plain(value[0]) for key, value in values.items()}


def _cost(predictor: CascadePredictor, share_past_gate: float) -> dict[str, float | None]:
    gate = operations_per_row(predictor.gate)
    labeler = 0.0 if predictor.labeler is None else operations_per_row(predictor.labeler)
    together = cascade_operations(predictor.gate, predictor.labeler, share_past_gate)
    over = together / labeler if labeler else math.nan
    values = {"gate": gate, "labeler": labeler, "cascade": together, "over_labeler": over}
    return {key: _plain(np.float64(value)) for key, value in values.items()}


def _compare(
    rules: Rules, outcome: Outcome, metrics: Iterable[Metric], fixed: frozenset[str] = frozenset()
) -> dict[str, Any]:
    columns = {key: values for key, values in label_values(outcome).items() if key not in fixed}
    names = [{"label": name} for name in rules.label_names]
    values = {metric.name: _plain(metric(outcome)[0]) for metric in metrics if metric.name not in fixed}
    return {
        "labels": [name | row for name, row in zip(names, _rows(columns, len(names)), strict=True)],
        "overall": {"rows": len(outcome), "rows_with_label": int(outcome.with_label.sum())} | values,
        "undefined": {key: int(np.isnan(values).sum()) for key, values in columns.items()},
    }


def _gate_values(rules: Rules, prediction: Prediction, outcome: Outcome, group: NDArray[np.intp]) -> dict[str, Any]:
    # A row without a known positive may still have a missing one; such rows are neither class of the gate's AUROC.
    known = (outcome.empty | outcome.with_label)[:, None]
    has_label = outcome.with_label.astype(np.uint8)[:, None]
    gate = Outcome(has_label, prediction.gate_proba[:, None], has_label, outcome.passed, known)
    low, high = metric_interval(AUROC, gate, group, DRAWS)
    return {
        "share_past_gate": float(outcome.passed.mean()),
        "gate_threshold": rules.served_threshold,
        "gate_auroc": _plain(AUROC(gate)[0]),
        "gate_auroc_low": _plain(low[0]),
        "gate_auroc_high": _plain(high[0]),
        "undefined_labels": int((~outcome.Y.any(axis=0)).sum()),
    }


def _intervals(metrics: Iterable[Metric], outcome: Outcome, group: NDArray[np.intp]) -> dict[str, Floats]:
    ends = {}
    for metric in metrics:
        ends[f"{metric.name}_low"], ends[f"{metric.name}_high"] = metric_interval(metric, outcome, group, DRAWS)
    return ends


def _ledger(rules: Rules, outcome: Outcome) -> dict[str, Any]:
    counts = asdict(ledger(outcome))
    # Arrays hold one count per label; integers are counts of rows.
    columns = {key: value for key, value in counts.items() if not isinstance(value, int)}
    rows = [{key: int(values[k]) for key, values in columns.items()} for k in range(len(rules.label_names))]
    labels = [{"label": name} | row for name, row in zip(rules.label_names, rows, strict=True)]
    return {"labels": labels} | {key: value for key, value in counts.items() if key not in columns}


def _sums(predictor: CascadePredictor, scores: Scores, outcome: Outcome, group: NDArray[np.intp]) -> dict[str, Floats]:
    true = outcome.Y.sum(axis=0, dtype=np.float64)
    # `Y` is 0 where a label is missing, so probabilities must not be summed there either.
    counted = 1.0 if outcome.known is None else outcome.known
    low, high = ratio_interval(outcome.proba * counted, outcome.Y.astype(np.float64), group)
    return {
        "sum_ratio_uncorrected": ratio((uncorrected_proba(predictor, scores) * counted).sum(axis=0), true),
        "sum_ratio_merged": ratio((merged_proba(predictor.rules, scores) * counted).sum(axis=0), true),
        "sum_ratio_low": low,
        "sum_ratio_high": high,
    }


def uncorrected_proba(predictor: CascadePredictor, scores: Scores) -> Floats:
    """Return probabilities without prior correction, merge or calibration, shape (n, L).

    Learned labels have the labeler's raw probabilities on rows past the gate, and 0 on rejected rows. `any` has the
    gate's probability.
    """
    rules = predictor.rules
    proba = np.zeros((len(scores.passed), len(rules.label_names)))
    # Scores already contain the correction for resampled training rows; subtracting it restores the raw log-odds.
    model = predictor.gate if rules.is_flat else predictor.labeler
    shift = np.atleast_1d(getattr(model, "prior_shift_", getattr(model, "sampling_shift_", 0.0)))
    # Without a gate, the first output is `any`.
    shift = shift[1:] if rules.is_flat and len(shift) > 1 else shift
    proba[np.ix_(scores.passed, rules.plan.learned)] = expit(scores.labeler_z - shift)
    if rules.plan.any_index is not None:
        proba[:, rules.plan.any_index] = expit(scores.gate_z)
    return proba


def merged_proba(rules: Rules, scores: Scores) -> Floats:
    """Return probabilities with prior correction and merge but without calibration, shape (n, L)."""
    gate: Floats = expit(scores.gate_z)
    # Constant labels and rejected rows have no labeler score; they get a fixed share of the gate's probability.
    proba: Floats = gate[:, None] * np.where(scores.passed[:, None], rules.plan.share, rules.rejected_share)
    merge = MERGES[rules.negative_pool]
    proba[np.ix_(scores.passed, rules.plan.learned)] = merge(gate[scores.passed], expit(scores.labeler_z))
    if rules.plan.any_index is not None:
        proba[:, rules.plan.any_index] = gate
    return proba


def _rows(columns: dict[str, Floats], n_rows: int) -> list[dict[str, Any]]:
    return [{key: _plain(values[k]) for key, values in columns.items()} for k in range(n_rows)]


def _plain(value: np.float64) -> float | None:
    # JSON has no NaN; undefined metrics become null.
    return float(value) if math.isfinite(value) else None
