"""Try an exported network in a process of its own, with limits of memory and time, before this process opens it.

Native parsers read exported networks, and the memory that a graph needs follows only from running it: a few operators
that double their input take more than any machine has. A crash or a limit ends the other process alone.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

from cascade.errors import ModelRefusedError
from cascade.estimators.runtime.measure import rehearsal_rows
from cascade.estimators.runtime.runtimes import RUNTIMES

SECONDS = 15
"""Processor time for opening a network and computing a few rows."""
PATIENCE = 120
"""Seconds after which the process is ended even if it has not computed for so long, since others use the machine."""
MEMORY = 2**30
"""Bytes of data of the other process, besides those that follow from the size of the file."""
TIMES_THE_FILE = 6
BATCH_MEMORY = 2**30
"""Bytes that a batch may take, or more where rows are large themselves."""
TIMES_THE_ROW = 256
ROWS = 9
ROOT = Path(__file__).parents[3]
"""Where this package is: the path of the process that imports it may be relative."""


def try_network(
    path: Path, content: bytes, runtime: str, batch_size: int, row_shape: tuple[int, ...], dtype: str
) -> None:
    """Open a network and compute a few rows in another process.

    Raises
    ------
    ModelRefusedError
        If that fails, or takes more memory or time than any network needs.
    """
    options = {"runtime": runtime, "row_shape": row_shape, "dtype": dtype, "length": len(content)}
    printed = in_process(__name__, path, content, options)
    if printed is None:
        return
    per_row = float(printed.split()[-1])
    row_bytes = TIMES_THE_ROW * _bytes_per_row(row_shape, dtype)
    if per_row * batch_size > max(BATCH_MEMORY, row_bytes * batch_size):
        raise ModelRefusedError(f"`{path}` takes {per_row:.3g} bytes per row in batches of {batch_size}; refused.")


def in_process(module: str, path: Path, content: bytes, options: dict[str, Any]) -> str | None:
    """Call `main` of a module in another process, with options and the content on its standard input.

    Returns
    -------
    str or None
        What it prints; None where Python cannot be started.

    Raises
    ------
    ModelRefusedError
        If it fails or does not end.
    """
    if not sys.executable:
        return None
    command = [sys.executable, "-c", f"from {module} import main; main()", json.dumps(options)]
    # Without GPUs: drivers map far more memory than the limits of the other process allow.
    environment = os.environ | {"CUDA_VISIBLE_DEVICES": "-1"}
    environment["PYTHONPATH"] = os.pathsep.join([str(ROOT), *filter(None, sys.path)])
    try:
        done = subprocess.run(
            command, input=content, capture_output=True, timeout=PATIENCE, env=environment, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise ModelRefusedError(f"`{path}` does not end; the network is not loaded.") from error
    if done.returncode != 0:
        reason = (done.stderr.decode(errors="replace").strip().splitlines() or ["it crashes or exceeds its limits"])[-1]
        raise ModelRefusedError(f"`{path}` cannot be computed in {options['runtime']}: {reason[:200]}")
    return done.stdout.decode(errors="replace")


def main() -> None:
    """Compute the first and some more rows of the network on standard input; print the bytes per row."""
    options = json.loads(sys.argv[1])
    limit_process(options["length"], SECONDS)
    used = []
    content = sys.stdin.buffer.read()
    # Twice one row, so that what a second session leaves behind is not counted as the memory of rows.
    for count in (1, 1, ROWS):
        _compute(content, options, count)
        used.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024))
    print((used[-1] - used[-2]) / (ROWS - 1))


def limit_process(length: int, seconds: int) -> None:
    """Limit the memory of this process, by the length of a network's file, and its processor time."""
    _limit(resource.RLIMIT_CPU, seconds)
    _limit(resource.RLIMIT_DATA, MEMORY + TIMES_THE_FILE * length)
    # A crash is an answer here, and needs no file of its memory.
    _limit(resource.RLIMIT_CORE, 0)


def _compute(content: bytes, options: dict[str, Any], count: int) -> None:
    session = RUNTIMES[options["runtime"]].open(content, count, 1)
    session(rehearsal_rows(tuple(options["row_shape"]), options["dtype"], count))


def _limit(kind: int, value: int) -> None:
    _, hard = resource.getrlimit(kind)
    limit = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(kind, (limit, hard))


def _bytes_per_row(row_shape: tuple[int, ...], dtype: str) -> int:
    size = 1 if dtype == "uint8" else 4
    for length in row_shape:
        size *= length
    return size
