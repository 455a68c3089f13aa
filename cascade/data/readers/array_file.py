"""Rows of a `.npy` file, read when they are needed.

They are read and not mapped into memory: a mapped file that is cut or replaced by another program ends the process, or
silently gives rows of two files.
"""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import IO, Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from cascade.data.readers.regular import opened
from cascade.data.rows import RowSource
from cascade.errors import DataError
from cascade.utils.types import Rows

Header = tuple[tuple[int, ...], bool, np.dtype[Any]]


class ArrayFile(RowSource):
    """Rows of an array in a `.npy` file.

    Parameters
    ----------
    path : Path
        Of a plain array with rows one after the other (C order).

    Raises
    ------
    DataError
        If the file is another one or has other content than when it was opened.
    ValueError
        If the file is not such an array.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     np.save(Path(folder) / "rows.npy", np.arange(6.0).reshape(3, 2))
    ...     ArrayFile(Path(folder) / "rows.npy")[np.array([2, 0])].tolist()
    [[4.0, 5.0], [0.0, 1.0]]
    """

    # Reading some rows costs as much as copying them, so they are not read ahead.
    in_memory = True

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        with opened(path) as handle:
            self.shape, is_fortran, self.dtype = _checked_header(handle)
            self._start = handle.tell()
            self._state = _state(handle)
        if is_fortran:
            raise ValueError("columns one after the other")
        self.row_bytes = math.prod(self.shape[1:]) * self.dtype.itemsize

    @property
    def ndim(self) -> int:
        """Number of dimensions."""
        return len(self.shape)

    def __getitem__(self, rows: Rows | slice) -> NDArray[Any]:
        numbers = np.arange(*rows.indices(len(self))) if isinstance(rows, slice) else np.asarray(rows)
        if numbers.ndim == 0:
            row: NDArray[Any] = self[numbers[None]][0]
            return row
        numbers = np.flatnonzero(numbers) if numbers.dtype == bool else numbers.astype(np.intp)
        numbers = np.where(numbers < 0, numbers + len(self), numbers)
        if len(numbers) and not (numbers.min() >= 0 and numbers.max() < len(self)):
            raise IndexError(f"row numbers must be from 0 to {len(self) - 1}")
        values = np.empty((len(numbers), *self.shape[1:]), self.dtype)
        if values.nbytes:
            self._read(numbers, values.reshape(-1).view(np.uint8).data)
        return values

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return self[:].astype(dtype or self.dtype, copy=False)

    def _read(self, numbers: Rows, space: memoryview) -> None:
        """Read rows into `space`, each run of consecutive ones at once."""
        ends = np.append(np.flatnonzero(np.diff(numbers) != 1) + 1, len(numbers))
        with opened(self.path) as handle:
            for first, end in zip(np.append(0, ends), ends, strict=False):
                place = self._start + int(numbers[first]) * self.row_bytes
                self._read_run(handle, space[first * self.row_bytes : end * self.row_bytes], place)
            # Afterwards, so that a change during the reading is found as well.
            if _state(handle) != self._state:
                raise self._changed()

    def _read_run(self, handle: BinaryIO, space: memoryview, place: int) -> None:
        while space:
            count = os.preadv(handle.fileno(), [space], place)
            if not count:
                raise self._changed()
            space, place = space[count:], place + count

    def _changed(self) -> DataError:
        return DataError(f"`{self.path}` was changed while it was read; start again when nothing writes to it.")


def open_rows(path: Path) -> ArrayFile | NDArray[Any]:
    """Open the rows of a `.npy` file; an array with its columns one after the other is read as a whole.

    Raises
    ------
    ValueError
        If the file is not a plain array.
    """
    with opened(path) as handle:
        _, is_fortran, _ = _checked_header(handle)
        if is_fortran:
            handle.seek(0)
            array: NDArray[Any] = np.lib.format.read_array(handle, allow_pickle=False)
            return array
    return ArrayFile(path)


def read_header(handle: IO[bytes], most_bytes: int) -> Header:
    """Read shape, whether columns are one after the other, and type of an array.

    Raises
    ------
    ValueError
        If the header declares a negative size, or values of more than `most_bytes`: they would only fill the memory.
    """
    version = np.lib.format.read_magic(handle)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, is_fortran, dtype = read(handle)
    if min(shape, default=0) < 0 or math.prod(shape) * dtype.itemsize > most_bytes:
        raise ValueError(f"an array of shape {shape} and type {dtype}, which is more than there are bytes")
    return shape, is_fortran and len(shape) > 1, dtype


def _checked_header(handle: BinaryIO) -> Header:
    size = os.fstat(handle.fileno()).st_size
    header = read_header(handle, size)
    shape, _, dtype = header
    # The values alone fit; together with the header they may not.
    if dtype.hasobject or handle.tell() + math.prod(shape) * dtype.itemsize > size:
        raise ValueError("objects, or fewer values than declared")
    return header


def _state(handle: BinaryIO) -> tuple[int, int, int, int]:
    """Return what changes when a file is replaced or written to: device, number, size, time of the last change."""
    found = os.fstat(handle.fileno())
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns
