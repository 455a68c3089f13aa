"""Write a cascade as one graph for a model server, after the graph was compared with the predictor."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from cascade.errors import ConfigError, ModelRefusedError
from cascade.estimators.runtime.measure import TOLERANCE, rehearsal_rows
from cascade.predictor import CascadePredictor
from cascade.rules.stability import MOST_CHANGED
from cascade.serving.graph_cascade import GraphCascade
from cascade.serving.graph_formats import Examine, format_of
from cascade.utils.log_odds import log_odds

NOISE_ROWS = 64

EXTREME = 1e-3
"""Probabilities nearer to 0 or 1 are left out where log-odds are compared."""


def write_graph(predictor: CascadePredictor, out: Path, format: str) -> float:
    """Write one graph from rows to gate probability, whether the row passed, probabilities and bits.

    Parameters
    ----------
    predictor : CascadePredictor
        Loaded with `runtime="keras"`.
    out : path
        File for "onnx", folder for the others; written atomically.
    format : {"onnx", "openvino", "saved_model"}

    Returns
    -------
    float
        Largest difference in probability between the graph and the predictor, on rows of noise.

    Raises
    ------
    ConfigError
        If a part is not a network.
    ModelRefusedError
        If the graph and the predictor differ by more than the tolerance, or so much that more than one in 1,000
        calibration rows would change sides at the gate or a bit.
    """
    graph_format = format_of(format)
    cascade = GraphCascade(predictor)
    if out.exists():
        raise ConfigError(f"`{out}` exists already; choose another name or remove it first.")
    rows = rehearsal_rows(cascade.row_shape, cascade.dtype, NOISE_ROWS)
    model = graph_format.make(cascade)
    examine = graph_format.open(model)
    difference = max(_with_open_gate(predictor, rows), _at_the_gate(predictor, examine, rows))
    # Negated, so that a NaN is refused as well.
    if not difference <= TOLERANCE:
        raise ModelRefusedError(f"the graph differs by {difference:.2g} in probability from the model; not written.")
    _refuse_unstable(predictor, examine, rows)
    graph_format.write(model, out)
    return difference


def _refuse_unstable(predictor: CascadePredictor, examine: Examine, rows: Any) -> None:
    """Refuse a graph whose rounding changes too many calibration rows."""
    if predictor.stability is None:
        return
    gate, expected = np.asarray(examine(rows)["gate_probability"], np.float64), predictor.examine(rows).gate_proba
    # Near 0 and 1 float32 has too few digits for log-odds, and no threshold is there.
    middle = (expected > EXTREME) & (expected < 1 - EXTREME)
    difference = float(np.abs(log_odds(gate[middle]) - log_odds(expected[middle])).max(initial=0.0))
    changed = predictor.stability.share(difference)
    if changed > MOST_CHANGED:
        raise ModelRefusedError(
            f"the graph would change {changed:.2g} of the calibration rows by rounding, at the gate or in a bit; not "
            "written. Train again, with thresholds between scores."
        )


def _with_open_gate(predictor: CascadePredictor, rows: Any) -> float:
    """Return the difference of the traced graph with a gate that all rows pass."""
    # No row of noise may pass the fitted gate, and then the labeler would not be compared at all.
    rules = replace(predictor.rules, gate_threshold=0.0)
    open_gate = CascadePredictor(predictor.gate, predictor.labeler, rules, predictor.signature)
    return _difference(open_gate, GraphCascade(open_gate).examine, rows)


def _at_the_gate(predictor: CascadePredictor, examine: Examine, rows: Any) -> float:
    """Return the difference on all rows, on those that the gate rejects, and on those that pass."""
    # Runtimes fail most easily where a batch has no row for the labeler, or none without.
    passed = predictor.examine(rows).passed_gate
    parts = [rows, rows[~passed], rows[passed]]
    return max(_difference(predictor, examine, part) for part in parts if len(part))


def _difference(predictor: CascadePredictor, examine: Examine, rows: Any) -> float:
    """Return the largest difference in probability between a graph and a predictor; infinite if one is not finite."""
    outputs, expected = examine(rows), predictor.examine(rows)
    # Rounding may put a row at the gate's threshold on either side; its other outputs cannot be compared then.
    same = np.asarray(outputs["passed_gate"]) == expected.passed_gate
    pairs = [
        (np.asarray(outputs["gate_probability"]), expected.gate_proba),
        (np.asarray(outputs["probabilities"])[same], expected.proba[same]),
    ]
    difference = max(float(np.abs(output - proba).max(initial=0.0)) for output, proba in pairs)
    return difference if all(np.isfinite(output).all() for output, _ in pairs) else float("inf")
