"""Image files on disk as rows, which are decoded in parallel on access."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cascade.data.images.frame import Frame, frame_at
from cascade.data.readers.files import PixelFiles, attempts_at, without_bad_files
from cascade.data.readers.image.image_file import (
    MOST_PIXELS,
    ImageHeader,
    Shown,
    Size,
    check_header,
    codec_size,
    greatest_grey,
    opened,
    pixels_of,
)
from cascade.data.readers.image.jpeg import JPEG, read_jpeg
from cascade.data.readers.image.stored import ImageSource
from cascade.data.readers.pixels import check_fits, frame_json
from cascade.errors import DataError
from cascade.utils.address import Place
from cascade.utils.progress import counted
from cascade.utils.types import Rows

logger = logging.getLogger("cascade.data")

SUFFIXES = (".png", *JPEG, ".bmp", ".tif", ".tiff", ".webp")
MOST_BITS = 16
SAMPLED_SCALES = 16
"""Images whose headers show whether a smaller size is decoded faster."""
SAMPLED_IMAGES = 200
"""Images of 16 bits of which the greatest value is looked for."""
OTHER_IMAGES = (
    ".gif",
    ".jp2",
    ".j2k",
    ".ppm",
    ".pgm",
    ".pbm",
    ".tga",
    ".avif",
    ".heic",
    ".heif",
    ".psd",
    ".eps",
    ".svg",
)


class ImageFiles(PixelFiles[ImageSource]):
    """Images of one size, as uint8 of shape (n, height, width, channels); nothing is kept in memory.

    Images are turned upright as their EXIF data declare, and shown on black where they are transparent.

    Parameters
    ----------
    paths : sequence of path
    row_shape : tuple of int, optional
        Height, width and channels (grey 1, colour 3). If not given, all headers are read: images are grey if all are,
        and have the size of most.
    frame : Frame, or int for a square, optional
        Size that larger images are averaged down to. The codec then decodes a JPEG at the smallest scale that has at
        least this many pixels.
    grey_bits : int, default=16
        Bits of the greatest value of grey of 16 bits, which becomes 255: 12 for many X-rays.
    """

    def __init__(
        self,
        paths: Sequence[ImageSource],
        row_shape: tuple[int, ...] | None = None,
        frame: Frame | int | None = None,
        grey_bits: int | None = None,
    ) -> None:
        super().__init__(paths)
        self.frame = Frame(frame, frame) if isinstance(frame, int) else frame
        self.grey_bits = MOST_BITS if grey_bits is None else grey_bits
        if row_shape is None:
            row_shape = _shape_of([_header(path) for path in paths], self.frame)
        self.colour = row_shape[2] == 3
        self.shape = (len(paths), *row_shape)

    @classmethod
    def survey(
        cls, paths: Sequence[ImageSource], frame: Frame | None, leave_out: bool, grey_bits: int | None = None
    ) -> tuple[ImageFiles, Rows]:
        """Read all headers, and return the images that fit each other with their places among `paths`.

        If `grey_bits` is not given, it is found out from the first images of 16 bits.

        Raises
        ------
        DataError
            If an image is bad or has another size than most, unless such images are to be left out.
        """
        headers = list(counted(attempts_at(_header, paths), "headers", "files", len(paths)))
        good = [header for header in headers if not isinstance(header, DataError)]
        # Without any good header, the error is raised here.
        if not good:
            without_bad_files(headers, leave_out)
        deep = [path for path, header in zip(paths, headers, strict=True) if getattr(header, "deep", False)]
        bits = grey_bits or (_bits_of(deep) if deep else None)
        images = cls(paths, _shape_of(good, frame), frame, bits)
        rows = without_bad_files([images._fit(*pair) for pair in zip(paths, headers, strict=True)], leave_out)
        _describe(images, good)
        return images.only(rows), rows

    def at_size(self, size: int) -> ImageFiles:
        """Return the same images at another size; the codec reduces them as far as it can."""
        return ImageFiles(self.paths, (size, size, self.shape[3]), self._frame(size), self.grey_bits)

    def look(self, path: ImageSource) -> ImageHeader:
        """Read the header and raise for an image of another size."""
        header = _header(path)
        self._check_size(path, header.size)
        return header

    def pixel_rule(self) -> dict[str, Any]:
        """Return the options of pixels."""
        return {"files": "images", **frame_json(self.frame), "grey_bits": self.grey_bits}

    def decode_at(self, path: ImageSource, sizes: Sequence[int | None]) -> list[NDArray[np.uint8]]:
        """Check the header, then decode once for all sizes at which the codec decodes at the same scale."""
        path = path if isinstance(path, Path) else path.in_memory()
        frames = [self._frame(size) for size in sizes]
        rows = self._by_simplejpeg(path, frames)
        if rows is None:
            shown: Shown = {}
            rows = [self._by_pillow(path, frame, shown) for frame in frames]
        return [self._shaped(*pair) for pair in zip(rows, frames, strict=True)]

    def decodes_faster_at(self, size: int) -> bool:
        """Return whether the codec decodes most files at another scale for this size, as it can for JPEG."""
        sampled = [self.paths[k] for k in np.unique(np.linspace(0, len(self) - 1, SAMPLED_SCALES).astype(int))]
        scales = [scale for scale in attempts_at(partial(self._scales, size=size), sampled) if isinstance(scale, tuple)]
        return 2 * sum(own != other for own, other in scales) > len(scales)

    def _scales(self, path: ImageSource, size: int) -> tuple[Size, Size]:
        """Return the sizes at which the codec decodes a file, for these rows and for another size of them."""
        own, other = (codec_size(path, self.colour, frame) for frame in (self.frame, self._frame(size)))
        return own, other

    def _frame(self, size: int | None) -> Frame | None:
        return frame_at(self.frame, self.shape[1:], size)

    def _by_simplejpeg(self, path: ImageSource, frames: Sequence[Frame | None]) -> list[NDArray[np.uint8]] | None:
        jpeg = read_jpeg(path)
        if jpeg is None or not self._fits(path, jpeg.header.size):
            return None
        return jpeg.rows(frames, self.colour)

    def _by_pillow(self, path: ImageSource, frame: Frame | None, shown: Shown) -> NDArray[np.uint8]:
        # Opened for each size, since the codec's scale is set before the pixels are decoded, and only once.
        with opened(path) as image:
            header = check_header(path, image)
            self._check_size(path, header.size)
            return pixels_of(path, image, header, self.colour, frame, self.grey_bits, shown)

    def _shaped(self, pixels: NDArray[np.uint8], frame: Frame | None) -> NDArray[np.uint8]:
        height, width = self.shape[1:3] if frame is None else frame.shape
        return pixels.reshape(height, width, self.shape[3])

    def _fit(self, path: ImageSource, header: ImageHeader | DataError) -> ImageHeader | DataError:
        try:
            if isinstance(header, ImageHeader):
                self._check_size(path, header.size)
        except DataError as error:
            return error
        return header

    def _fits(self, path: ImageSource, size: Size) -> bool:
        try:
            self._check_size(path, size)
        except DataError:
            return False
        return True

    def _check_size(self, path: ImageSource, size: tuple[int, int]) -> None:
        if self.frame is not None:
            check_fits(path, size, self.frame, MOST_PIXELS)
        elif size != (self.shape[2], self.shape[1]):
            wanted = f"{self.shape[2]}x{self.shape[1]}"
            raise DataError(f"`{path}` must be {wanted} pixels like the others. Received {size[0]}x{size[1]}.")


def _header(path: ImageSource) -> ImageHeader:
    with opened(path) as image:
        return check_header(path, image)


def _shape_of(headers: list[ImageHeader], frame: Frame | None) -> tuple[int, int, int]:
    """Return the row shape that images have in common: their most frequent size, and colour if any has colour."""
    width, height = Counter(header.size for header in headers).most_common(1)[0][0]
    height, width = (height, width) if frame is None else frame.shape
    return height, width, 3 if any(header.colour for header in headers) else 1


def _bits_of(paths: list[ImageSource]) -> int:
    """Return the bits of the greatest value in some of the images, 8 or more."""
    chosen = [paths[k] for k in np.unique(np.linspace(0, len(paths) - 1, SAMPLED_IMAGES).astype(int))]
    greatest = max((greatest_grey(path) for path in chosen), default=0)
    bits = max(8, greatest.bit_length())
    logger.info(
        "data: %d images are grey of 16 bits; %d becomes white (`data.grey_bits: %d`)", len(paths), 2**bits - 1, bits
    )
    return bits


def _describe(images: ImageFiles, headers: list[ImageHeader]) -> None:
    """Log how images of several kinds are read."""
    n, n_colour = len(headers), sum(header.colour for header in headers)
    height, width = images.shape[1:3]
    logger.info("data: %d images, read as %dx%d pixels in %s", n, width, height, "colour" if n_colour else "grey")
    if 0 < n_colour < n:
        logger.warning("data: %d of %d images are grey, the others in colour; all are read in colour", n - n_colour, n)
    transparent = sum(header.transparent for header in headers)
    if transparent:
        logger.info("data: %d of %d images may be transparent; they are shown on black", transparent, n)


def image_shape(path: Place, row_shape: tuple[int, ...] | None) -> tuple[int, ...]:
    """Return the image shape of a model's rows; raise if its rows are no images of grey or colour."""
    if row_shape is None or len(row_shape) != 3 or row_shape[2] not in (1, 3):
        raise DataError(f"`{path}` holds images; the model takes rows of shape {row_shape}. Give it arrays or a table.")
    return row_shape


def warn_passed_over(folder: Path) -> None:
    """Warn about images in a folder whose format is not supported."""
    names = sorted(path.name for path in folder.rglob("*") if path.suffix.lower() in OTHER_IMAGES)
    if names:
        logger.warning("data: skipped %d files of unsupported formats, such as %r", len(names), names[0])
