"""Read files that may be from elsewhere: regular files of limited size, opened once, without following links."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path
from typing import Any

from cascade.errors import ModelRefusedError

LARGEST = 2 * 2**30
"""Bytes of the largest file of a model."""
LARGEST_FOLDER = 4 * 2**30
SOLID = 16 * 2**20
"""Bytes up to which a file may consist of holes. Above, half of it must be on disk: a hole costs its author nothing."""


@contextmanager
def opened(path: Path, largest: int) -> Iterator[BufferedReader]:
    """Open a regular file of at most `largest` bytes.

    Raises
    ------
    ModelRefusedError
        If it is a link, a folder, a pipe or a device, or is larger.
    """
    try:
        # Without NONBLOCK, opening a pipe waits for a writer; without NOFOLLOW, a link may lead to any file.
        number = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as error:
        raise ModelRefusedError(f"`{path}` must be a plain file that can be read: {error.strerror}.") from error
    with os.fdopen(number, "rb") as handle:
        # The open file is described, not the name, which may belong to another file by now.
        about = os.fstat(number)
        if not stat.S_ISREG(about.st_mode):
            raise ModelRefusedError(f"`{path}` must be a plain file; links, folders and devices are refused.")
        if about.st_size > largest:
            raise ModelRefusedError(f"`{path}` is larger than {largest} bytes, which no model needs.")
        if about.st_size > SOLID and _bytes_of_data(number, about.st_size) < about.st_size / 2:
            raise ModelRefusedError(f"`{path}` is mostly a hole, which no model needs.")
        yield handle


def read(path: Path, largest: int = LARGEST) -> bytes:
    """Return the content of a regular file of at most `largest` bytes; see `opened`."""
    with opened(path, largest) as handle:
        # One byte more than the limit shows a file that grows while it is read.
        content = handle.read(os.fstat(handle.fileno()).st_size + 1)
    if len(content) > largest:
        raise ModelRefusedError(f"`{path}` is larger than {largest} bytes, which no model needs.")
    return content


def describe(path: Path) -> dict[str, Any]:
    """Return digest and size of a regular file."""
    with opened(path, LARGEST) as handle:
        return {
            "sha256": hashlib.file_digest(handle, "sha256").hexdigest(),
            "bytes": os.fstat(handle.fileno()).st_size,
        }


class ModelFiles:
    """The files of a model folder, each of which is checked against its digest when it is read.

    Parameters
    ----------
    folder : path
    described : mapping from file name to size and digest, optional
        As `describe` returns them. Without it, the files are read unchecked: they were written by this process.
    """

    def __init__(self, folder: Path, described: Mapping[str, Any] | None = None) -> None:
        self.folder = folder
        self.described = described
        self._unread = set(described or ())

    def read(self, name: str) -> bytes:
        """Return the content of a file.

        Raises
        ------
        ModelRefusedError
            If it is not the file that was saved.
        """
        path = self.folder / name
        content = read(path)
        if self.described is not None:
            found = {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
            _check_same(path, found, self.described.get(name))
            self._unread.discard(name)
        return content

    def check_rest(self) -> None:
        """Check the digests of the files that were not read, such as those of other runtimes."""
        for name in sorted(self._unread):
            path = self.folder / name
            _check_same(path, describe(path), None if self.described is None else self.described[name])
        self._unread.clear()


def _check_same(path: Path, found: dict[str, Any], wanted: Any) -> None:
    if found != wanted:
        raise ModelRefusedError(f"`{path}` was changed after it was written; its SHA-256 differs.")


def _bytes_of_data(number: int, size: int) -> int:
    """Return how many bytes of a file are not in holes; all of them where the system does not say."""
    if not hasattr(os, "SEEK_DATA"):
        return size
    total, position = 0, 0
    try:
        while position < size:
            start = os.lseek(number, position, os.SEEK_DATA)
            position = os.lseek(number, start, os.SEEK_HOLE)
            total += position - start
    except OSError as error:
        # ENXIO: the rest is a hole. Other errors: the file system has no holes.
        total = total if error.errno == errno.ENXIO else size
    os.lseek(number, 0, os.SEEK_SET)
    return total
