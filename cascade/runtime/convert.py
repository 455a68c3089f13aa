"""Keras networks as the bytes of an exported runtime, by way of one frozen graph."""

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
from cascade.runtime.int8 import litert_in_int8, onnx_in_int8
from cascade.utils.stderr import quiet_stderr

OPSET = 18


def convert(network: keras.Model, runtime: str, ranges: NDArray[Any] | None = None) -> bytes:
    """Convert a network of one input and one output.

    Parameters
    ----------
    network : keras.Model
    runtime : {"litert", "onnx"}
    ranges : ndarray, shape (n, ...), optional
        Real rows as the network takes them. With them it is quantised to INT8, which holds what these rows span.

    Raises
    ------
    ConfigError
        If Keras does not run on TensorFlow.
    """
    if keras.backend.backend() != "tensorflow":
        raise ConfigError(f"networks are exported from Keras on TensorFlow. Received {keras.backend.backend()!r}.")
    # Constants that a layer keeps outside of its weights, as Normalization does, would become inputs of the ONNX
    # graph and zeros in LiteRT's; frozen, they are part of the graph.
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
    """A frozen function as an ONNX network; its outputs are renamed if names are given, in their order."""
    from tf2onnx import optimizer
    from tf2onnx.tfonnx import process_tf_graph

    given, answers = [[tensor.name for tensor in tensors] for tensors in (frozen.inputs, frozen.outputs)]
    named = dict(zip(answers, outputs, strict=True)) if outputs else {}
    named |= {name: name.removesuffix(":0") for name in given}
    graph = process_tf_graph(
        frozen.graph, opset=OPSET, input_names=given, output_names=answers, tensors_to_rename=named
    )
    return bytes(optimizer.optimize_graph(graph, catch_errors=True).make_model("cascade").SerializeToString())


CONVERTERS: dict[str, Callable[[Any, NDArray[Any] | None], bytes]] = {"litert": _litert, "onnx": _onnx}


@contextmanager
def quietly() -> Iterator[None]:
    """Keep the converters' own progress and warnings out of the terminal, their handlers out of the process's log."""
    handlers, disabled = logging.root.handlers[:], logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with quiet_stderr(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(disabled)
        logging.root.handlers[:] = handlers
