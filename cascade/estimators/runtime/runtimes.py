"""Runtimes by name: the packages that they need, and how a converted network is opened."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cascade.errors import ConfigError
from cascade.utils.threads import usable_cores

Session = Callable[[NDArray[Any]], NDArray[np.float32]]
"""A network at one batch size: from a batch of exactly that size to float32 logits (batch size, n_outputs)."""

KERAS = "keras"
AUTO = "auto"
FLOAT32 = "float32"
INT8 = "int8"
MOST_THREADS = 512


@dataclass(frozen=True)
class Runtime:
    """An exported runtime.

    Attributes
    ----------
    package : str
        Package to install.
    imported : str
        Module that must be installed to open a network.
    converted : tuple of str
        Modules that must be installed to convert one.
    suffix : str
        Suffix of its files.
    opener : str
        Module of this package with `open_session(content, batch_size, threads)` and `device()`.
    """

    package: str
    imported: str
    converted: tuple[str, ...]
    suffix: str
    opener: str

    def installed(self) -> bool:
        """Return whether networks can be opened."""
        return find_spec(self.imported) is not None

    def exports(self) -> bool:
        """Return whether networks can be converted and then timed."""
        return self.installed() and all(find_spec(name) is not None for name in self.converted)

    def open(self, content: bytes, batch_size: int, threads: int) -> Session:
        """Open a converted network at one batch size."""
        # Imported by name, so that one runtime works where the others are not installed.
        session: Session = import_module(self.opener).open_session(content, batch_size, threads)
        return session

    def device(self) -> str:
        """Return what networks are computed on in this process: "cpu" or "cuda"."""
        device: str = import_module(self.opener).device()
        return device


RUNTIMES = {
    "litert": Runtime(
        "ai-edge-litert", "ai_edge_litert", ("tensorflow",), ".tflite", "cascade.estimators.runtime.litert"
    ),
    "onnx": Runtime(
        "onnxruntime", "onnxruntime", ("tensorflow", "tf2onnx"), ".onnx", "cascade.estimators.runtime.onnx"
    ),
}


def exporting_runtimes() -> tuple[str, ...]:
    """Return the runtimes to which networks can be exported on this machine."""
    return tuple(name for name, runtime in RUNTIMES.items() if runtime.exports())


def check_runtime(runtime: Any) -> str:
    """Return `runtime` if it is the name of one."""
    known = (AUTO, KERAS, *RUNTIMES)
    if runtime not in known:
        raise ConfigError(f"`runtime` must be one of {', '.join(known)}. Received {runtime!r}.")
    return str(runtime)


def check_threads(threads: Any) -> int:
    """Return the number of threads if it is valid; the cores that this process may use if None."""
    if threads is None:
        return usable_cores()
    if not isinstance(threads, (int, np.integer)) or isinstance(threads, bool) or not 1 <= threads <= MOST_THREADS:
        raise ConfigError(f"`threads` must be a whole number from 1 to {MOST_THREADS}. Received {threads!r}.")
    return int(threads)
