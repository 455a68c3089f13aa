"""ONNX Runtime: the fastest runtime for wide convolutions, on a GPU where it has one."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from cascade.estimators.runtime.runtimes import Session

NOWHERE = "/nonexistent"
"""Folder of weights outside of the network file: a network must not read other files."""
CPU, CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"
FLOAT32 = {"use_tf32": "0"}
"""Without it, matrix products on a GPU keep 10 bits of a float32."""
HIDDEN = ("", "-1")
"""Values of CUDA_VISIBLE_DEVICES that hide all GPUs."""


def device() -> str:
    """Return what networks are computed on: "cuda" where ONNX Runtime offers it, else "cpu"."""
    # A GPU that is hidden would make each session fail on it first, and say so on standard error.
    is_hidden = os.environ.get("CUDA_VISIBLE_DEVICES") in HIDDEN
    return "cuda" if not is_hidden and CUDA in onnxruntime.get_available_providers() else "cpu"


def open_session(content: bytes, batch_size: int, threads: int) -> Session:
    """Open an `.onnx` network; a session takes batches of any size, so `batch_size` has no effect."""
    # Operators that CUDA does not have, and all of them where it does not start, are computed by the processor.
    session = open_graph(content, threads, [(CUDA, FLOAT32), CPU] if device() == "cuda" else [CPU])
    (rows,) = session.get_inputs()

    def run(batch: NDArray[Any]) -> NDArray[np.float32]:
        (logits,) = session.run(None, {rows.name: batch})
        return np.asarray(logits)

    return run


def open_graph(content: bytes, threads: int, providers: Sequence[Any] = (CPU,)) -> Any:
    """Open a graph with any inputs and outputs; return the `InferenceSession`."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    # Gate and labeler share the cores, and the threads of one would spin while the other computes.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.model_external_initializers_file_folder_path", NOWHERE)
    # Only errors: warnings about a converted graph are of no use to those who predict.
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(content, options, providers=list(providers))
