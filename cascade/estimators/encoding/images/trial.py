"""Try a network of images in a process of its own, with limits of memory and time, before this process opens it."""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path
from typing import Any

from cascade.estimators.encoding.images.network import ImageNetwork
from cascade.estimators.encoding.images.opened import opened, require
from cascade.estimators.runtime.trial import in_process, limit_process

SECONDS = 60
"""Processor time; a large transformer takes several seconds per image."""
_passed: set[tuple[str, str, Any, str]] = set()
"""Digests and options of networks that were tried: a training saves and loads the same one often."""


def try_network(path: Path, content: bytes, runtime: str, image_size: int | None, pixels: str) -> None:
    """Open a network and compute an image in another process.

    Parameters
    ----------
    path : path
        For errors.
    content : bytes
    runtime : {"onnx", "litert"}
    image_size : int or None
    pixels : str

    Raises
    ------
    ModelRefusedError
        If that fails, or takes more memory or time than any encoder needs.
    MissingExtraError
        If the runtime is not installed.
    """
    require(runtime)
    key = hashlib.sha256(content).hexdigest(), runtime, image_size, pixels
    if key in _passed:
        return
    options = {"runtime": runtime, "length": len(content), "image_size": image_size, "pixels": pixels}
    in_process(__name__, path, content, options)
    _passed.add(key)


def main() -> None:
    """Compute a black image by the network on standard input."""
    options = json.loads(sys.argv[1])
    limit_process(options["length"], SECONDS)
    network = ImageNetwork(
        opened(sys.stdin.buffer.read(), options["runtime"]), options["image_size"], options["pixels"]
    )
    print(network.columns)
