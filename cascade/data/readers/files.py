"""Image files as rows: headers are checked first, pixels are decoded in parallel on access and never kept."""

from __future__ import annotations

import errno
import glob
import logging
import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from copy import copy
from functools import partial
from pathlib import Path
from typing import Any, Generic, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from cascade.data.rows import RowSource
from cascade.errors import DataError
from cascade.utils.threads import usable_cores
from cascade.utils.types import Rows

T = TypeVar("T")
P = TypeVar("P")
logger = logging.getLogger("cascade.data")

AHEAD = 256
"""Files submitted to a thread pool at a time: the results of all of them may be in memory."""
TOGETHER = 16
"""Files per task of a thread, at most."""
FAULTS_OF_A_FILE = (
    # Image libraries raise OSError without a number.
    None,
    errno.ENOENT,
    errno.EACCES,
    errno.EISDIR,
    errno.ENOTDIR,
    errno.ELOOP,
    errno.ENAMETOOLONG,
    # A damaged file may contain positions before its start or beyond any end.
    errno.EINVAL,
    errno.EOVERFLOW,
)
"""Error numbers that a file causes itself, unlike those of a full disk or of too many open files."""
MOST_NAMED = 20
"""Bad files whose faults are logged one by one."""

LEFT_OVER_STARTS = (".", "~$", "#")
LEFT_OVER_FOLDERS = frozenset(
    {"__MACOSX", "@eaDir", "#recycle", "$RECYCLE.BIN", "System Volume Information", "lost+found", "_temporary"}
)
"""Folders that systems make for themselves, and that Spark makes for files that are not complete."""


class PixelFiles(RowSource, Generic[P]):
    """Rows of uint8 of shape (n, height, width, channels), one file each, or one cell of a table.

    A subclass sets `shape`, and implements `look` for headers and `decode_at` for pixels.
    """

    def __init__(self, paths: Sequence[P]) -> None:
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
        """Yield each row, or the error that explains why it cannot be read; few are in memory at a time."""
        yield from self._each(self.decode, rows)

    def attempts_at(self, rows: Rows, sizes: Sequence[int | None]) -> Iterator[list[NDArray[np.uint8]] | DataError]:
        """Yield each row at several sizes, or the error that explains why it cannot be read; see `decode_at`."""
        yield from self._each(partial(self.decode_at, sizes=sizes), rows)

    def headers(self, rows: Rows) -> Iterator[Any]:
        """Yield each row's header, or the error that explains why it cannot be read; no pixel is decoded."""
        yield from self._each(self.look, rows)

    def _each(self, task: Callable[[P], T], rows: Rows) -> Iterator[T | DataError]:
        # A path may be refused as soon as it is made, so it is made where errors are caught.
        yield from attempts_at(lambda row: task(self.paths[row]), np.asarray(rows).tolist())

    def look_at_all(self) -> Iterator[Any]:
        """Read and check the header of every file in order, before any pixel is decoded."""
        for header in self.headers(np.arange(len(self.paths))):
            if isinstance(header, DataError):
                raise header
            yield header

    def only(self, rows: Rows) -> Self:
        """Return the files with the given numbers."""
        if len(rows) == len(self.paths):
            return self
        some = copy(self)
        some.paths = [self.paths[row] for row in rows]
        some.shape = (len(rows), *self.shape[1:])
        return some

    def at_size(self, size: int) -> PixelFiles[P]:
        """Return the same files at another size."""
        raise NotImplementedError

    def pixel_rule(self) -> dict[str, Any]:
        """Return plain data of everything that pixels depend on besides the file and the shape of a row."""
        raise NotImplementedError

    def decodes_faster_at(self, size: int) -> bool:
        """Return whether decoding most files at another size takes a decoding of its own, and less time."""
        return False

    def look(self, path: P) -> Any:
        """Read and check the header of a file."""
        raise NotImplementedError

    def decode(self, path: P) -> NDArray[np.uint8]:
        """Check a file and decode its row."""
        return self.decode_at(path, (None,))[0]

    def decode_at(self, path: P, sizes: Sequence[int | None]) -> list[NDArray[np.uint8]]:
        """Check a file and decode its row at several sizes, where None is that of these rows; as `at_size` does."""
        raise NotImplementedError


