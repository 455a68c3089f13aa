"""The loss of INT8 for a whole cascade: predictions of the same labelled rows by Keras and by INT8 networks."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cascade.metrics import AVERAGE_PRECISION, COUNT_RATIO, GATE_RECALL, SUM_RATIO, Outcome
from cascade.metrics.bootstrap import paired_difference
from cascade.rules.rules import Prediction
from cascade.store.int8_rows import Int8Rows

METRICS = (AVERAGE_PRECISION, GATE_RECALL, COUNT_RATIO, SUM_RATIO)
DRAWS = 500


def int8_loss(
    before: Prediction,
    after: Prediction,
    rows: Int8Rows,
    label_names: tuple[str, ...],
    computed_by: dict[str, str | None],
) -> dict[str, Any]:
    """Compare the predictions of one cascade in float32 and in INT8, with the same calibration and thresholds.

    Parameters
    ----------
    before, after : Prediction
        Predictions of `rows.judged_rows()` by Keras and by the quantised networks.
    rows : Int8Rows
    label_names : tuple of str
        Names in column order.
    computed_by : dict
        The runtime of each quantised stage.

    Returns
    -------
    dict
        `largest_difference` and `mean_difference` of probabilities; `bits_changed`, share of all bits;
        `fates_changed`, share of rows that pass the gate in only one of the two; and `labels`, with `before`, `after`,
        `change` and its 95 % interval over groups, `low` to `high`, per label and metric. Undefined values are None.
    """
    far = np.abs(after.proba - before.proba)
    return {
        "rows": len(rows.judged),
        "computed_by": computed_by,
        "largest_difference": float(far.max()),
        "mean_difference": float(far.mean()),
        "bits_changed": float((after.labels != before.labels).mean()),
        "fates_changed": float((after.passed_gate != before.passed_gate).mean()),
        "labels": _by_label(label_names, _outcome(before, rows), _outcome(after, rows), rows),
    }


def _outcome(prediction: Prediction, rows: Int8Rows) -> Outcome:
    judged = rows.labels.part(rows.judged)
    return Outcome(judged.values, prediction.proba, prediction.labels, prediction.passed_gate, judged.known)


def _by_label(names: tuple[str, ...], before: Outcome, after: Outcome, rows: Int8Rows) -> list[dict[str, Any]]:
    group = np.unique(rows.group[rows.judged], return_inverse=True)[1]
    table: list[dict[str, Any]] = [{"label": name} for name in names]
    for metric in METRICS:
        # Paired over the same groups: what makes a group hard affects both predictions and cancels in the change.
        change, low, high = paired_difference(metric, after, before, group, DRAWS)
        columns = {"before": metric(before), "after": metric(after), "change": change, "low": low, "high": high}
        for k, row in enumerate(table):
            row[metric.name] = {key: _plain(values, k) for key, values in columns.items()}
    return table


def _plain(values: NDArray[np.float64], k: int) -> float | None:
    # JSON has no NaN, and the manifest refuses it.
    return float(values[k]) if math.isfinite(values[k]) else None
