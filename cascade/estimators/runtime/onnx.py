"""ONNX Runtime: the fastest runtime for wide convolutions."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from cascade.estimators.runtime.runtimes import Session

NOWHERE = "/nonexistent"
"""Folder of weights outside of the network file: a network must not read other files."""


def open_session(content: bytes, batch_size: int, threads: int) -> Session:
    """Open an `.onnx` network; a session takes batches of any size, so `batch_size` has no effect."""
    session = open_graph(content, threads)
    (rows,) = session.get_inputs()

    def run(batch: NDArray[Any]) -> NDArray[np.float32]:
        (logits,) = session.run(None, {rows.name: batch})
        return np.asarray(logits)

    return run


def open_graph(content: bytes, threads: int) -> Any:
    """Open a graph with any inputs and outputs; return the `InferenceSession`."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    # Gate and labeler share the cores, and the threads of one would spin while the other computes.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.model_external_initializers_file_folder_path", NOWHERE)
    # Only errors: warnings about a converted graph are of no use to those who predict.
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
