"""What INT8 costs a whole cascade: the same labelled rows answered by Keras and by the networks in INT8."""

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
    labels: tuple[str, ...],
    computed_by: dict[str, str | None],
) -> dict[str, Any]:
    """Compare the predictions of one cascade in float32 and in INT8; calibration and thresholds are the same.

    Parameters
    ----------
    before, after : Prediction
        Of `rows.judged_rows()`, by Keras and by the quantised networks.
    rows : Int8Rows
    labels : tuple of str
        Label names in column order.
    computed_by : dict
        The runtime of each quantised stage.

    Returns
    -------
    dict
        `largest_difference` and `mean_difference` of probabilities; `bits_changed`, share of all bits, and
        `fates_changed`, share of rows that pass the gate in one of the two only; `labels`: for each label and metric
        `before`, `after`, `change`, and the 95 % interval of the change, `low` to `high`, over groups. Undefined
        values are None.
    """
    far = np.abs(after.proba - before.proba)
    return {
        "rows": len(rows.judged),
        "computed_by": computed_by,
        "largest_difference": float(far.max()),
        "mean_difference": float(far.mean()),
        "bits_changed": float((after.labels != before.labels).mean()),
        "fates_changed": float((after.passed_gate != before.passed_gate).mean()),
        "labels": _by_label(labels, _outcome(before, rows), _outcome(after, rows), rows),
    }


def _outcome(answer: Prediction, rows: Int8Rows) -> Outcome:
    judged = rows.labels.part(rows.judged)
    return Outcome(judged.values, answer.proba, answer.labels, answer.passed_gate, judged.known)


def _by_label(names: tuple[str, ...], before: Outcome, after: Outcome, rows: Int8Rows) -> list[dict[str, Any]]:
    group = np.unique(rows.group[rows.judged], return_inverse=True)[1]
    found: list[dict[str, Any]] = [{"label": name} for name in names]
    for metric in METRICS:
        change, low, high = paired_difference(metric, after, before, group, DRAWS)
        columns = {"before": metric(before), "after": metric(after), "change": change, "low": low, "high": high}
        for k, label in enumerate(found):
            label[metric.name] = {key: _plain(values, k) for key, values in columns.items()}
    return found


def _plain(values: NDArray[np.float64], k: int) -> float | None:
    return float(values[k]) if math.isfinite(values[k]) else None
