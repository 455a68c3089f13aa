"""Files of pixels as rows: looked at one by one, decoded in parallel when rows are asked for, and never kept."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cascade.data.rows import RowSource
from cascade.errors import DataError
from cascade.utils.threads import usable_cores
from cascade.utils.types import Rows

AHEAD = 256
"""Files in hand at a time: what is given to a pool at once is held at once."""
FAULTS_OF_A_FILE = (
    None,
    errno.ENOENT,
    errno.EACCES,
    errno.EISDIR,
    errno.ENOTDIR,
    errno.ELOOP,
    errno.ENAMETOOLONG,
    # A place before the beginning or beyond any end, which a damaged file names.
    errno.EINVAL,
    errno.EOVERFLOW,
)


class PixelFiles(RowSource):
    """Rows of uint8 of shape (n, height, width, channels), one file each.

    A subclass sets `shape`, tells what a file is from its header, and decodes it.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        self.paths = paths
        self.dtype = np.dtype(np.uint8)

    def __getitem__(self, rows: Rows) -> NDArray[Any]:
        batch = np.empty((len(rows), *self.shape[1:]), np.uint8)
        for place, image in enumerate(self.attempts(rows)):
            if isinstance(image, DataError):
                raise image
            batch[place] = image
        return batch

    def attempts(self, rows: Rows) -> Iterator[NDArray[np.uint8] | DataError]:
        """Yield each row, or the error that tells why it cannot be had; never many at a time."""
        yield from self._each(self.decode, rows)

    def headers(self, rows: Rows) -> Iterator[Any]:
        """Yield what each row's header tells, or the error that tells why it does not; no pixel is expanded."""
        yield from self._each(self.look, rows)

    def _each(self, task: Callable[[Path], Any], rows: Rows) -> Iterator[Any]:
        numbers = np.asarray(rows).tolist()
        with ThreadPoolExecutor(usable_cores()) as pool:
            for start in range(0, len(numbers), AHEAD):
                yield from pool.map(partial(self._attempt, task), numbers[start : start + AHEAD])

    def _attempt(self, task: Callable[[Path], Any], row: int) -> Any:
        try:
            return task(self.paths[row])
        except DataError as error:
            return error

    def look_at_all(self) -> Iterator[Any]:
        """Read the header of every file in order; refuse one that does not fit, before any pixel is expanded."""
        with ThreadPoolExecutor(usable_cores()) as pool:
            for start in range(0, len(self.paths), AHEAD):
                yield from pool.map(self.look, self.paths[start : start + AHEAD])

    def at_size(self, size: int) -> PixelFiles:
        """The same files at another size."""
        raise NotImplementedError

    def look(self, path: Path) -> Any:
        """Read and check the header of a file."""
        raise NotImplementedError

    def decode(self, path: Path) -> NDArray[np.uint8]:
        """Check a file and make its row."""
        raise NotImplementedError


def cause_of(error: BaseException) -> str:
    """What went wrong, in one line without full stop, and without the path, which the sentence names already."""
    if isinstance(error, OSError) and error.errno is not None:
        return str(error.strerror)
    lines = str(error).splitlines() or [""]
    return f"{type(error).__name__} {lines[0]}".strip().rstrip(".:")


@contextmanager
def blaming(path: Path, fault: str, cause: Callable[[BaseException], str] = cause_of) -> Iterator[None]:
    """Blame the file for whatever goes wrong while it is read, but not for what the machine lacks."""
    try:
        yield
    except (DataError, MemoryError, KeyboardInterrupt, SystemExit):
        raise
    # Decoders share no error of their own, and those written in Rust end with one that is no Exception.
    except BaseException as error:
        if isinstance(error, OSError) and error.errno not in FAULTS_OF_A_FILE:
            raise
        raise DataError(f"`{path}` {fault}: {cause(error)}.") from error


def files_below(folder: Path, suffixes: tuple[str, ...], hidden: tuple[str, ...] = ()) -> list[str]:
    """Names, relative to `folder`, of all files with one of some endings, in the order of their paths.

    Parameters
    ----------
    folder : path
    suffixes : tuple of str
        In small letters.
    hidden : tuple of str
        Beginnings of names that are left out.
    """
    found = [
        os.path.relpath(os.path.join(place, name), folder)
        for place, _, names in os.walk(folder)
        for name in names
        if os.path.splitext(name)[1].lower() in suffixes and not name.startswith(hidden)
    ]
    return sorted(found, key=lambda name: name.split(os.sep))
