"""JPEG files decoded by simplejpeg, if it is installed; Pillow decides on every file that this module passes over.

Both use libjpeg-turbo with its exact transform and smooth upsampling, and give the same pixels. Nothing is refused
here: a file that simplejpeg does not take, or warns about, is left to Pillow, so errors do not depend on the extra.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path
from stat import S_ISREG
from struct import Struct
from struct import error as StructError
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cascade.data.images.averaging import is_shown_whole, shrunk
from cascade.data.images.frame import Box, Frame
from cascade.data.readers.image.image_file import MOST_PIXELS, ImageHeader, Size, check_header, codec_target, turned
from cascade.data.readers.image.stored import ImageSource

JPEG = (".jpg", ".jpeg", ".jpe", ".jfif")
INSTALLED = find_spec("simplejpeg") is not None

START = b"\xff\xd8\xff"
LARGEST_FILE = 2**27
"""Bytes that are read into memory at once: more than any image of `MOST_PIXELS` needs."""
SCALES = (8, 4, 2, 1)
SMALLEST_SCALED = 8
"""Longer side from which each of the codec's scales gives another size, so that a size selects a scale."""

SEGMENT, FRAME = Struct(">BBH"), Struct(">BHHB")
START_OF_SCAN = 0xDA
FRAMES = (0xC0, 0xC1, 0xC2)
"""Baseline, extended and progressive images."""
TABLES = (0xC4, 0xDB, 0xDD, 0xFE)
"""Huffman tables, quantisation tables, restart interval and comment."""
KNOWN = {0xE0: b"JFIF\0", 0xE2: b"ICC_PROFILE\0", 0xEE: b"Adobe"}
"""Beginnings of the application data that change nothing; Pillow reads headers with others, such as EXIF data."""
SHORTEST_KNOWN = 16

Decoded = dict[tuple[int, str], NDArray[np.uint8]]
"""Pixels by the scale and the order of channels in which they were decoded."""


class NotDecodedError(Exception):
    """simplejpeg does not decode a file as it is; Pillow decides."""


