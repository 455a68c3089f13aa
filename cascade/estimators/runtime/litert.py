"""LiteRT with XNNPACK: the fastest runtime for depthwise networks and for tiny ones."""

from __future__ import annotations

from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray

from cascade.estimators.runtime.runtimes import Session
from cascade.utils.stderr import quiet_stderr


def device() -> str:
    """Return what networks are computed on."""
    return "cpu"


def open_session(content: bytes, batch_size: int, threads: int) -> Session:
    """Open a `.tflite` network at one batch size."""
    with quiet_stderr():
        interpreter = Interpreter(model_content=content, num_threads=threads)
        # The converter writes a batch size of 1 for an open one; memory is allocated after the resize.
        (rows,) = interpreter.get_input_details()
        interpreter.resize_tensor_input(rows["index"], [batch_size, *rows["shape"][1:]])
        interpreter.allocate_tensors()
    (logits,) = interpreter.get_output_details()

    def run(batch: NDArray[Any]) -> NDArray[np.float32]:
        interpreter.set_tensor(rows["index"], batch)
        interpreter.invoke()
        # `get_tensor` copies, so that the next call does not overwrite these logits.
        return np.asarray(interpreter.get_tensor(logits["index"]))

    return run
