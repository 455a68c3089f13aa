"""Image files, and other rows that are decoded one by one, as the input of a job."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, overload

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from cascade.batch.inputs.chunk import Chunk, divide, scorable
from cascade.batch.inputs.file_state import fingerprint_files
from cascade.data.images.size import at_size
from cascade.data.readers.files import PixelFiles, as_text
from cascade.data.readers.image.folder import named_images, unlisted_images
from cascade.data.readers.image.image_list import FILE_COLUMN, PATIENT_COLUMN
from cascade.data.readers.image.images import ImageFiles, image_shape
from cascade.data.readers.table.cells import Reasons
from cascade.data.readers.table.columns import Roles, refuse_duplicates, require
from cascade.data.readers.table.lists import read_table
from cascade.data.rows import RowSource, RowView, is_in_memory, take
from cascade.data.signature import InputSignature
from cascade.errors import DataError
from cascade.utils.address import Place
from cascade.utils.types import Rows

LISTING = "labels.csv"


class Names(Sequence[Path]):
    """Paths that are made from names on access: a path object takes five times the memory of its name.

    Parameters
    ----------
    folder : path
    names : list of str
        Paths relative to the folder, or absolute.
    confined : bool
        Whether every path must be inside the folder.
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
        # Resolved first: a list from elsewhere may leave the folder by "..", an absolute path or a link.
        if self.confined and not Path(os.path.realpath(path)).is_relative_to(os.path.realpath(self.folder)):
            raise DataError(f"`{path}` must be inside the folder of its list.")
        return path

    def text(self) -> pa.Array:
        """Return the names as text; bytes that are not UTF-8 are escaped."""
        return pa.array((as_text(name) for name in self.names), pa.string())


