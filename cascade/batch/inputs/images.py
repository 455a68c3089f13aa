"""Image files, and any other rows that are decoded one by one, as the input of a job."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, overload

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from cascade.batch.inputs.chunk import Chunk, Reasons, divide, scorable
from cascade.batch.inputs.file_state import fingerprint_files
from cascade.data.image_size import at_size
from cascade.data.readers.columns import Roles, read_table, refuse_duplicates, require
from cascade.data.readers.files import files_below
from cascade.data.readers.images import FILE_COLUMN, JPEG, PATIENT_COLUMN, SUFFIXES, ImageFiles, warn_passed_over
from cascade.data.rows import RowSource, RowView
from cascade.data.signature import InputSignature
from cascade.errors import DataError
from cascade.utils.types import Rows

LISTING = "labels.csv"


class Names(Sequence[Path]):
    """Paths made from names when they are asked for: a path object takes five times its name's memory.

    Parameters
    ----------
    folder : path
    names : list of str
        Relative to the folder, or absolute.
    confined : bool
        Whether a name must not lead out of the folder.
    """

    def __init__(self, folder: Path, names: list[str], confined: bool) -> None:
        self.folder, self.confined = folder, confined
        self.names = names

    def __len__(self) -> int:
        return len(self.names)

    @overload
    def __getitem__(self, place: int) -> Path: ...
    @overload
    def __getitem__(self, place: slice) -> list[Path]: ...
    def __getitem__(self, place: int | slice) -> Path | list[Path]:
        if isinstance(place, slice):
            return [self[number] for number in range(*place.indices(len(self)))]
        path = self.folder / self.names[place]
        if self.confined and not path.resolve().is_relative_to(self.folder.resolve()):
            raise DataError(f"`{path}` must lie inside the folder of its list.")
        return path

    def text(self) -> pa.Array:
        """The names as text; bytes that are none are written out."""
        return pa.array((os.fsencode(name).decode("utf-8", "backslashreplace") for name in self.names), pa.string())


class DecodedInput:
    """Rows that are decoded when they are asked for, each of which may fail on its own.

    Parameters
    ----------
    source : RowSource
    ids : pyarrow.Array of str, length n
    groups : tuple of (column name, pyarrow.Array of str), or None
    folder, files : path and sequence of str
        What the rows are decoded from.
    gate_size : int, optional
        Size at which the gate looks at images. JPEG, for which a smaller size costs less, is decoded at that one, and
        again where a row is past the gate; other files once.
    """

    def __init__(
        self,
        source: RowSource,
        ids: pa.Array,
        groups: tuple[str, pa.Array] | None,
        folder: Path,
        files: Sequence[str],
        gate_size: int | None = None,
    ) -> None:
        self.source, self.ids, self.groups = source, ids, groups
        self.first = at_size(source, gate_size) if _are_jpeg(files) else source
        self.folder, self.files = folder, files
        self.n_rows: int | None = len(source)
        self.row_bytes = int(np.prod(self.first.shape[1:])) * source.dtype.itemsize

    def fingerprint(self) -> dict[str, Any]:
        """Names, sizes and times of the files."""
        return fingerprint_files(self.folder, self.files)

    def chunks(self, size: int, first: int) -> Iterator[Chunk]:
        """Yield consecutive rows, decoded as the gate sees them."""
        for start in range(first, len(self.source), size):
            yield self._chunk(start, min(size, len(self.source) - start))

    def _chunk(self, start: int, n: int) -> Chunk:
        reasons = np.full(n, None, dtype=object)
        ids, groups = self._named(start, n, reasons)
        reasons[ids == ""] = "its id is empty"
        return divide(self._decode(start, reasons), ids, groups, reasons, start)

    def _named(self, start: int, n: int, reasons: Reasons) -> tuple[NDArray[Any], NDArray[Any] | None]:
        """Identifiers and groups of some rows; a row without a group gets its reason."""
        ids = self.ids.slice(start, n).to_numpy(zero_copy_only=False)
        if self.groups is None:
            return ids, None
        column, values = self.groups
        groups = values.slice(start, n).fill_null("").to_numpy(zero_copy_only=False)
        reasons[groups == ""] = f"column {column!r} is empty"
        return ids, groups

    def _decode(self, start: int, reasons: Reasons) -> Any:
        """Decode the rows that nothing speaks against yet; those that fail get their reason."""
        wanted, n_decoded = scorable(reasons), 0
        X = np.empty((len(wanted), *self.first.shape[1:]), self.first.dtype)
        for place, row in zip(wanted, self.first.attempts(start + wanted), strict=True):
            if isinstance(row, DataError):
                reasons[place] = reason_below(row, self.folder)
            else:
                X[n_decoded] = row
                n_decoded += 1
        X = X[:n_decoded]
        return X if self.first is self.source else Reread(X, RowView(self.source, start + scorable(reasons)))


class Reread(RowSource):
    """Images in memory as the gate sees them, and in their files as the labeler does.

    Parameters
    ----------
    small : ndarray of uint8, shape (n, size, size, channels)
    full : RowView
    """

    def __init__(self, small: NDArray[Any], full: RowView) -> None:
        self.small, self.full = small, full
        self.shape, self.dtype = full.shape, full.dtype

    def __getitem__(self, rows: Rows) -> NDArray[Any]:
        return self.full[rows]

    def at_size(self, size: int) -> RowSource | NDArray[Any]:
        """What is in memory, if that is the size; else from the files."""
        found: RowSource | NDArray[Any] = self.small if self.small.shape[1] == size else at_size(self.full, size)
        return found


def _are_jpeg(files: Sequence[str]) -> bool:
    return 2 * sum(name.lower().endswith(JPEG) for name in files) > len(files)


def reason_below(error: DataError, folder: Path) -> str:
    """The sentence of an error, the same wherever the folder lies."""
    return str(error).replace(f"{folder}{os.sep}", "")


def read_images(folder: Path, roles: Roles, signature: InputSignature, gate_size: int | None = None) -> DecodedInput:
    """Open a folder of images, in the order of its `labels.csv` if it has one."""
    if (folder / LISTING).exists():
        return _read_listed(folder, roles, signature, gate_size)
    wanted = roles.within(())
    if wanted.group or wanted.id:
        raise DataError(f"`{folder}` must hold `{LISTING}` with a column {wanted.group or wanted.id!r}.")
    files = files_below(folder, SUFFIXES)
    if not files:
        raise DataError(f"`{folder}` must hold {', '.join(SUFFIXES)} files. Received none.")
    warn_passed_over(folder)
    names = Names(folder, files, confined=False)
    images = ImageFiles(names, _shape(folder, signature), roles.pixels.image_size)
    return DecodedInput(images, names.text(), None, folder, files, gate_size)


def list_images(listing: Path, roles: Roles, signature: InputSignature, gate_size: int | None = None) -> DecodedInput:
    """Open the images that a text file names, one on a line, relative to the file's folder."""
    wanted = roles.within(())
    if wanted.group or wanted.id:
        raise DataError(f"`{listing}` is a plain list without a column {wanted.group or wanted.id!r}.")
    text = listing.read_text(encoding="utf-8", errors="surrogateescape")
    files = [line for line in text.splitlines() if line]
    if not files:
        raise DataError(f"`{listing}` must name at least one image. Received none.")
    refuse_duplicates(np.array(files), listing, "file")
    names = Names(listing.parent, files, confined=False)
    images = ImageFiles(names, _shape(listing, signature), roles.pixels.image_size)
    return DecodedInput(images, names.text(), None, listing.parent, [listing.name, *files], gate_size)