@dataclass(frozen=True)
class JpegFile:
    """A JPEG file in memory.

    Attributes
    ----------
    content : bytes
    header : ImageHeader
    size : tuple of int
        Width and height as stored.
    """

    content: bytes
    header: ImageHeader
    size: Size

    def rows(self, frames: Sequence[Frame | None], colour: bool) -> list[NDArray[np.uint8]] | None:
        """Decode the image for each frame, as `pixels_of` does with Pillow; None where Pillow must decide."""
        decoded: Decoded = {}
        try:
            return [self._row(frame, colour, decoded) for frame in frames]
        # Pillow raises its own error where it cannot decode or average the image either.
        except (NotDecodedError, ValueError, OSError):
            return None

    def _row(self, frame: Frame | None, colour: bool, decoded: Decoded) -> NDArray[np.uint8]:
        scale, box = (1, None) if frame is None else self._scaled(frame)
        # For a frame, the codec gives the brightness of colour itself; without one, Pillow weighs the channels.
        in_colour = self.header.colour and (colour or frame is None)
        is_whole = frame is None or (box is not None and is_shown_whole(box, frame))
        if is_whole and in_colour == colour and self.header.turn is None:
            return self._pixels(scale, "RGB" if colour else "GRAY", decoded)
        image = self._image(scale, in_colour, decoded)
        size = image.size
        if colour != in_colour:
            image = image.convert("RGB" if colour else "L")
        if self.header.turn is not None:
            image = image.transpose(self.header.turn)
            box = None if box is None else turned(box, size, self.header.turn)
        pixels: NDArray[np.uint8] = np.asarray(image if frame is None else shrunk(image, frame, box))
        return pixels[..., :3] if colour else pixels

    def _scaled(self, frame: Frame) -> tuple[int, Box]:
        """Return the codec's scale and where the image is in what it decodes, as Pillow's `draft` does."""
        width, height = self.size
        across, down = codec_target(self.size, frame.seen(self.header.sideways))
        factor = min(width // across, height // down)
        scale = next((scale for scale in SCALES if factor >= scale), 1)
        return scale, (0, 0, width / scale, height / scale)

    def _image(self, scale: int, in_colour: bool, decoded: Decoded) -> Image.Image:
        if in_colour and (scale, "RGB") in decoded:
            return Image.fromarray(decoded[scale, "RGB"])
        # Pillow stores colour with a fourth byte per pixel, and uses memory in this form without copying it.
        pixels = self._pixels(scale, "RGBX" if in_colour else "GRAY", decoded)
        mode = "RGBX" if in_colour else "L"
        return Image.frombuffer(mode, (pixels.shape[1], pixels.shape[0]), pixels, "raw", mode, 0, 1)

    def _pixels(self, scale: int, channels: str, decoded: Decoded) -> NDArray[np.uint8]:
        if (scale, channels) not in decoded:
            decoded[scale, channels] = _decoded(self.content, self.size, scale, channels)
        return decoded[scale, channels]


def _decoded(content: bytes, size: Size, scale: int, channels: str) -> NDArray[np.uint8]:
    import simplejpeg

    if scale > 1 and max(size) < SMALLEST_SCALED:
        raise NotDecodedError
    width, height = (-(-side // scale) for side in size)
    # The memory is given: a file whose parts declare several sizes must not get more.
    pixels = np.empty((height, width, len(channels) if channels != "GRAY" else 1), np.uint8)
    least: dict[str, Any] = {} if scale == 1 else {"min_height": height, "min_width": width}
    try:
        # Strict: a warning, such as of missing data, is an error.
        found = simplejpeg.decode_jpeg(content, channels, buffer=pixels, strict=True, **least)
    except Exception as error:
        raise NotDecodedError from error
    if found.shape != pixels.shape:
        raise NotDecodedError
    return pixels[..., 0] if channels == "GRAY" else pixels


def read_jpeg(path: ImageSource) -> JpegFile | None:
    """Return a JPEG file; None if simplejpeg is not installed, or Pillow must decide.

    Parameters
    ----------
    path : path or StoredImage
        A path must have the ending of a JPEG.
    """
    content = _content(path) if INSTALLED else None
    if content is None or not content.startswith(START):
        return None
    plain = plain_size(content)
    if plain is None:
        return _read_by_pillow(path, content)
    width, height, samples = plain
    if not 0 < width * height <= MOST_PIXELS:
        return None
    return JpegFile(content, ImageHeader(samples == 3, (width, height), False, None), (width, height))


def plain_size(content: bytes) -> tuple[int, int, int] | None:
    r"""Return width, height and samples of a JPEG whose header has no orientation and nothing unusual; None for others.

    Examples
    --------
    >>> plain_size(b"\xff\xd8" + b"\xff\xc0\x00\x0b\x08\x02\x00\x01\x00\x01\x01\x11\x00" + b"\xff\xda\x00\x08")
    (256, 512, 1)
    >>> plain_size(b"\xff\xd8" + b"\xff\xe1\x00\x08Exif\0\0")
    """
    place, found = 2, None
    try:
        # Each step moves forward, and reading past the end raises.
        while True:
            mark, kind, length = SEGMENT.unpack_from(content, place)
            if mark != 0xFF or kind == START_OF_SCAN:
                return found if mark == 0xFF else None
            if kind in FRAMES:
                bits, height, width, samples = FRAME.unpack_from(content, place + 4)
                if found is not None or bits != 8 or samples not in (1, 3) or length != 8 + 3 * samples:
                    return None
                found = width, height, samples
            elif kind not in TABLES and not _is_known(content, place + 4, kind, length):
                return None
            place += 2 + length
    except StructError:
        return None


def _is_known(content: bytes, place: int, kind: int, length: int) -> bool:
    return length >= SHORTEST_KNOWN and kind in KNOWN and content.startswith(KNOWN[kind], place)


def _read_by_pillow(path: ImageSource, content: bytes) -> JpegFile | None:
    """Return a file whose header Pillow reads: its EXIF data may declare an orientation."""
    try:
        with Image.open(BytesIO(content), formats=("JPEG",)) as image:
            header = check_header(path, image)
            return JpegFile(content, header, image.size) if image.mode in ("L", "RGB") else None
    # The same error is raised where Pillow reads the whole file.
    except Exception:
        return None


def _content(path: ImageSource) -> bytes | None:
    """Return the bytes of a file that may be a JPEG; None for other files, and for those that cannot be read."""
    if not isinstance(path, Path):
        return path.held if isinstance(path.held, bytes) else None
    name = os.fspath(path)
    if not name.lower().endswith(JPEG):
        return None
    try:
        # A pipe is not waited for.
        number = os.open(name, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            status = os.fstat(number)
            if not S_ISREG(status.st_mode) or status.st_size > LARGEST_FILE:
                return None
            content = os.read(number, status.st_size)
        finally:
            os.close(number)
    except (OSError, ValueError):
        return None
    return content if len(content) == status.st_size else None
