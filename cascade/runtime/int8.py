"""INT8 networks: weights and activations in eight bits, their ranges taken from real rows."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

Batches = Iterator[list[NDArray[Any]]]
ROWS_AT_A_TIME = 16


def litert_in_int8(frozen: Any, ranges: NDArray[Any]) -> bytes:
    """A frozen function as a LiteRT network; what has no INT8 kernel, as a cast of the input, stays float."""
    converter = tf.lite.TFLiteConverter.from_concrete_functions([frozen])
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: _batches(ranges, 1)
    return bytes(converter.convert())


def onnx_in_int8(content: bytes, ranges: NDArray[Any]) -> bytes:
    """An ONNX network with quantised weights and activations (QDQ)."""
    import onnx
    from onnxruntime.quantization import CalibrationDataReader, quantize_static

    class Reader(CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self.batches = _batches(ranges, ROWS_AT_A_TIME)

        def get_next(self) -> dict[str, NDArray[Any]] | None:
            batch = next(self.batches, None)
            return None if batch is None else {network.graph.input[0].name: batch[0]}

    network = onnx.load_from_string(content)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "int8.onnx"
        # Seven bits for weights: processors without VNNI add pairs of products in 16 bits, which eight would overflow.
        quantize_static(network, path, Reader(), per_channel=True, reduce_range=True)
        return path.read_bytes()


def _batches(rows: NDArray[Any], size: int) -> Batches:
    for start in range(0, len(rows), size):
        yield [np.ascontiguousarray(rows[start : start + size])]
