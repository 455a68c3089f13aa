"""The gate moved: what would be examined, found and raised for nothing at each threshold, counted on held-out rows."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cascade.data.rows import RowView, is_source, take
from cascade.metrics import Outcome
from cascade.metrics.operations import operations_per_row
from cascade.plots.curves import GateCurve, gate_curve, threshold_grid
from cascade.plots.curves.gate import passing
from cascade.predictor import CascadePredictor
from cascade.reports.html.content.plain import plain, plain_list
from cascade.rules.rules import Scores
from cascade.utils.types import Floats

DIGITS = 1000
"""Intervals are shown with three digits, and rounded outwards: to nearest, they would promise more than they have."""
ROUNDING = 1e-9


def examined_everywhere(predictor: CascadePredictor, X: Any, scores: Scores) -> Scores:
    """Scores with the labeler's answer also on rows that the gate rejected, as a lower threshold would have it.

    A labeler that was trained on what passes its gate is not asked about other rows; its scores come back as they are.
    """
    rest = np.flatnonzero(~scores.passed)
    if not len(rest) or predictor.rules.negative_pool == "gated":
        return scores
    rows = RowView(X, rest) if is_source(X) else take(X, rest)
    n_rows, n_learned = len(scores.passed), scores.labeler_z.shape[1]
    labeler_z = np.empty((n_rows, n_learned))
    labeler_z[scores.passed] = scores.labeler_z
    labeler_z[rest] = predictor.score(rows, gate_threshold=0.0).labeler_z
    return Scores(scores.gate_z, np.ones(n_rows, dtype=bool), labeler_z)


def explorer(predictor: CascadePredictor, examined: Scores, outcome: Outcome, groups: Any) -> dict[str, Any]:
    """Count at each of T thresholds.

    Parameters
    ----------
    predictor : CascadePredictor
    examined : Scores
        Of `examined_everywhere`.
    outcome : Outcome
        The rows' labels; its prediction is not looked at.
    groups : ndarray, shape (n,), or None

    Returns
    -------
    dict
        `thresholds`, and lists as long: `passed`, `empty_passed` (rows known to have no label), `alarmed` (rows with a
        bit), `empty_alarmed`. `labels`: for each its `positives`, and lists `kept` (positives that pass), `low` and
        `high` (95 % interval of that share), `found` (with their bit) and `false_alarms`. `own`: place of the model's
        threshold. `gate_share`: arithmetic of the gate over that of the labeler, None where it is not known.
    """
    rules = predictor.rules
    answer = predictor.decide(examined)
    lowest = rules.gate_threshold if rules.negative_pool == "gated" else 0.0
    grid = threshold_grid(answer.gate_proba, outcome.with_label, float(rules.gate_threshold), float(lowest))
    told = replace(outcome, bits=answer.labels)
    count = _Counter(answer.gate_proba, grid)
    return {
        "thresholds": grid.tolist(),
        "own": int(np.searchsorted(grid, rules.gate_threshold)),
        "gate_share": _gate_share(predictor),
        **_of_rows(told, count),
        "labels": _of_labels(told, count, gate_curve(answer.gate_proba, outcome.Y, rules.label_names, grid, groups)),
    }


@dataclass(frozen=True)
class _Counter:
    """Counts of rows that pass, one a threshold."""

    gate: Floats
    thresholds: Floats

    def __call__(self, rows: NDArray[np.bool_]) -> list[int]:
        counts: list[int] = passing(self.gate[rows], self.thresholds).tolist()
        return counts


def _of_rows(told: Outcome, count: _Counter) -> dict[str, Any]:
    empty, alarmed = told.empty, ~told.predicted_empty
    return {
        "rows": len(told),
        "empty_rows": int(empty.sum()),
        "passed": count(np.ones(len(told), dtype=bool)),
        "empty_passed": count(empty),
        "alarmed": count(alarmed),
        "empty_alarmed": count(alarmed & empty),
    }


def _of_labels(told: Outcome, count: _Counter, curve: GateCurve) -> list[dict[str, Any]]:
    found, wrong = told.Y & told.bits, told.known_bits > told.Y
    return [
        {
            "label": name,
            "positives": int(curve.positives[k]),
            "kept": curve.kept[:, k].tolist(),
            "low": plain_list(np.floor(curve.low[:, k] * DIGITS + ROUNDING) / DIGITS),
            "high": plain_list(np.ceil(curve.high[:, k] * DIGITS - ROUNDING) / DIGITS),
            "found": count(found[:, k] > 0),
            "false_alarms": count(wrong[:, k]),
        }
        for k, name in enumerate(curve.labels)
    ]


def _gate_share(predictor: CascadePredictor) -> float | None:
    gate, labeler = operations_per_row(predictor.gate), operations_per_row(predictor.labeler)
    return plain(gate / labeler) if labeler else None
