"""DICOM slices as rows: headers are checked first, pixels are decoded and windowed on access."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cascade.data.images.averaging import shrink, shrunk
from cascade.data.images.frame import Frame, frame_at
from cascade.data.readers.dicom.codestream import declared_size, run_length_size
from cascade.data.readers.dicom.grey import GreyRule
from cascade.data.readers.dicom.header import (
    MOST_PIXELS,
    UNREADABLE,
    Header,
    check_header,
    opened,
    read_header,
    refuse_without_decoder,
    require_pydicom,
    tags,
)
from cascade.data.readers.dicom.stored import plain_pixels
from cascade.data.readers.files import PixelFiles, attempts_at, blaming, without_bad_files
from cascade.data.readers.pixels import AUTO, FILE, HOUNSFIELD, PRESETS, PixelOptions, check_fits
from cascade.errors import DataError
from cascade.utils.progress import counted
from cascade.utils.types import Rows

logger = logging.getLogger("cascade.data")

RLE = "1.2.840.10008.1.2.5"
"""Transfer syntax of run lengths."""
LONGEST_HEAD = 1024
"""Bytes that a compressed image may need besides its pixels."""
FEW_PIXELS = 2**22
"""Slices of 2048 x 2048, whose run lengths expand to at most 1 GiB."""


class DicomFiles(PixelFiles[Path]):
    """Slices as uint8 of shape (n, height, width, windows); nothing is kept in memory.

    Stored values become units, Hounsfield units of a CT, and each window becomes a channel of grey values. MONOCHROME1
    is inverted, as for display, padding becomes black, and areas are averaged down to the frame.

    Parameters
    ----------
    paths : sequence of path
        Without a frame, all must have the size of the first one.
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
        options = options or PixelOptions()
        height, width = (None, None) if options.frame is None else options.frame.shape
        if row_shape is not None:
            # A model of arrays stores no windows; its slices are read as those of a CT.
            options, (height, width) = options.of_modalities(()), row_shape[:2]
        if options.windows == AUTO or height is None or width is None:
            first = read_header(paths[0])
            options = options.of_modalities([first.modality])
            height, width = height or first.rows, width or first.columns
        self.options = options
        self.shape = (len(paths), height, width, options.n_channels)

    @classmethod
    def survey(
        cls, paths: Sequence[Path], options: PixelOptions, leave_out: bool, row_shape: tuple[int, ...] | None = None
    ) -> tuple[DicomFiles, Rows, list[Header]]:
        """Read all headers, and return the slices that fit each other, their places among `paths` and their headers.

        Raises
        ------
        DataError
            If a slice is bad or has another size than most, unless such slices are to be left out.
        """
        require_pydicom()
        headers = list(counted(attempts_at(read_header, paths), "headers", "files", len(paths)))
        good = [header for header in headers if isinstance(header, Header)]
        # Without any good header, the error is raised here.
        if not good:
            without_bad_files(headers, leave_out)
        modalities = Counter(header.modality or "none" for header in good)
        options = options.of_modalities(modalities)
        if row_shape is None:
            common = Counter((header.rows, header.columns) for header in good).most_common(1)[0][0]
            row_shape = (*(options.frame.shape if options.frame else common), options.n_channels)
        slices = cls(paths, options, row_shape)
        results = [slices._fit(*pair) for pair in zip(paths, headers, strict=True)]
        rows = without_bad_files(results, leave_out)
        slices = slices.only(rows)
        _describe(slices, modalities)
        return slices, rows, [header for header in results if isinstance(header, Header)]

    def at_size(self, size: int) -> DicomFiles:
        """Return the same slices averaged down to another size; each is still decoded in full."""
        frame = self._frame(size)
        return DicomFiles(self.paths, replace(self.options, frame=frame), (size, size, self.shape[3]))

    def look(self, path: Path) -> Header:
        """Read and check the header; raise if the slice is too small, or differs in size from the first one."""
        header = read_header(path)
        self._check_size(path, header)
        return header

    def pixel_rule(self) -> dict[str, Any]:
        """Return the options of pixels."""
        return {"files": "slices", **self.options.to_json()}

    def decode_at(self, path: Path, sizes: Sequence[int | None]) -> list[NDArray[np.uint8]]:
        """Check the file, then decode, rescale and window it once, and average it down to each size."""
        rule, pixels = self._pixels(path)
        frames = list(map(self._frame, sizes))
        packed = rule.packed(pixels)
        if packed is None:
            channels = rule.channels(pixels)[0]
            return [channels if frame is None else shrink(channels, frame) for frame in frames]
        return [rule.unpacked(packed if frame is None else shrunk(packed, frame)) for frame in frames]

    def _frame(self, size: int | None) -> Frame | None:
        return frame_at(self.options.frame, self.shape[1:], size)

    def channels(self, path: Path) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
        """Return a slice in its own size, shape (height, width, windows), and which of its pixels are no padding."""
        rule, pixels = self._pixels(path)
        return rule.channels(pixels)

    def _fit(self, path: Path, header: Header | DataError) -> Header | DataError:
        try:
            if isinstance(header, Header):
                self._check_size(path, header)
        except DataError as error:
            return error
        return header

    def _check_size(self, path: Path, header: Header) -> None:
        received, frame = f"{header.columns}x{header.rows}", self.options.frame
        if frame is None and (header.rows, header.columns) != self.shape[1:3]:
            wanted = f"{self.shape[2]}x{self.shape[1]}"
            raise DataError(
                f"`{path}` must be {wanted} pixels like the others, or `image_size` set. Received {received}."
            )
        if frame is not None:
            check_fits(path, (header.columns, header.rows), frame, MOST_PIXELS)

    def _pixels(self, path: Path) -> tuple[GreyRule, NDArray[Any]]:
        import pydicom
        from pydicom.pixels import pixel_array

        # Rows may be decoded without `look`, so all checks of the header are repeated.
        with opened(path) as handle, blaming(path, UNREADABLE):
            dataset = pydicom.dcmread(handle, specific_tags=[*tags(), "PixelData"])
        header = check_header(path, dataset)
        self._check_size(path, header)
        syntax = dataset.file_meta.TransferSyntaxUID
        refuse_without_decoder(path, syntax, header.bits)
        with blaming(path, "cannot be decoded"):
            rule = GreyRule.of(header, self.options.windows)
            plain = plain_pixels(dataset, header.bits)
            if plain is not None:
                return rule, plain
            if syntax.is_encapsulated:
                _refuse_bomb(dataset, header)
            # Run lengths keep all bits of a pixel, as uncompressed files do; other codecs give values.
            gives_values = syntax.is_encapsulated and syntax != RLE
            if gives_values:
                rule = replace(rule, bits=header.bits.decompressed())
            # pydicom takes the lowest bits as the value, whatever the highest bit is declared to be.
            options = {"allow_excess_frames": False, "correct_unused_bits": gives_values}
            return rule, pixel_array(dataset, index=0, **options)


