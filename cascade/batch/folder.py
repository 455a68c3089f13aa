"""The folder of a job: names of its files, and one process at a time."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cascade.errors import BusyError, ConfigError
from cascade.utils.atomic import sync

# Readers of a folder of Parquet files pass over names that begin with _ or a dot.
MANIFEST = "_manifest.json"
JOURNAL = "_shards.jsonl"
REJECTED = "_rejected.parquet"
MONITOR = "_monitor.json"
LOCK = ".lock"
ASIDE = re.compile(
    r"\.(part-\d{5,}\.parquet|_rejected(-\d{5,})?\.parquet|_manifest\.json|_shards\.jsonl|_monitor\.json)\.\d+"
)
WORKER = ".worker-"
"""Beginning of the folders in which workers write their shards."""
WORKER_FOLDER = re.compile(re.escape(WORKER) + r"\w{8}")


def part_name(number: int) -> str:
    """Name of a shard's predictions."""
    return f"part-{number:05d}.parquet"


def rejected_name(number: int) -> str:
    """Name of a shard's rejected rows, as long as the job is not finished."""
    return f"_rejected-{number:05d}.parquet"


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


def clear_asides(folder: Path) -> None:
    """Remove what a killed job, or its workers, were about to write."""
    for path in folder.iterdir():
        if ASIDE.fullmatch(path.name):
            path.unlink()
        elif WORKER_FOLDER.fullmatch(path.name):
            # A worker that has not noticed yet that it is alone may still write.
            shutil.rmtree(path, ignore_errors=True)


def refuse_foreign(folder: Path) -> None:
    """Refuse a folder that holds anything but a job's lock."""
    foreign = sorted(path.name for path in folder.iterdir() if path.name != LOCK)
    if foreign:
        raise ConfigError(f"`{folder}` holds {foreign[0]!r} and is no job's folder; choose a new or an empty one.")
