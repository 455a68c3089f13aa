"""One image file: its header is checked first, its pixels are turned upright and shown on black where transparent."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from struct import unpack

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from cascade.data.images.averaging import reduced_side, shrunk
from cascade.data.images.frame import Box, Frame
from cascade.data.readers.files import blaming
from cascade.data.readers.image.stored import ImageSource
from cascade.data.readers.regular import check_regular
from cascade.errors import DataError

FORMATS = ("PNG", "JPEG", "BMP", "TIFF", "WEBP")
"""Formats that are decoded, whatever a file's name is: other decoders start programs or are little tested."""
MOST_PIXELS = 2**26
"""Images of 8192 x 8192: a small file may declare a size that fills the memory."""
DEEP = ("I;16", "I;16B", "I;16L")
"""Modes of grey of 16 bits."""
GREY = ("L", "LA", "La", "1", *DEEP)
COLOUR = ("RGB", "RGBA", "P", "PA", "CMYK", "YCbCr")
WITH_ALPHA = ("LA", "La", "RGBA", "PA")
"""Modes with an alpha channel; in others, one colour may be declared transparent."""

ORIENTATION = 0x0112
Transpose = Image.Transpose
TURNS = {
    2: Transpose.FLIP_LEFT_RIGHT,
    3: Transpose.ROTATE_180,
    4: Transpose.FLIP_TOP_BOTTOM,
    5: Transpose.TRANSPOSE,
    6: Transpose.ROTATE_270,
    7: Transpose.TRANSVERSE,
    8: Transpose.ROTATE_90,
}
"""What turns an image upright, by the orientation in its EXIF data (CIPA DC-008, 4.6.5); 1 is upright."""
SIDEWAYS = (5, 6, 7, 8)
"""Orientations in which width and height change places."""

Size = tuple[int, int]
"""Width and height."""
Shown = dict[tuple[Size, str], Image.Image]
"""An image as it is shown, by the size and mode in which its file was decoded."""

SAMPLE_FORMAT, PLANAR_CONFIGURATION, SUBSAMPLING = 339, 284, 530
UNSIGNED, SEPARATE = 1, 2
PLANES_IN_ORDER = ("L", "RGB", "RGBA", "CMYK")
"""Modes whose separate planes Pillow puts together; it reads the alpha plane of grey images as further pixels."""

PNG_HEAD = 8
LONGEST_KEYWORD = 79
METADATA = (b"eXIf", b"tEXt", b"zTXt", b"iTXt")
"""PNG chunks that may hold an orientation."""
ORIENTING = (b"Raw profile type ", b"XML:com.adobe.xmp")
"""Keywords of text chunks that may hold an orientation."""


@dataclass(frozen=True)
class ImageHeader:
    """What is known of an image before any pixel is decoded.

    Attributes
    ----------
    colour : bool
    size : tuple of int
        Width and height of the upright image.
    transparent : bool
        Whether it has an alpha channel or a transparent colour.
    turn : Transpose or None
        What turns the decoded image upright.
    deep : bool
        Whether it is grey of 16 bits.
    """

    colour: bool
    size: tuple[int, int]
    transparent: bool
    turn: Transpose | None
    deep: bool = False

    @property
    def sideways(self) -> bool:
        """Whether the file stores the image with width and height exchanged."""
        return self.turn in [TURNS[orientation] for orientation in SIDEWAYS]


@contextmanager
def opened(path: ImageSource) -> Iterator[Image.Image]:
    """Open an image, which reads its header, and close the file at the end."""
    if isinstance(path, Path):
        check_regular(path)
    with blaming(path, "cannot be read as an image", _cause):
        image = Image.open(path if isinstance(path, Path) else BytesIO(path.content()), formats=FORMATS)
    with image:
        yield image


