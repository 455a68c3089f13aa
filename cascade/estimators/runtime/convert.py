"""Convert Keras networks to the format of an exported runtime, through one frozen graph."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import keras
import tensorflow as tf
from numpy.typing import NDArray
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from cascade.errors import ConfigError
from cascade.estimators.runtime.int8 import litert_in_int8, onnx_in_int8
from cascade.utils.stderr import quiet_stderr

OPSET = 18


def convert(network: keras.Model, runtime: str, ranges: NDArray[Any] | None = None) -> bytes:
    """Convert a network of one input and one output.

    Parameters
    ----------
    network : keras.Model
    runtime : {"litert", "onnx"}
    ranges : ndarray, shape (n, ...), optional
        Real rows as the network takes them. If given, the network is quantised to INT8 with the ranges of these rows.

    Raises
    ------
    ConfigError
        If Keras does not run on TensorFlow.
    """
    if keras.backend.backend() != "tensorflow":
        raise ConfigError(f"networks are exported from Keras on TensorFlow. Received {keras.backend.backend()!r}.")
    # Constants that a layer keeps outside of its weights, as Normalization does, would become inputs of the ONNX
    # graph and zeros in LiteRT. Freezing makes them part of the graph.
    with quietly():
        return CONVERTERS[runtime](_frozen(network), ranges)


def _frozen(network: keras.Model) -> Any:
    shape, dtype = network.inputs[0].shape, network.inputs[0].dtype
    traced = tf.function(
        lambda rows: network(rows, training=False), input_signature=[tf.TensorSpec(shape, dtype, name="rows")]
    )
    return convert_variables_to_constants_v2(traced.get_concrete_function())


def _litert(frozen: Any, ranges: NDArray[Any] | None) -> bytes:
    if ranges is not None:
        return litert_in_int8(frozen, ranges)
    return bytes(tf.lite.TFLiteConverter.from_concrete_functions([frozen]).convert())


def _onnx(frozen: Any, ranges: NDArray[Any] | None) -> bytes:
    content = to_onnx(frozen)
    return content if ranges is None else onnx_in_int8(content, ranges)


def to_onnx(frozen: Any, outputs: Sequence[str] = ()) -> bytes:
    """Convert a frozen function to an ONNX network, and rename its outputs if names are given in their order."""
    from tf2onnx import optimizer
    from tf2onnx.tfonnx import process_tf_graph

    input_names, output_names = [[tensor.name for tensor in tensors] for tensors in (frozen.inputs, frozen.outputs)]
    renamed = dict(zip(output_names, outputs, strict=True)) if outputs else {}
    # TensorFlow names a tensor by its operation and output; clients should send "rows", not "rows:0".
    renamed |= {name: name.removesuffix(":0") for name in input_names}
    graph = process_tf_graph(
        frozen.graph, opset=OPSET, input_names=input_names, output_names=output_names, tensors_to_rename=renamed
    )
    # An optimisation that fails is skipped: the graph is correct without it.
    return bytes(optimizer.optimize_graph(graph, catch_errors=True).make_model("cascade").SerializeToString())


CONVERTERS: dict[str, Callable[[Any, NDArray[Any] | None], bytes]] = {"litert": _litert, "onnx": _onnx}


@contextmanager
def quietly() -> Iterator[None]:
    """Hide the converters' progress and warnings, and undo their changes to the process's logging."""
    # A converter may add handlers to the root logger, which would print every later line twice.
    handlers, disabled = logging.root.handlers[:], logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with quiet_stderr(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(disabled)
        logging.root.handlers[:] = handlers
