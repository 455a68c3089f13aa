"""A folder of decoded rows: segments by kind of pixels, bounded by the space on the disk."""

from __future__ import annotations

import fcntl
import logging
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from cascade.data.readers.cache.file_state import States
from cascade.data.readers.cache.segment import DamagedError, Segment, allocated, remove
from cascade.data.readers.cache.stored_rows import StoredRows
from cascade.utils.locking import LOCK

logger = logging.getLogger("cascade.data")

MOST_OF_FREE = 0.5
"""Share of the disk space, that would be free without the cache, which it may take."""
SUPERSEDED = 0.5
"""Share of a segment's files that have changed above which it is removed."""


class PixelCache:
    """Decoded rows in a folder, shared by processes.

    Parameters
    ----------
    folder : path
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def rows(self, key: str, states: States, row_bytes: int) -> StoredRows | None:
        """Return the records of some files, made where there are none; None if the cache cannot be used.

        Parameters
        ----------
        key : str
            Key of everything besides the files that pixels depend on.
        states : ndarray of uint64, shape (n, 2)
        row_bytes : int
        """
        try:
            with self._locked():
                return self._rows(self.folder / key, states, row_bytes)
        except OSError as error:
            logger.warning("data: decoded pixels are not kept in `%s`: %s", self.folder, error.strerror)
            return None

    def _rows(self, home: Path, states: States, row_bytes: int) -> StoredRows | None:
        segments = [segment for segment in self._segments(home, row_bytes) if not _is_superseded(segment, states)]
        stored = StoredRows(segments, states)
        # A file that is listed twice has one record.
        new = np.unique(states[stored.without_record()], axis=0)
        if len(new):
            if not self._has_room(len(new) * row_bytes):
                logger.warning(
                    "data: decoded pixels of %d files are not kept: they need %s, over half of the free disk space",
                    len(new),
                    in_words(len(new) * row_bytes),
                )
                return stored if segments else None
            segments.append(Segment.make(home / secrets.token_hex(8), new, row_bytes))
            stored = StoredRows(segments, states)
        return stored

    def _segments(self, home: Path, row_bytes: int) -> Iterator[Segment]:
        # Under the lock no segment is being made: these are of a process that was killed.
        for temporary in home.glob(".*"):
            shutil.rmtree(temporary, ignore_errors=True)
        for folder in sorted(home.glob("[!.]*")):
            try:
                segment = Segment(folder, row_bytes)
            except DamagedError:
                # Its rows are decoded again.
                remove(folder)
                continue
            # Segments that were not used for the longest time are removed first.
            os.utime(folder)
            yield segment

    def _has_room(self, needed: int) -> bool:
        """Return whether there is room for more bytes, after removing segments of other data where that makes room."""
        sizes = {folder: allocated(folder) for folder in self.folder.glob("[!.]*/[!.]*")}
        most = MOST_OF_FREE * (shutil.disk_usage(self.folder).free + sum(map(_taken, sizes)))
        if needed > most:
            return False
        used = sum(sizes.values())
        for folder in sorted(sizes, key=lambda folder: folder.stat().st_mtime):
            if used + needed <= most:
                break
            used -= sizes[folder] if remove(folder) else 0
        return used + needed <= most

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Wait until no other process opens or removes segments; rows are read and written without this lock."""
        self.folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(self.folder / LOCK, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)


def _is_superseded(segment: Segment, states: States) -> bool:
    """Return whether most files of a segment have changed since; it is removed then, and not used."""
    places, known = segment.states.T
    changed = np.isin(places, states[:, 0]) & ~np.isin(known, states[:, 1])
    superseded = bool(changed.mean() > SUPERSEDED)
    if superseded:
        # This process uses it as well until it is closed; another process that does keeps it.
        segment.close()
        remove(segment.folder)
    return superseded


def _taken(folder: Path) -> int:
    """Return the bytes that the rows of a segment take now."""
    return sum(path.stat().st_blocks * 512 for path in folder.iterdir())


def in_words(n_bytes: int) -> str:
    """Return a number of bytes for people.

    Examples
    --------
    >>> in_words(2_500_000), in_words(12_000_000_000)
    ('2.5 MB', '12.0 GB')
    """
    return f"{n_bytes / 1e9:.1f} GB" if n_bytes >= 1e9 else f"{n_bytes / 1e6:.1f} MB"
