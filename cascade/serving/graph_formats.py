"""Formats of a graph: how each is made of the traced cascade, opened for the comparison, and written."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import tensorflow as tf
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from cascade.errors import ConfigError
from cascade.estimators.runtime.convert import quietly, to_onnx
from cascade.serving.graph_cascade import GraphCascade
from cascade.utils.atomic import new_file, new_folder

Examine = Callable[[Any], Any]
OUTPUTS = ("gate_probability", "labels", "passed_gate", "probabilities")
IR_NAME = "cascade.xml"


@dataclass(frozen=True)
class GraphFormat:
    """A file format of a cascade.

    Attributes
    ----------
    make : callable
        Converts a traced cascade to the model that is written.
    open : callable
        Turns that model into a function of rows.
    write : callable
        Writes that model to a path atomically.
    needs : tuple of str
        Modules that must be installed.
    extra : str
        Extras of this package that install them.
    """

    make: Callable[[GraphCascade], Any]
    open: Callable[[Any], Examine]
    write: Callable[[Any, Path], None]
    needs: tuple[str, ...] = ()
    extra: str = "keras"


def format_of(name: str) -> GraphFormat:
    """Return the format with a name.

    Raises
    ------
    ConfigError
        If no format has this name, or a module that it needs is not installed.
    """
    if name not in FORMATS:
        raise ConfigError(f"`format` must be one of {', '.join(FORMATS)}. Received {name!r}.")
    chosen = FORMATS[name]
    if not all(find_spec(module) is not None for module in chosen.needs):
        raise ConfigError(f"`format` {name!r} needs `pip install cascade-multilabel[{chosen.extra}]`.")
    return chosen


def _onnx(cascade: GraphCascade) -> bytes:
    # TensorFlow returns the outputs of a mapping sorted by name, and OUTPUTS is in that order.
    with quietly():
        return to_onnx(convert_variables_to_constants_v2(cascade.examine.get_concrete_function()), OUTPUTS)


def _in_onnxruntime(content: bytes) -> Examine:
    import onnxruntime

    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    return lambda rows: dict(zip(OUTPUTS, session.run(list(OUTPUTS), {"rows": rows}), strict=True))


def _write_onnx(content: bytes, out: Path) -> None:
    with new_file(out) as temporary:
        temporary.write_bytes(content)


def _openvino(cascade: GraphCascade) -> Any:
    import openvino

    # OpenVINO's reader of TensorFlow graphs fails where no row passes the gate; its reader of ONNX does not.
    return openvino.Core().read_model(_onnx(cascade))


def _in_openvino(model: Any) -> Examine:
    import openvino

    # On some processors OpenVINO computes in bfloat16, which is too coarse for the comparison.
    compiled = openvino.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})

    def examine(rows: Any) -> dict[str, Any]:
        outputs = compiled({"rows": rows})
        return {name: outputs[name] for name in OUTPUTS}

    return examine


def _write_openvino(model: Any, out: Path) -> None:
    import openvino

    with new_folder(out) as folder:
        # OpenVINO stores weights as float16 unless this is off, and only float32 was compared.
        openvino.save_model(model, folder / IR_NAME, compress_to_fp16=False)


def _write_saved_model(cascade: GraphCascade, out: Path) -> None:
    with new_folder(out) as folder, quietly():
        tf.saved_model.save(cascade, str(folder), signatures=cascade.examine)


FORMATS = {
    "onnx": GraphFormat(_onnx, _in_onnxruntime, _write_onnx, ("tf2onnx", "onnxruntime"), "keras,onnx"),
    "openvino": GraphFormat(_openvino, _in_openvino, _write_openvino, ("tf2onnx", "openvino"), "keras,onnx,openvino"),
    "saved_model": GraphFormat(lambda cascade: cascade, lambda cascade: cascade.examine, _write_saved_model),
}
