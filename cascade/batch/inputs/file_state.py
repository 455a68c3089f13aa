"""A fingerprint of the files of an input, which a second start of a job compares."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any


def fingerprint_files(folder: Path, names: Iterable[str]) -> dict[str, Any]:
    """Hash name, size and modification time of each file.

    Contents are not hashed: reading terabytes twice would double the time of a job. A file that was changed and got
    its old modification time back is not detected.

    Returns
    -------
    dict
        `files`, `bytes` and `sha256`.
    """
    digest, files, total = hashlib.sha256(), 0, 0
    for name in names:
        size, changed = _state(folder / name)
        # NUL cannot occur in a file name, so no name can imitate the fields that follow it.
        digest.update(os.fsencode(name) + f"\0{size}\0{changed}\n".encode())
        files, total = files + 1, total + max(size, 0)
    return {"files": files, "bytes": total, "sha256": digest.hexdigest()}


def _state(path: Path) -> tuple[int, int]:
    try:
        status = path.stat()
    except OSError:
        # A listed file that is missing is a bad row; it must not end the job here.
        return -1, -1
    return status.st_size, status.st_mtime_ns
