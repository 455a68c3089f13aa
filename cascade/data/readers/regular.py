"""Open data files: only regular files, so that no pipe or device is waited for."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from cascade.data.readers.files import FAULTS_OF_A_FILE
from cascade.errors import DataError
from cascade.utils.address import Address, Place


def check_regular(path: Place) -> None:
    """Raise if a path is neither a regular file nor a folder, or cannot be followed.

    Raises
    ------
    DataError
    """
    if isinstance(path, Address):
        if not path.exists():
            raise unreadable(path, FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT)))
        return
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError) as error:
        raise unreadable(path, error) from error
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise DataError(f"`{path}` must be a regular file or a folder. Received a pipe, socket or device.")


def unreadable(path: Place, error: Exception) -> DataError:
    """Describe a file that cannot be read, in one line."""
    if isinstance(error, OSError) and error.errno is not None and error.strerror:
        return DataError(f"`{path}` cannot be read: {error.strerror}.")
    line = (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
    return DataError(f"`{path}` cannot be read as a table: {line}.")


def is_of_machine(error: BaseException) -> bool:
    """Return whether an error shows a fault of the machine, such as a failing disk, and not of a file.

    Examples
    --------
    >>> is_of_machine(OSError(5, "Input/output error")), is_of_machine(FileNotFoundError(2, "No such file"))
    (True, False)
    """
    return isinstance(error, OSError) and error.errno not in FAULTS_OF_A_FILE


@contextmanager
def opened(path: Place) -> Iterator[BinaryIO]:
    """Open a regular file for reading; its faults become a `DataError`, those of the machine stay an `OSError`."""
    check_regular(path)
    if isinstance(path, Address):
        with path.open() as stream:
            yield stream
        return
    # Between check and opening the path could become a pipe, which would be waited for.
    try:
        number = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except OSError as error:
        if is_of_machine(error):
            raise
        raise unreadable(path, error) from error
    with os.fdopen(number, "rb") as handle:
        yield handle


def read_whole(path: Path, most_bytes: int, hint: str) -> bytes:
    """Return the content of a file that has at most `most_bytes`; `hint` ends the sentence of a longer one."""
    with opened(path) as handle:
        content = handle.read(most_bytes + 1)
    if len(content) > most_bytes:
        raise DataError(f"`{path}` must have at most {most_bytes} bytes{hint}.")
    return content
