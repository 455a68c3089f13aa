"""A fingerprint of the files of an input, which a second start of a job compares."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from functools import partial
from typing import Any

from cascade.utils.address import Address, Place, each


def fingerprint_files(folder: Place, names: Iterable[str]) -> dict[str, Any]:
    """Hash name, size and modification time of each file; in a store also its version or ETag.

    Contents are not hashed: reading terabytes twice would double the time of a job. A file that was changed and got
    its old modification time back is not detected.

    Returns
    -------
    dict
        `files`, `bytes` and `sha256`.
    """
    digest, files, total = hashlib.sha256(), 0, 0
    for name, size, changed in each(folder, partial(_named_state, folder), names):
        # NUL cannot occur in a file name, so no name can imitate the fields that follow it.
        digest.update(os.fsencode(name) + f"\0{size}\0{changed}\n".encode())
        files, total = files + 1, total + max(size, 0)
    return {"files": files, "bytes": total, "sha256": digest.hexdigest()}


def _named_state(folder: Place, name: str) -> tuple[str, int, int | str]:
    return name, *_state(folder / name)


def _state(path: Place) -> tuple[int, int | str]:
    if isinstance(path, Address):
        return path.version() or (-1, -1)
    try:
        status = path.stat()
    except OSError:
        # A listed file that is missing is a bad row; it must not end the job here.
        return -1, -1
    return status.st_size, status.st_mtime_ns
