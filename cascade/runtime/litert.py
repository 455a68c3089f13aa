"""LiteRT, with XNNPACK below it: the fastest on depthwise networks and on tiny ones."""

from __future__ import annotations

from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray

from cascade.runtime.runtimes import Session
from cascade.utils.stderr import quiet_stderr


def open_session(content: bytes, batch_size: int, threads: int) -> Session:
    """Open a `.tflite` network at one batch size."""
    with quiet_stderr():
        interpreter = Interpreter(model_content=content, num_threads=threads)
        (given,) = interpreter.get_input_details()
        interpreter.resize_tensor_input(given["index"], [batch_size, *given["shape"][1:]])
        interpreter.allocate_tensors()
    (answer,) = interpreter.get_output_details()

    def run(batch: NDArray[Any]) -> NDArray[np.float32]:
        interpreter.set_tensor(given["index"], batch)
        interpreter.invoke()
        return np.asarray(interpreter.get_tensor(answer["index"]))

    return run
