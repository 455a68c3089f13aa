"""What files an input consists of, in a form that a second start can compare."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any


def fingerprint_files(folder: Path, names: Iterable[str]) -> dict[str, Any]:
    """Hash name, size and time of the last change of each file.

    Reading terabytes twice to hash them would double the job; who changes a file and puts its time back is
    not found out.

    Returns
    -------
    dict
        `files`, `bytes` and `sha256`.
    """
    digest, files, total = hashlib.sha256(), 0, 0
    for name in names:
        size, changed = _state(folder / name)
        digest.update(os.fsencode(name) + f"\0{size}\0{changed}\n".encode())
        files, total = files + 1, total + max(size, 0)
    return {"files": files, "bytes": total, "sha256": digest.hexdigest()}


def _state(path: Path) -> tuple[int, int]:
    try:
        found = path.stat()
    except OSError:
        # A listed file that is not there is a bad row, not the end of the job.
        return -1, -1
    return found.st_size, found.st_mtime_ns