class DecodedInput:
    """Rows that are decoded on access, each of which may fail separately.

    Parameters
    ----------
    source : RowSource
    ids : pyarrow.Array of str, length n
    groups : tuple of (column name, pyarrow.Array of str), or None
    folder, files : path and sequence of str
        Files that the rows are decoded from.
    gate_size : int, optional
        Size of the gate's images. JPEG files that decode faster at this size are decoded at it, and again at full size
        if the row passes the gate. Other files are decoded once, at both sizes.
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
        self.small = at_size(source, gate_size)
        self.folder, self.files = folder, files
        self.n_rows: int | None = len(source)
        # Files that are decoded at two sizes.
        resized = source if isinstance(source, PixelFiles) and self.small is not source else None
        self.rereads = resized is not None and resized.decodes_faster_at(self.small.shape[1])
        self.together = None if self.rereads else resized
        # What is decoded of each row at first, and stays in memory while the row is scored.
        self.held = [self.small] if self.rereads else [source] if resized is None else [source, self.small]
        self.row_bytes = sum(int(np.prod(rows.shape[1:])) * rows.dtype.itemsize for rows in self.held)

    def fingerprint(self) -> dict[str, Any]:
        """Return the digest of names, sizes and times of the files."""
        return fingerprint_files(self.folder, self.files)

    def chunks(self, size: int, first: int) -> Iterator[Chunk]:
        """Yield consecutive rows, decoded at the size of the gate."""
        for start in range(first, len(self.source), size):
            yield self._chunk(start, min(size, len(self.source) - start))

    def _chunk(self, start: int, n: int) -> Chunk:
        reasons = np.full(n, None, dtype=object)
        # Names come first: a row that is rejected by its name is not decoded.
        ids, groups = self._named(start, n, reasons)
        reasons[ids == ""] = "its id is empty"
        return divide(self._decode(start, reasons), ids, groups, reasons, start)

    def _named(self, start: int, n: int, reasons: Reasons) -> tuple[NDArray[Any], NDArray[Any] | None]:
        """Return identifiers and groups of `n` rows; a row without a group gets a reason."""
        ids = self.ids.slice(start, n).to_numpy(zero_copy_only=False)
        if self.groups is None:
            return ids, None
        column, values = self.groups
        groups = values.slice(start, n).fill_null("").to_numpy(zero_copy_only=False)
        reasons[groups == ""] = f"column {column!r} is empty"
        return ids, groups

    def _decode(self, start: int, reasons: Reasons) -> Any:
        """Decode the rows without a reason so far; a row that fails gets its reason."""
        wanted, n_decoded = scorable(reasons), 0
        # Decoded rows are packed to the front of one array: a list of rows would need the memory twice.
        held = [np.empty((len(wanted), *rows.shape[1:]), rows.dtype) for rows in self.held]
        for place, images in zip(wanted, self._attempts(start + wanted), strict=True):
            if isinstance(images, DataError):
                reasons[place] = reason_below(images, self.folder)
                continue
            for X, image in zip(held, images, strict=True):
                X[n_decoded] = image
            n_decoded += 1
        full, small = held[0][:n_decoded], held[-1][:n_decoded]
        if self.rereads:
            # `scorable` again, since rows that failed have a reason now: small and full images must be the same rows.
            return TwoSizes(small, RowView(self.source, start + scorable(reasons)))
        return full if len(held) == 1 else TwoSizes(small, full)

    def _attempts(self, rows: Rows) -> Iterator[Sequence[NDArray[Any]] | DataError]:
        """Yield the images of each row that are held, or the error that explains why it cannot be read."""
        if self.together is not None:
            yield from self.together.attempts_at(rows, (None, self.small.shape[1]))
        else:
            for image in self.held[0].attempts(rows):
                yield image if isinstance(image, DataError) else [image]


class TwoSizes(RowSource):
    """Images in memory at the size of the gate; at the size of the labeler they are in memory or in their files.

    Parameters
    ----------
    small : ndarray of uint8, shape (n, size, size, channels)
    full : ndarray of uint8, or RowView, shape (n, height, width, channels)
    """

    def __init__(self, small: NDArray[Any], full: NDArray[Any] | RowView) -> None:
        self.small, self.full = small, full
        self.in_memory = is_in_memory(full)
        self.shape, self.dtype = full.shape, full.dtype

    def __getitem__(self, rows: Rows) -> NDArray[Any]:
        images: NDArray[Any] = take(self.full, rows)
        return images

    def at_size(self, size: int) -> RowSource | NDArray[Any]:
        """Return the images of this size, averaged from those of the labeler where there are none."""
        images: RowSource | NDArray[Any] = self.small if self.small.shape[1] == size else at_size(self.full, size)
        return images


def reason_below(error: DataError, folder: Place) -> str:
    """Return the sentence of an error without the folder, so that outputs do not depend on its path."""
    return str(error).replace(f"{folder}{os.sep}", "")


def read_images(folder: Path, roles: Roles, signature: InputSignature, gate_size: int | None = None) -> DecodedInput:
    """Open a folder of images, in the order of its `labels.csv` if it has one."""
    if (folder / LISTING).exists():
        return _read_listed(folder, roles, signature, gate_size)
    files = unlisted_images(folder, roles)
    names = Names(folder, files, confined=False)
    images = ImageFiles(names, image_shape(folder, signature.row_shape), roles.pixels.frame, roles.pixels.grey_bits)
    return DecodedInput(images, names.text(), None, folder, files, gate_size)


def list_images(path: Path, roles: Roles, signature: InputSignature, gate_size: int | None = None) -> DecodedInput:
    """Open an image, or those that a text file names, one per line, relative to the folder of the file."""
    files = named_images(path, roles)
    names = Names(path.parent, files, confined=False)
    images = ImageFiles(names, image_shape(path, signature.row_shape), roles.pixels.frame, roles.pixels.grey_bits)
    return DecodedInput(images, names.text(), None, path.parent, list(dict.fromkeys([path.name, *files])), gate_size)


def _read_listed(folder: Path, roles: Roles, signature: InputSignature, gate_size: int | None) -> DecodedInput:
    listing = folder / LISTING
    table = read_table(listing)
    columns = table.column_names
    roles = roles.within(columns)
    group = roles.group or (PATIENT_COLUMN if PATIENT_COLUMN in columns else None)
    for role, name in (("file", FILE_COLUMN), ("group", group), ("id", roles.id)):
        # Missing columns are reported by role before any column is read.
        require(columns, listing, [] if name is None else [name], role)
    files: list[str] = _text(table[FILE_COLUMN]).to_pylist()
    for column in dict.fromkeys([FILE_COLUMN, roles.id or FILE_COLUMN]):
        refuse_duplicates(np.array(_text(table[column]).to_pylist()), listing, column)
    images = ImageFiles(
        Names(folder, files, confined=True),
        image_shape(folder, signature.row_shape),
        roles.pixels.frame,
        roles.pixels.grey_bits,
    )
    groups = None if group is None else (group, _text(table[group]))
    return DecodedInput(images, _text(table[roles.id or FILE_COLUMN]), groups, folder, [LISTING, *files], gate_size)


def _text(column: pa.ChunkedArray) -> pa.Array:
    return pc.fill_null(column.cast(pa.string()), "").combine_chunks()
