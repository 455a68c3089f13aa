"""Write a whole cascade as one graph for a model server, once it says what the model says."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from cascade.errors import ConfigError, ModelRefusedError
from cascade.predictor import CascadePredictor
from cascade.runtime.measure import TOLERANCE, rehearsal_rows
from cascade.serving.graph_cascade import WholeCascade
from cascade.serving.graph_formats import Examine, format_of

REHEARSED = 64


def write_graph(predictor: CascadePredictor, out: Path, format: str) -> float:
    """Write one graph of rows in, gate probability, fate, probabilities and bits out.

    Parameters
    ----------
    predictor : CascadePredictor
        Loaded with `runtime="keras"`.
    out : path
        File for "onnx", folder for the others; whole or not at all.
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
        If the graph answers otherwise than the predictor.
    """
    written = format_of(format)
    whole = WholeCascade(predictor)
    if out.exists():
        raise ConfigError(f"`{out}` exists already; choose another name or remove it first.")
    rows = rehearsal_rows(whole.row_shape, whole.dtype, REHEARSED)
    made = written.make(whole)
    difference = max(_with_all_past(predictor, rows), _by_gate(predictor, written.open(made), rows))
    if not difference <= TOLERANCE:
        raise ModelRefusedError(f"the graph differs by {difference:.2g} in probability from the model; not written.")
    written.write(made, out)
    return difference


def _with_all_past(predictor: CascadePredictor, rows: Any) -> float:
    """Difference of the traced graph with a gate that all rows pass: noise may not, and the labeler must be seen."""
    rules = replace(predictor.rules, gate_threshold=0.0)
    opened = CascadePredictor(predictor.gate, predictor.labeler, rules, predictor.signature)
    return _difference(opened, WholeCascade(opened).examine, rows)


def _by_gate(predictor: CascadePredictor, examine: Examine, rows: Any) -> float:
    """Difference of a graph on all rows, and where none passes or all do, so far as there are such."""
    passed = predictor.examine(rows).passed_gate
    parts = [rows, rows[~passed], rows[passed]]
    return max(_difference(predictor, examine, part) for part in parts if len(part))


def _difference(predictor: CascadePredictor, examine: Examine, rows: Any) -> float:
    """Largest difference in probability between a graph and a predictor; infinite where a number is not finite."""
    answer, wanted = examine(rows), predictor.examine(rows)
    # A row at the gate's threshold may fall on either side; then nothing else of it can be compared.
    same = np.asarray(answer["passed_gate"]) == wanted.passed_gate
    pairs = [
        (np.asarray(answer["gate_probability"]), wanted.gate_proba),
        (np.asarray(answer["probabilities"])[same], wanted.proba[same]),
    ]
    far = max(float(np.abs(ours - theirs).max(initial=0.0)) for ours, theirs in pairs)
    return far if all(np.isfinite(ours).all() for ours, _ in pairs) else float("inf")
