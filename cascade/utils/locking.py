"""Lock a folder against other processes."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cascade.errors import BusyError, ConfigError
from cascade.utils.atomic import sync

LOCK = ".lock"


@contextmanager
def claimed(folder: Path) -> Iterator[None]:
    """Create the folder if needed and lock it; the system releases the lock when the process ends in any way.

    Raises
    ------
    BusyError
        If another process holds the lock.
    ConfigError
        If it is a file, or a folder that has other content.
    """
    if folder.exists() and not folder.is_dir():
        raise ConfigError(f"`{folder}` is a file; choose a folder, or an output that ends in .parquet or .csv.")
    folder.mkdir(parents=True, exist_ok=True)
    # After a power failure, synced files would be lost with a folder whose name was not synced.
    sync(folder.parent)
    if not (folder / LOCK).exists():
        # Checked before the lock is made: a folder that was named by mistake must stay unchanged.
        refuse_foreign(folder)
    handle = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        try:
            # A lock of the system, not the file's existence: a killed job leaves no stale lock.
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise BusyError(f"`{folder}` is being written by another job; wait for it, or stop it.") from error
        yield
    finally:
        # This releases the lock. The file stays: if it was removed, two jobs could lock two files of one name.
        os.close(handle)


def refuse_foreign(folder: Path) -> None:
    """Raise if a folder contains anything but a job's lock."""
    foreign = sorted(path.name for path in folder.iterdir() if path.name != LOCK)
    if foreign:
        raise ConfigError(f"`{folder}` holds {foreign[0]!r} and is not a job folder; choose a new or an empty one.")