def _describe(slices: DicomFiles, modalities: Counter[str]) -> None:
    """Log how slices become channels."""
    kinds = ", ".join(f"{n} {modality}" for modality, n in modalities.most_common())
    windows = slices.options.windows
    how = "as each file is to be displayed" if windows == FILE else f"in the windows {windows}"
    logger.info("data: slices by modality: %s; shown %s", kinds, how)
    if windows == PRESETS["rsna"] and set(modalities) != {HOUNSFIELD}:
        logger.warning("data: windows of head CT are used for slices of other modalities (%s)", kinds)


def _refuse_bomb(dataset: Any, header: Header) -> None:
    """Raise for compressed pixels that would expand to more than the header declares."""
    from pydicom.encaps import get_frame

    frame = get_frame(dataset.PixelData, 0, number_of_frames=1)
    # Run lengths expand at most 64 times, and no valid compression doubles the size: this bounds memory.
    needed = header.rows * header.columns * dataset.BitsAllocated // 8
    if len(frame) > 2 * needed + LONGEST_HEAD:
        raise ValueError(f"{len(frame)} bytes are more than its pixels can need")
    if dataset.file_meta.TransferSyntaxUID == RLE:
        # Run lengths declare no size of their own. Those of small slices expand to little, and counting takes time.
        if header.rows * header.columns > FEW_PIXELS and run_length_size(frame) > 2 * needed:
            raise ValueError("its run lengths expand to more than its pixels")
        return
    declared = declared_size(frame)
    if declared != (header.rows, header.columns, 1):
        wanted = (header.rows, header.columns, 1)
        raise ValueError(f"header and compressed pixels differ in size: {wanted} and {declared}")
