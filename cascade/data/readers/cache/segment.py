"""Decoded rows of some files, in a file of records: a checksum, then the pixels."""

from __future__ import annotations

import fcntl
import os
import shutil
import weakref
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from cascade.data.readers.cache.checksum import WORD, Checksum
from cascade.data.readers.cache.file_state import States
from cascade.utils.atomic import new_folder

ROWS, FILES = "rows", "files"


class DamagedError(Exception):
    """A segment is not one that `make` wrote."""


class Segment:
    """A folder with one record per file. Records are read and written at their place, by any thread and process.

    Records are read with `pread` and not through mapped memory: pages of mapped files count as memory of the process,
    and a file that another process shortens would end this one.

    Parameters
    ----------
    folder : path
    row_bytes : int

    Attributes
    ----------
    states : ndarray of uint64, shape (n, 2)
        States of the files.

    Raises
    ------
    DamagedError
    """

    def __init__(self, folder: Path, row_bytes: int) -> None:
        self.folder, self.row_bytes = folder, row_bytes
        self.checksum = Checksum(row_bytes)
        self._open()
        try:
            self.states: States = np.frombuffer((folder / FILES).read_bytes(), "<u8").reshape(-1, 2)
        except (OSError, ValueError) as error:
            raise DamagedError(str(error)) from error
        if os.fstat(self._handle).st_size != len(self.states) * self._stride:
            raise DamagedError(f"`{folder}` has another size than its files need.")

    @classmethod
    def make(cls, folder: Path, states: States, row_bytes: int) -> Self:
        """Make a folder for files of these states; their records are holes until they are written."""
        with new_folder(folder) as temporary:
            (temporary / FILES).write_bytes(states.astype("<u8").tobytes())
            with (temporary / ROWS).open("wb") as handle:
                handle.truncate(len(states) * (WORD + row_bytes))
        return cls(folder, row_bytes)

    def read(self, slot: int, seed: int, row: NDArray[np.uint8]) -> bool:
        """Read a row of shape (row_bytes,); return whether it was there and undamaged."""
        mark = bytearray(WORD)
        try:
            n_read = os.preadv(self._handle, [mark, row.data], slot * self._stride)
        except OSError:
            # A failing disk costs time, as the row is decoded again, and no result.
            return False
        return n_read == self._stride and int.from_bytes(mark, "little") == self.checksum(row, seed)

    def is_marked(self, slot: int) -> bool:
        """Return whether a row was written; it may be damaged."""
        return any(os.pread(self._handle, WORD, slot * self._stride))

    def write(self, slot: int, seed: int, row: NDArray[np.uint8]) -> None:
        """Write a row; a record that is cut off does not agree with its checksum."""
        mark = self.checksum(row, seed).to_bytes(WORD, "little")
        os.pwritev(self._handle, [mark, row.data], slot * self._stride)

    def close(self) -> None:
        """Release the file, so that the segment may be removed."""
        self._closed()

    @property
    def _stride(self) -> int:
        return WORD + self.row_bytes

    def _open(self) -> None:
        try:
            self._handle = os.open(self.folder / ROWS, os.O_RDWR | os.O_NOFOLLOW)
        except OSError as error:
            raise DamagedError(str(error)) from error
        self._closed = weakref.finalize(self, os.close, self._handle)
        # Shared by all users; removing the segment needs an exclusive lock.
        fcntl.flock(self._handle, fcntl.LOCK_SH)

    def __getstate__(self) -> dict[str, Any]:
        # A handle means nothing in another process, which opens the file again.
        return {name: value for name, value in vars(self).items() if name not in ("_handle", "_closed")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._open()


def allocated(folder: Path) -> int:
    """Return the bytes that a segment may take once all of its rows are written; 0 if it is not one."""
    try:
        return (folder / ROWS).stat().st_size
    except OSError:
        return 0


def remove(folder: Path) -> bool:
    """Remove a segment unless a process uses it; return whether it was removed."""
    try:
        handle = os.open(folder / ROWS, os.O_RDONLY | os.O_NOFOLLOW)
    except OSError:
        # Without its rows, no process can use it.
        shutil.rmtree(folder, ignore_errors=True)
        return True
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(folder, ignore_errors=True)
    except BlockingIOError:
        return False
    finally:
        os.close(handle)
    return True
