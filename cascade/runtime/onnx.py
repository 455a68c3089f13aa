"""ONNX Runtime: the fastest on wide convolutions."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from cascade.errors import ModelRefusedError
from cascade.runtime.kinds import Session

EXTERNAL = b"\x0a\x08location\x12"
"""How a tensor that lies in another file names it, as protobuf writes the key."""


def open_session(content: bytes, batch_size: int, threads: int) -> Session:
    """Open an `.onnx` network; one session serves every batch size, so `batch_size` binds nothing."""
    if EXTERNAL in content:
        raise ModelRefusedError("the ONNX network keeps weights in another file, which is refused; export it whole.")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    # Two networks share the cores: threads that wait by spinning would take half of them away.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    (given,) = session.get_inputs()

    def run(batch: NDArray[Any]) -> NDArray[np.float32]:
        (answer,) = session.run(None, {given.name: batch})
        return np.asarray(answer)

    return run