def attempts_at(task: Callable[[Any], T], items: Sequence[Any]) -> Iterator[T | DataError]:
    """Yield the result of `task` for each item in order, or its `DataError`; the work is done in threads."""
    cores = usable_cores()
    if cores == 1 or len(items) == 1:
        # A thread would only take turns with this one.
        for item in items:
            yield from _attempts(task, [item])
        return
    # A small image is decoded in the time that a task costs, so tasks have several where there are many.
    size = max(1, min(TOGETHER, len(items) // (2 * cores)))
    waiting: deque[Future[list[T | DataError]]] = deque()
    with ThreadPoolExecutor(cores) as pool:
        try:
            for start in range(0, len(items), size):
                waiting.append(pool.submit(_attempts, task, items[start : start + size]))
                if len(waiting) * size >= AHEAD:
                    yield from waiting.popleft().result()
            while waiting:
                yield from waiting.popleft().result()
        finally:
            for coming in waiting:
                coming.cancel()


def _attempts(task: Callable[[Any], T], items: Sequence[Any]) -> list[T | DataError]:
    results: list[T | DataError] = []
    for item in items:
        try:
            results.append(task(item))
        except DataError as error:
            results.append(error)
    return results


def without_bad_files(results: Sequence[object], leave_out: bool) -> Rows:
    """Return the numbers of the results that are no errors.

    Parameters
    ----------
    results : sequence
        One per file: a `DataError` if the file cannot be used.
    leave_out : bool
        Whether bad files are only logged.

    Raises
    ------
    DataError
        If a file is bad and must not be left out, or if all are.
    """
    bad = [result for result in results if isinstance(result, DataError)]
    good = np.flatnonzero([not isinstance(result, DataError) for result in results])
    if bad and leave_out and len(good):
        logger.warning("data: left out %d of %d files that cannot be used", len(bad), len(results))
    if len(bad) > 1 or (bad and leave_out):
        for error in bad[:MOST_NAMED]:
            logger.warning("data: %s", error)
    if not bad or (leave_out and len(good)):
        return good
    if len(bad) == 1:
        raise bad[0]
    hint = "repair them, or set `data.leave_out_bad_files`."
    raise DataError(f"{bad[0]} {len(bad)} of {len(results)} files cannot be used; {hint}")


def cause_of(error: BaseException) -> str:
    """Describe an error in one line, without a full stop and without the path, which the message names already."""
    if isinstance(error, OSError) and error.errno is not None:
        # The text of an OSError ends in the path.
        return str(error.strerror)
    lines = str(error).splitlines() or [""]
    return f"{type(error).__name__} {lines[0]}".strip().rstrip(".:")


@contextmanager
def blaming(path: object, fault: str, cause: Callable[[BaseException], str] = cause_of) -> Iterator[None]:
    """Turn errors of reading a file into a `DataError`, except those that the machine causes."""
    try:
        yield
    except (DataError, MemoryError, KeyboardInterrupt, SystemExit):
        raise
    # Decoders share no base class of errors, and a panic in Rust is not an Exception.
    except BaseException as error:
        if isinstance(error, OSError) and error.errno not in FAULTS_OF_A_FILE:
            raise
        raise DataError(f"`{path}` {fault}: {cause(error)}.") from error


def is_left_over(place: str) -> bool:
    """Return whether a relative path names something that a system or an editor has left beside the data.

    Such are hidden files and folders, copies that macOS adds to archives, thumbnails, lock files and checkpoints.

    Examples
    --------
    >>> [is_left_over(name) for name in ("a/1.png", "a/._1.png", "__MACOSX/1.png", ".ipynb_checkpoints/1.png")]
    [False, True, True, True]
    """
    return any(part.startswith(LEFT_OVER_STARTS) or part in LEFT_OVER_FOLDERS for part in place.split(os.sep))


def as_text(name: str | Path) -> str:
    """Return a file name as text; names are bytes, of which those that are not UTF-8 are escaped."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def files_below(folder: Path, suffixes: tuple[str, ...], hidden: tuple[str, ...] = ()) -> list[str]:
    """List the files below `folder` that have one of the suffixes, as relative paths in order.

    Parameters
    ----------
    folder : path
    suffixes : tuple of str
        In lower case.
    hidden : tuple of str
        Prefixes of file names that are left out.
    """
    paths: list[str] = []
    for place, _, names in os.walk(folder):
        # Relative once per folder, which takes longer than all else that is done to a name.
        below = os.path.relpath(place, folder)
        wanted = (
            name for name in names if os.path.splitext(name)[1].lower() in suffixes and not name.startswith(hidden)
        )
        paths += wanted if below == os.curdir else (os.path.join(below, name) for name in wanted)
    paths = [path for path in paths if not is_left_over(path)]
    # By parts, as `Path` sorts: as text, `a-b/1` would come before `a/1`.
    return sorted(paths, key=lambda path: path.split(os.sep))


def is_pattern(path: Path) -> bool:
    """Return whether a path is a pattern of several files, such as `lists/*_train.txt`; existing files are none."""
    return glob.has_magic(str(path)) and not path.exists()


def matching(path: Path) -> list[Path]:
    """Return the files that fit a pattern, in order; a path that is no pattern fits itself."""
    if not is_pattern(path):
        return [path]
    return sorted(Path(found) for found in glob.glob(str(path), recursive=True))


def exists(path: Path) -> bool:
    """Return whether a file exists, or at least one that fits the pattern."""
    return path.exists() or (is_pattern(path) and bool(matching(path)))
