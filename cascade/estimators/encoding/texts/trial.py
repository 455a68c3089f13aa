"""Try a graph of texts in a process of its own, with limits of memory and time, before this process opens it."""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path

from cascade.estimators.encoding.texts.graph import TokenGraph, require_onnxruntime
from cascade.estimators.runtime.trial import in_process, limit_process

SECONDS = 60
"""Processor time; a large transformer takes several seconds for its longest text."""
_passed: set[tuple[str, int, int]] = set()
"""Digests, numbers of tokens and lengths of graphs that were tried: a training saves and loads the same one often."""


def try_graph(path: Path, content: bytes, n_ids: int, max_length: int) -> None:
    """Open a graph and compute a short text and one of the largest length in another process.

    Parameters
    ----------
    path : path
        For errors.
    content : bytes
    n_ids : int
        The graph must take all numbers of tokens below this one.
    max_length : int

    Raises
    ------
    ModelRefusedError
        If that fails, or takes more memory or time than any encoder needs.
    MissingExtraError
        If ONNX Runtime is not installed.
    """
    require_onnxruntime()
    key = hashlib.sha256(content).hexdigest(), n_ids, max_length
    if key in _passed:
        return
    options = {"runtime": "onnx", "length": len(content), "n_ids": n_ids, "max_length": max_length}
    in_process(__name__, path, content, options)
    _passed.add(key)


def main() -> None:
    """Compute texts of the last token by the graph on standard input."""
    options = json.loads(sys.argv[1])
    limit_process(options["length"], SECONDS)
    graph = TokenGraph(sys.stdin.buffer.read())
    for length in (1, options["max_length"]):
        graph([options["n_ids"] - 1] * length)
