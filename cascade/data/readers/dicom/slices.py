"""DICOM slices as rows: headers are checked first, pixels are decoded and windowed on access."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cascade.data.averaging import shrink
from cascade.data.readers.dicom.codestream import declared_size
from cascade.data.readers.dicom.header import (
    MOST_PIXELS,
    TAGS,
    UNREADABLE,
    Header,
    check_header,
    read_header,
    refuse_unread,
    require_pydicom,
)
from cascade.data.readers.files import PixelFiles, blaming
from cascade.data.readers.pixels import PixelOptions, apply_windows
from cascade.errors import DataError

LONGEST_HEAD = 1024
"""Bytes that a compressed image may need besides its pixels."""


class DicomFiles(PixelFiles):
    """Slices as uint8 of shape (n, height, width, windows); nothing is kept in memory.

    Stored values become Hounsfield units, and each window becomes a channel of grey values. MONOCHROME1 is inverted,
    as for display, padding becomes black, and areas are averaged down to `image_size`.

    Parameters
    ----------
    paths : sequence of path
        Without `image_size`, all must have the size of the first one.
    options : PixelOptions, optional
    row_shape : tuple of int, optional
        Height, width and windows of the rows; if not given, the options or the first slice decide.

    Raises
    ------
    MissingExtraError
        If pydicom is not installed.
    DataError
        If the first file decides and is not one grey slice.
    """

    def __init__(
        self, paths: Sequence[Path], options: PixelOptions | None = None, row_shape: tuple[int, ...] | None = None
    ) -> None:
        require_pydicom()
        super().__init__(paths)
        self.options = options or PixelOptions()
        height = width = self.options.image_size
        if row_shape is not None:
            height, width = row_shape[:2]
        if height is None or width is None:
            first = read_header(paths[0])
            height, width = first.rows, first.columns
        self.shape = (len(paths), height, width, len(self.options.windows))

    def at_size(self, size: int) -> DicomFiles:
        """Return the same slices averaged down to another size; each is still decoded in full."""
        return DicomFiles(self.paths, replace(self.options, image_size=size), (size, size, self.shape[3]))

    def look(self, path: Path) -> Header:
        """Read and check the header; raise if the slice is too small, or differs in size from the first one."""
        header = read_header(path)
        self._check_size(path, header)
        return header

    def decode(self, path: Path) -> NDArray[np.uint8]:
        """Check the file, then decode, rescale and window it."""
        header, stored = self._stored(path)
        units = stored.astype(np.float32)
        # In place, since these arrays are the largest that a slice needs.
        units *= np.float32(header.slope)
        units += np.float32(header.intercept)
        channels = apply_windows(units, self.options.windows)
        # After windowing, since windows are defined on units; before padding, which stays black in both cases.
        if header.inverted:
            channels = 255 - channels
        if header.padding is not None:
            # Padding and pixels may differ in sign by their types, so their bits are compared.
            channels[stored == np.array(header.padding & 0xFFFF, np.uint16).astype(stored.dtype)] = 0
        return channels if self.options.image_size is None else shrink(channels, self.options.image_size)

    def _check_size(self, path: Path, header: Header) -> None:
        received, side = f"{header.columns}x{header.rows}", self.options.image_size
        if side is None and (header.rows, header.columns) != self.shape[1:3]:
            wanted = f"{self.shape[2]}x{self.shape[1]}"
            raise DataError(
                f"`{path}` must be {wanted} pixels like the first slice, or `image_size` set. Received {received}."
            )
        if side is not None and max(header.rows, header.columns) ** 2 > MOST_PIXELS:
            raise DataError(f"`{path}` is {received} pixels, too long to be made square.")
        if side is not None and max(header.rows, header.columns) < side:
            raise DataError(f"`{path}` must not be smaller than `image_size` ({side}). Received {received}.")

    def _stored(self, path: Path) -> tuple[Header, NDArray[Any]]:
        import pydicom
        from pydicom.pixels import pixel_array

        # Rows may be decoded without `look`, so all checks of the header are repeated.
        refuse_unread(path)
        with blaming(path, UNREADABLE):
            dataset = pydicom.dcmread(path, specific_tags=[*TAGS, "PixelData"])
        header = check_header(path, dataset)
        self._check_size(path, header)
        with blaming(path, "cannot be decoded"):
            _refuse_bomb(dataset, header)
            return header, pixel_array(dataset, index=0, allow_excess_frames=False)


def _refuse_bomb(dataset: Any, header: Header) -> None:
    """Raise for compressed pixels that would expand to more than the header declares."""
    from pydicom.encaps import get_frame
    from pydicom.uid import RLELossless

    syntax = dataset.file_meta.TransferSyntaxUID
    if not syntax.is_encapsulated:
        return
    frame = get_frame(dataset.PixelData, 0, number_of_frames=1)
    # Run lengths expand at most 64 times, and no valid compression doubles the size: this bounds memory.
    if len(frame) > 2 * header.rows * header.columns * dataset.BitsAllocated // 8 + LONGEST_HEAD:
        raise ValueError(f"{len(frame)} bytes are more than its pixels can need")
    # Run lengths declare no size of their own.
    declared = declared_size(frame)
    if syntax != RLELossless and declared != (header.rows, header.columns, 1):
        wanted = (header.rows, header.columns, 1)
        raise ValueError(f"header and compressed pixels differ in size: {wanted} and {declared}")
