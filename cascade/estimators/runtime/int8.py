"""INT8 networks: weights and activations in eight bits, with ranges measured on real rows."""

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
    """Convert a frozen function to an INT8 LiteRT network; operations without an INT8 kernel stay float."""
    converter = tf.lite.TFLiteConverter.from_concrete_functions([frozen])
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: _batches(ranges, 1)
    return bytes(converter.convert())


def onnx_in_int8(content: bytes, ranges: NDArray[Any]) -> bytes:
    """Quantise weights and activations of an ONNX network (QDQ format)."""
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
        # Weights get seven bits: processors without VNNI add pairs of products in 16 bits, which eight bits overflow.
        quantize_static(network, path, Reader(), per_channel=True, reduce_range=True)
        return path.read_bytes()


def _batches(rows: NDArray[Any], size: int) -> Batches:
    for start in range(0, len(rows), size):
        yield [np.ascontiguousarray(rows[start : start + size])]
