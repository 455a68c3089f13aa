"""Hold a folder against other processes."""

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
    """Make the folder and hold it against other jobs; the system lets go of it when the process ends in any way.

    Raises
    ------
    BusyError
        If another process holds it.
    ConfigError
        If it is no folder, or one of something else.
    """
    if folder.exists() and not folder.is_dir():
        raise ConfigError(f"`{folder}` is a file; choose a folder, or an output that ends in .parquet or .csv.")
    folder.mkdir(parents=True, exist_ok=True)
    sync(folder.parent)
    if not (folder / LOCK).exists():
        # Nothing is left behind in a folder that was named by mistake.
        refuse_foreign(folder)
    handle = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise BusyError(f"`{folder}` is being written by another job; wait for it, or stop it.") from error
        yield
    finally:
        os.close(handle)


def refuse_foreign(folder: Path) -> None:
    """Refuse a folder that holds anything but a job's lock."""
    foreign = sorted(path.name for path in folder.iterdir() if path.name != LOCK)
    if foreign:
        raise ConfigError(f"`{folder}` holds {foreign[0]!r} and is no job's folder; choose a new or an empty one.")