def check_header(path: ImageSource, image: Image.Image) -> ImageHeader:
    """Return the header of an opened image; raise for one that is too large, has several images, or other pixels."""
    # Pillow drops the lower bits of 16-bit colour. Its mode does not show that, only the raw mode of a tile.
    deep = image.mode in DEEP
    if not deep and any(";16" in str(tile) for tile in getattr(image, "tile", ())):
        raise DataError(f"`{path}` must hold grey, or colour of 8 bits. Received colour of 16 bits; rescale it first.")
    if image.mode not in GREY + COLOUR:
        raise DataError(
            f"`{path}` must hold grey of 8 or 16 bits, or colour. Received mode {image.mode!r}; rescale it first."
        )
    width, height = image.size
    if width * height > MOST_PIXELS:
        raise DataError(f"`{path}` declares {width}x{height} pixels, more than {MOST_PIXELS} in all.")
    # Counting frames reads on in the file, which may fail if it is damaged.
    with blaming(path, "cannot be read as an image", _cause):
        frames = getattr(image, "n_frames", 1)
        # Pillow applies the orientation of TIFF itself, to the size as well.
        declared = 1 if image.format == "TIFF" else _orientation(image)
    # An MPO is a camera's JPEG with further copies of the image, such as a preview; the first frame is read.
    if frames > 1 and image.format != "MPO":
        raise DataError(f"`{path}` must hold one image. Received {frames}; save each to a separate file.")
    if image.format == "TIFF":
        _refuse_misread_tiff(path, image)
    size = (height, width) if declared in SIDEWAYS else (width, height)
    return ImageHeader(image.mode in COLOUR, size, _is_transparent(image), TURNS.get(declared), deep)


def _is_transparent(image: Image.Image) -> bool:
    return image.mode in WITH_ALPHA or "transparency" in image.info


def _refuse_misread_tiff(path: ImageSource, image: Image.Image) -> None:
    """Raise for pixels that Pillow reads as others, without an error."""
    tags = image.tag_v2  # type: ignore[attr-defined]
    if any(kind != UNSIGNED for kind in tags.get(SAMPLE_FORMAT, (UNSIGNED,))):
        raise DataError(f"`{path}` must hold unsigned pixels. Received signed ones; add 128 to them first.")
    if tags.get(PLANAR_CONFIGURATION) == SEPARATE and image.mode not in PLANES_IN_ORDER:
        raise DataError(f"`{path}` must hold its samples pixel by pixel. Received separate planes; save it again.")
    # Pillow keeps this mode only if it reads the samples without libtiff, and then as if none were left out.
    if image.mode == "YCbCr" and tuple(tags.get(SUBSAMPLING, (2, 2))) != (1, 1):
        raise DataError(f"`{path}` must hold colour at full resolution, or be compressed; save it again as RGB.")


def _orientation(image: Image.Image) -> int:
    """Return the orientation that a file declares, 1 to 8; 1 if it declares none that can be read."""
    if image.format == "PNG" and _has_late_metadata(image):
        # Pillow reads what follows the pixels when it has decoded them.
        image.load()
    try:
        # Not the method of PNG, which decodes all pixels to look for EXIF data behind them.
        value = Image.Image.getexif(image).get(ORIENTATION, 1)
    except Exception:
        # Damaged EXIF data raises errors of many kinds. Such a file is shown as it is stored, as in any viewer.
        return 1
    return value if isinstance(value, int) and value in TURNS else 1


def _has_late_metadata(image: Image.Image) -> bool:
    """Return whether a PNG file has chunks behind its first pixels that may hold an orientation."""
    stream, decoding = getattr(image, "fp", None), False
    if stream is None:
        return False
    before = stream.tell()
    try:
        stream.seek(PNG_HEAD)
        # Each step moves forward, and a file that ends early ends the loop.
        while len(head := stream.read(8)) == 8:
            length, kind = unpack(">I4s", head)
            if kind == b"IDAT":
                decoding = True
            elif kind == b"eXIf" and decoding:
                return True
            elif kind in METADATA and decoding:
                keyword = stream.read(min(length, LONGEST_KEYWORD))
                if keyword.startswith(ORIENTING):
                    return True
                length -= len(keyword)
            stream.seek(length + 4, 1)
        return False
    finally:
        stream.seek(before)


def greatest_grey(path: ImageSource) -> int:
    """Return the greatest value of an image of grey."""
    with opened(path) as image, blaming(path, "cannot be decoded as an image", _cause):
        return int(np.asarray(image).max(initial=0))


