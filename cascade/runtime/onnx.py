"""ONNX Runtime: the fastest on wide convolutions."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from cascade.runtime.runtimes import Session

NOWHERE = "/nonexistent"
"""Where weights outside of the network are looked for: a network may not read other files."""


def open_session(content: bytes, batch_size: int, threads: int) -> Session:
    """Open an `.onnx` network; one session serves every batch size, so `batch_size` binds nothing."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    # Two networks share the cores: threads that wait by spinning would take half of them away.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.model_external_initializers_file_folder_path", NOWHERE)
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    (given,) = session.get_inputs()

    def run(batch: NDArray[Any]) -> NDArray[np.float32]:
        (answer,) = session.run(None, {given.name: batch})
        return np.asarray(answer)

    return run
