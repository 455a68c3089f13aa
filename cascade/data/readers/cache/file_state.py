"""Identity of a file without its content: place below a folder, size, and times of the last changes.

The identity of an image in a table is its row and its content.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cascade.data.readers.image.stored import ImageSource, StoredImage
from cascade.errors import DataError

States = NDArray[np.uint64]
"""Hash of the place and hash of place, size and times of each file, shape (n, 2); zeros for a file without a state."""


def file_states(paths: Sequence[ImageSource], folder: Path) -> States:
    """Return the states of files, shape (n, 2)."""
    states = np.zeros((len(paths), 2), np.uint64)
    for row in range(len(paths)):
        try:
            states[row] = file_state(paths[row], folder)
        except (OSError, ValueError, DataError):
            # Decoding this file raises the error, where a bad row is expected.
            continue
    return states


def file_state(path: ImageSource, folder: Path) -> tuple[int, int]:
    """Return the state of one file, or of an image in a table.

    Raises
    ------
    OSError, DataError
        If there is no such file, or no image.
    """
    if isinstance(path, StoredImage):
        place = f"{os.path.relpath(str(path.table), folder)}\0{path.row}".encode("utf-8", "surrogateescape")
        return _hash(place), _hash(place + b"\0" + path.content())
    status = path.stat()
    place = os.fsencode(os.path.relpath(path, folder))
    # The time of the last change of the entry differs where archives restore the time of the content, and so do
    # equally large files that are unpacked over others.
    times = f"\0{status.st_size}\0{status.st_mtime_ns}\0{status.st_ctime_ns}".encode()
    return _hash(place), _hash(place + times)


def _hash(content: bytes) -> int:
    # 0 marks files without a state.
    return int.from_bytes(hashlib.blake2b(content, digest_size=8).digest(), "little") or 1
