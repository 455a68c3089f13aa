"""Content of the explorer: rows examined, positives found and false alarms at each gate threshold."""

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
"""Interval ends are rounded to three digits, outwards: rounding to nearest could make the interval too narrow."""

ROUNDING = 1e-9
"""Tolerance for ends that are multiples of 0.001 up to floating-point error."""


def examined_everywhere(predictor: CascadePredictor, X: Any, scores: Scores) -> Scores:
    """Return scores with labeler log-odds also on the rows that the gate rejected.

    A labeler with the negative pool "gated" is valid only on rows that pass its gate. It is not applied to other rows,
    and its scores are returned unchanged.

    Parameters
    ----------
    predictor : CascadePredictor
    X : rows, n of them
    scores : Scores
        Output of `predictor.score` for these rows.

    Returns
    -------
    Scores
    """
    rest = np.flatnonzero(~scores.passed)
    if not len(rest) or predictor.rules.negative_pool == "gated":
        return scores
    # Rows on disk stay a view: most rows are rejected, and a copy of all their images may not fit into memory.
    rows = RowView(X, rest) if is_source(X) else take(X, rest)
    n_rows, n_learned = len(scores.passed), scores.labeler_z.shape[1]
    labeler_z = np.empty((n_rows, n_learned))
    labeler_z[scores.passed] = scores.labeler_z
    # Only the rejected rows are scored again; at threshold 0 all of them reach the labeler.
    labeler_z[rest] = predictor.score(rows, gate_threshold=0.0).labeler_z
    return replace(scores, passed=np.ones(n_rows, dtype=bool), labeler_z=labeler_z)


def explorer(predictor: CascadePredictor, examined: Scores, outcome: Outcome, groups: Any) -> dict[str, Any]:
    """Count rows and positives at each of T gate thresholds.

    Parameters
    ----------
    predictor : CascadePredictor
    examined : Scores
        Output of `examined_everywhere`.
    outcome : Outcome
        The true labels of the rows; its predictions are not used.
    groups : ndarray, shape (n,), or None

    Returns
    -------
    dict
        - `thresholds`: list of length T, ascending.
        - `rows`, `empty_rows`: number of rows, and of rows known to have no label.
        - `passed`, `empty_passed`, `alarmed`, `empty_alarmed`: lists of length T. They count the rows that pass, the
          rows that are predicted a label, and the empty rows among both.
        - `labels`: one dict per label with its `label` (name) and `positives`, and lists of length T. `kept` counts
          positives that pass, `low` and `high` are the 95 % interval of their share. `found` counts positives that
          are predicted, `false_alarms` the rows predicted wrongly.
        - `own`: index of the model's threshold.
        - `gate_share`: operations of the gate over those of the labeler, None if unknown.
    """
    rules = predictor.rules
    # A row that passes gets the same labels at every threshold, so one prediction with all rows past the gate is
    # enough: at each threshold, count it on the rows that pass.
    prediction = predictor.decide(examined)
    lowest = rules.gate_threshold if rules.negative_pool == "gated" else 0.0
    grid = threshold_grid(prediction.gate_proba, outcome.with_label, float(rules.gate_threshold), float(lowest))
    predicted = replace(outcome, bits=prediction.labels)
    count = _Counter(prediction.gate_proba, grid)
    curve = gate_curve(prediction.gate_proba, outcome.Y, rules.label_names, grid, groups)
    return {
        "thresholds": grid.tolist(),
        # The grid contains this threshold, so the index is exact.
        "own": int(np.searchsorted(grid, rules.gate_threshold)),
        "gate_share": _gate_share(predictor),
        **_of_rows(predicted, count),
        "labels": _of_labels(predicted, count, curve),
    }


@dataclass(frozen=True)
class _Counter:
    """Count of the selected rows that pass, per threshold."""

    gate: Floats
    thresholds: Floats

    def __call__(self, rows: NDArray[np.bool_]) -> list[int]:
        counts: list[int] = passing(self.gate[rows], self.thresholds).tolist()
        return counts


def _of_rows(predicted: Outcome, count: _Counter) -> dict[str, Any]:
    empty, alarmed = predicted.empty, ~predicted.predicted_empty
    return {
        "rows": len(predicted),
        "empty_rows": int(empty.sum()),
        "passed": count(np.ones(len(predicted), dtype=bool)),
        "empty_passed": count(empty),
        "alarmed": count(alarmed),
        "empty_alarmed": count(alarmed & empty),
    }


def _of_labels(predicted: Outcome, count: _Counter, curve: GateCurve) -> list[dict[str, Any]]:
    # `known_bits`: a label predicted where the truth is missing is not a false alarm.
    found, wrong = predicted.Y & predicted.bits, predicted.known_bits > predicted.Y
    return [
        {
            "label": name,
            "positives": int(curve.positives[k]),
            "kept": curve.kept[:, k].tolist(),
            # Without the tolerance, an end of exactly k / 1000 could move one step further by a rounding error.
            "low": plain_list(np.floor(curve.low[:, k] * DIGITS + ROUNDING) / DIGITS),
            "high": plain_list(np.ceil(curve.high[:, k] * DIGITS - ROUNDING) / DIGITS),
            "found": count(found[:, k] > 0),
            "false_alarms": count(wrong[:, k]),
        }
        for k, name in enumerate(curve.labels)
    ]


def _gate_share(predictor: CascadePredictor) -> float | None:
    gate, labeler = operations_per_row(predictor.gate), operations_per_row(predictor.labeler)
    # Models of unknown cost have NaN, which `plain` turns into None; a labeler may also cost nothing.
    return plain(gate / labeler) if labeler else None