def _read_listed(folder: Path, roles: Roles, signature: InputSignature, gate_size: int | None) -> DecodedInput:
    listing = folder / LISTING
    table = read_table(listing, (FILE_COLUMN, PATIENT_COLUMN, roles.group, roles.id))
    columns = table.column_names
    roles = roles.within(columns)
    group = roles.group or (PATIENT_COLUMN if PATIENT_COLUMN in columns else None)
    for role, name in (("file", FILE_COLUMN), ("group", group), ("id", roles.id)):
        require(columns, listing, [] if name is None else [name], role)
    files: list[str] = _text(table[FILE_COLUMN]).to_pylist()
    for column in dict.fromkeys([FILE_COLUMN, roles.id or FILE_COLUMN]):
        refuse_duplicates(np.array(_text(table[column]).to_pylist()), listing, column)
    images = ImageFiles(Names(folder, files, confined=True), _shape(folder, signature), roles.pixels.image_size)
    groups = None if group is None else (group, _text(table[group]))
    return DecodedInput(images, _text(table[roles.id or FILE_COLUMN]), groups, folder, [LISTING, *files], gate_size)


def _text(column: pa.ChunkedArray) -> pa.Array:
    return pc.fill_null(column.cast(pa.string()), "").combine_chunks()


def _shape(path: Path, signature: InputSignature) -> tuple[int, ...]:
    """The shape that the model takes: a first image that is broken must not decide for all."""
    shape = signature.row_shape
    if shape is None or len(shape) != 3 or shape[2] not in (1, 3):
        raise DataError(f"`{path}` holds images; the model takes rows of shape {shape}. Give it arrays or a table.")
    return shape
