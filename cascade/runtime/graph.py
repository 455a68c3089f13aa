"""Write a whole cascade as one graph for a model server: ONNX, or TensorFlow's SavedModel."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from cascade.errors import ConfigError, ModelRefusedError
from cascade.predictor import CascadePredictor
from cascade.publish import new_file, new_folder
from cascade.runtime.convert import quietly, to_onnx
from cascade.runtime.measure import TOLERANCE, rehearsal_rows
from cascade.runtime.whole import WholeCascade

FORMATS = ("onnx", "saved_model")
REHEARSED = 64
Examine = Callable[[Any], Any]
OUTPUTS = ("gate_probability", "labels", "passed_gate", "probabilities")


def write_graph(predictor: CascadePredictor, out: Path, format: str) -> float:
    """Write one graph of rows in, gate probability, fate, probabilities and bits out.

    Parameters
    ----------
    predictor : CascadePredictor
        Loaded with `runtime="keras"`.
    out : path
        File for "onnx", folder for "saved_model"; whole or not at all.
    format : {"onnx", "saved_model"}

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
    if format not in FORMATS:
        raise ConfigError(f"`format` must be one of {', '.join(FORMATS)}. Received {format!r}.")
    whole = WholeCascade(predictor)
    if out.exists():
        raise ConfigError(f"`{out}` exists already; choose another name or remove it first.")
    # Noise may pass the gate, or not; with a gate that all pass the labeler is compared in any case.
    rows = rehearsal_rows(whole.row_shape, whole.dtype, REHEARSED)
    open_gate = _with_gate_at(predictor, 0.0)
    difference = max(
        _difference(predictor, whole.examine, rows), _difference(open_gate, WholeCascade(open_gate).examine, rows)
    )
    if format == "onnx":
        with quietly():
            frozen = convert_variables_to_constants_v2(whole.examine.get_concrete_function())
            content = to_onnx(frozen, OUTPUTS)
        difference = max(difference, _difference(predictor, _in_onnxruntime(content), rows))
    if not difference <= TOLERANCE:
        raise ModelRefusedError(f"the graph differs by {difference:.2g} in probability from the model; not written.")
    if format == "onnx":
        with new_file(out) as aside:
            aside.write_bytes(content)
    else:
        with new_folder(out) as folder, quietly():
            tf.saved_model.save(whole, str(folder), signatures=whole.examine)
    return difference


def _with_gate_at(predictor: CascadePredictor, threshold: float) -> CascadePredictor:
    rules = replace(predictor.rules, gate_threshold=threshold)
    return CascadePredictor(predictor.gate, predictor.labeler, rules, predictor.signature)


def _in_onnxruntime(content: bytes) -> Examine:
    """The converted graph as a function; without ONNX Runtime nothing could be said of it."""
    import onnxruntime

    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    return lambda rows: dict(zip(OUTPUTS, session.run(list(OUTPUTS), {"rows": rows}), strict=True))


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
