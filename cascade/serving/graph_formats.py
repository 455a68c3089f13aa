"""What one graph can be written as: each format made of the traced cascade, opened to be compared, and written."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import tensorflow as tf
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from cascade.errors import ConfigError
from cascade.runtime.convert import quietly, to_onnx
from cascade.serving.graph_cascade import WholeCascade
from cascade.utils.atomic import new_file, new_folder

Examine = Callable[[Any], Any]
OUTPUTS = ("gate_probability", "labels", "passed_gate", "probabilities")
IR_NAME = "cascade.xml"


@dataclass(frozen=True)
class GraphFormat:
    """A format of a whole cascade.

    Attributes
    ----------
    make : callable
        What is written, of a traced cascade.
    open : callable
        A function of rows, of what was made.
    write : callable
        Puts what was made at a path, whole or not at all.
    needs : tuple of str
        Modules that must be there.
    extra : str
        Extras of this package that bring them.
    """

    make: Callable[[WholeCascade], Any]
    open: Callable[[Any], Examine]
    write: Callable[[Any, Path], None]
    needs: tuple[str, ...] = ()
    extra: str = "keras"


def format_of(name: str) -> GraphFormat:
    """The format of that name.

    Raises
    ------
    ConfigError
        If there is none, or what it needs is not installed.
    """
    if name not in FORMATS:
        raise ConfigError(f"`format` must be one of {', '.join(FORMATS)}. Received {name!r}.")
    chosen = FORMATS[name]
    if not all(find_spec(module) is not None for module in chosen.needs):
        raise ConfigError(f"`format` {name!r} needs `pip install cascade-multilabel[{chosen.extra}]`.")
    return chosen


def _onnx(whole: WholeCascade) -> bytes:
    with quietly():
        return to_onnx(convert_variables_to_constants_v2(whole.examine.get_concrete_function()), OUTPUTS)


def _in_onnxruntime(content: bytes) -> Examine:
    import onnxruntime

    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    return lambda rows: dict(zip(OUTPUTS, session.run(list(OUTPUTS), {"rows": rows}), strict=True))


def _write_onnx(content: bytes, out: Path) -> None:
    with new_file(out) as temporary:
        temporary.write_bytes(content)


def _openvino(whole: WholeCascade) -> Any:
    import openvino

    # OpenVINO's own reader of TensorFlow graphs fails where no row passes; its reader of ONNX does not.
    return openvino.Core().read_model(_onnx(whole))


def _in_openvino(model: Any) -> Examine:
    import openvino

    # Some processors would be given bfloat16, which is too coarse to compare.
    compiled = openvino.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})

    def examine(rows: Any) -> dict[str, Any]:
        answer = compiled({"rows": rows})
        return {name: answer[name] for name in OUTPUTS}

    return examine


def _write_openvino(model: Any, out: Path) -> None:
    import openvino

    with new_folder(out) as folder:
        openvino.save_model(model, folder / IR_NAME, compress_to_fp16=False)


def _write_saved_model(whole: WholeCascade, out: Path) -> None:
    with new_folder(out) as folder, quietly():
        tf.saved_model.save(whole, str(folder), signatures=whole.examine)


FORMATS = {
    "onnx": GraphFormat(_onnx, _in_onnxruntime, _write_onnx, ("tf2onnx", "onnxruntime"), "keras,onnx"),
    "openvino": GraphFormat(_openvino, _in_openvino, _write_openvino, ("tf2onnx", "openvino"), "keras,onnx,openvino"),
    "saved_model": GraphFormat(lambda whole: whole, lambda whole: whole.examine, _write_saved_model),
}