def pixels_of(
    path: ImageSource,
    image: Image.Image,
    header: ImageHeader,
    colour: bool,
    frame: Frame | None,
    grey_bits: int = 16,
    shown: Shown | None = None,
) -> NDArray[np.uint8]:
    """Decode an image whose header was checked; uint8 of shape (height, width, 3), or (height, width) for grey.

    Grey of 16 bits is scaled so that the greatest number of `grey_bits` bits becomes 255. `shown` holds what was
    decoded of the same file for other sizes, and gets what is decoded now.
    """
    shown = {} if shown is None else shown
    mode = "RGB" if colour else "L"
    with blaming(path, "cannot be decoded as an image", _cause):
        box = None if frame is None else _drafted(image, mode, frame.seen(header.sideways))
        size, scale = image.size, (image.size, image.mode)
        if scale not in shown:
            shown[scale] = _upright(image, header, mode, grey_bits)
        upright = shown[scale]
        if box is not None and header.turn is not None:
            box = turned(box, size, header.turn)
        return np.asarray(upright if frame is None else shrunk(upright, frame, box), dtype=np.uint8)


def _of_8_bits(image: Image.Image, grey_bits: int) -> Image.Image:
    values = np.asarray(image).astype(np.float32) * np.float32(255 / (2**grey_bits - 1))
    return Image.fromarray(np.rint(np.minimum(values, 255)).astype(np.uint8))


def codec_size(path: ImageSource, colour: bool, frame: Frame | None) -> Size:
    """Return the width and height at which the codec decodes a file for a frame."""
    with opened(path) as image:
        header = check_header(path, image)
        if frame is not None:
            _drafted(image, "RGB" if colour else "L", frame.seen(header.sideways))
        return image.size


def codec_target(size: Size, frame: Frame) -> Size:
    """Return the least width and height at which a codec should decode an image of a size for a frame."""
    width, height = size
    side, needed = frame.needed(width, height)
    share = reduced_side(side, needed) / side
    return math.ceil(width * share), math.ceil(height * share)


def _drafted(image: Image.Image, mode: str, frame: Frame) -> Box | None:
    """Set the scale at which the codec decodes an image; return where the image is in what it decodes."""
    # `draft` sets the codec's scale in place; for formats other than JPEG it returns None.
    drafted = image.draft(mode, codec_target(image.size, frame))
    # The codec decodes whole blocks, which may reach beyond the image: the box is the image inside.
    return None if drafted is None else drafted[1]


def _upright(image: Image.Image, header: ImageHeader, mode: str, grey_bits: int) -> Image.Image:
    plain = _of_8_bits(image, grey_bits) if header.deep else image
    shown = _on_black(plain).convert(mode)
    # Before areas are averaged, so that an image gives the same row however its file stores it.
    return shown if header.turn is None else shown.transpose(header.turn)


def _on_black(image: Image.Image) -> Image.Image:
    """Return the image as seen on black: a transparent pixel may hold any colour."""
    if not _is_transparent(image):
        return image
    mode = "L" if image.mode in GREY else "RGB"
    visible = image.convert(f"{mode}A")
    shown = Image.new(mode, image.size)
    shown.paste(visible.convert(mode), mask=visible.getchannel("A"))
    return shown


def turned(box: Box, size: tuple[int, int], turn: Transpose) -> Box:
    """Return where the box of an image of a size is after a turn."""
    left, upper, right, lower = box
    width, height = size
    across, down = (left, right), (upper, lower)
    mirrored_across, mirrored_down = (width - right, width - left), (height - lower, height - upper)
    (left, right), (upper, lower) = {
        Transpose.FLIP_LEFT_RIGHT: (mirrored_across, down),
        Transpose.ROTATE_180: (mirrored_across, mirrored_down),
        Transpose.FLIP_TOP_BOTTOM: (across, mirrored_down),
        Transpose.TRANSPOSE: (down, across),
        Transpose.ROTATE_270: (mirrored_down, across),
        Transpose.TRANSVERSE: (mirrored_down, mirrored_across),
        Transpose.ROTATE_90: (down, mirrored_across),
    }[turn]
    return left, upper, right, lower


def _cause(error: BaseException) -> str:
    """Describe an error without the path, which the message names already."""
    if isinstance(error, OSError) and error.errno is not None:
        return str(error.strerror)
    return (
        f"it holds no {', '.join(FORMATS)}"
        if isinstance(error, UnidentifiedImageError)
        else str(error).rstrip(".") or type(error).__name__
    )
