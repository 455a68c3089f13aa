"""Reduce images by averaging areas."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cascade.data.images.frame import Box, Frame

LARGEST_AREA = 256
"""Largest number of pixels per area whose sum fits in 16 bits."""
AT_A_TIME = 32
"""Images per pass, so that their sums stay in the processor's cache."""


def reduced_side(side: int, size: int) -> int:
    """Return the side at which a codec should decode an image that is averaged down to `size`: `size` or twice that.

    A codec reduces by 2, 4 or 8. Below twice the size, areas would cover one to two pixels, and averages show aliasing.
    """
    return size if side in (2 * size, 4 * size, 8 * size) else 2 * size


def shrunk(image: Image.Image, frame: Frame, box: Box | None = None) -> Image.Image:
    """Average areas down to a frame, with black borders around what is smaller.

    `box` is the part of `image` to use; default all of it.
    """
    part, inner = frame.place(box or (0, 0, *image.size))
    areas = None if box else _whole_areas(part, inner)
    if areas is not None:
        # Plain means suffice for whole factors; areas that cut pixels need a filter with soft edges against aliasing.
        image = image.reduce(*areas)
    elif inner != image.size or part != (0, 0, *image.size):
        image = image.resize(inner, Image.Resampling.HAMMING, part)
    height, width = frame.shape
    if inner == (width, height):
        return image
    filled = Image.new(image.mode, (width, height))
    filled.paste(image, ((width - inner[0]) // 2, (height - inner[1]) // 2))
    return filled


def is_shown_whole(box: Box, frame: Frame) -> bool:
    """Return whether a frame shows an image that is its `box` as it is, so that `shrunk` changes nothing."""
    height, width = frame.shape
    part, inner = frame.place(box)
    return inner == (width, height) and part == box == (0, 0, width, height)


def _whole_areas(part: Box, inner: tuple[int, int]) -> tuple[tuple[int, int], tuple[int, int, int, int]] | None:
    """Return how many pixels become one, across and down, and of which part, where all are whole numbers."""
    left, upper, right, lower = part
    factors = int(right - left) // inner[0], int(lower - upper) // inner[1]
    shown = left + factors[0] * inner[0], upper + factors[1] * inner[1]
    is_whole = left == int(left) and upper == int(upper) and shown == (right, lower) and min(factors) > 0
    return (factors, (int(left), int(upper), int(right), int(lower))) if is_whole else None


def shrink(channels: NDArray[np.uint8], frame: Frame) -> NDArray[np.uint8]:
    """Apply `shrunk` to each channel of an array (height, width, channels)."""
    # One channel at a time, since Pillow has no mode for most numbers of channels.
    planes = [np.asarray(shrunk(Image.fromarray(channels[..., k]), frame)) for k in range(channels.shape[2])]
    return np.stack(planes, axis=-1)


def averaged(images: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """Average areas down to `size` x `size`, with black borders if the images are not square.

    >>> averaged(np.array([[0, 10], [20, 31]], dtype=np.uint8).reshape(1, 2, 2, 1), 1).ravel()
    array([15], dtype=uint8)
    """
    height, width = images.shape[1:3]
    factor = width // size
    if height != width or factor * size != width or factor**2 > LARGEST_AREA:
        frame = Frame(size, size)
        return np.stack([shrink(image, frame) for image in images]) if len(images) else _empty(images, size)
    reduced = np.empty((len(images), size, size, images.shape[3]), np.uint8)
    for start in range(0, len(images), AT_A_TIME):
        reduced[start : start + AT_A_TIME] = _means(images[start : start + AT_A_TIME], size, factor)
    return reduced


def _means(images: NDArray[np.uint8], size: int, factor: int) -> NDArray[np.uint16]:
    """Return rounded means of whole areas."""
    n, _, width, channels = images.shape
    # Lines of pixels are added first: they are contiguous, and leave fewer values for the sums across.
    lines = images.reshape(n, size, factor, width * channels)
    sums = lines[:, :, 0].astype(np.uint16)
    for line in range(1, factor):
        sums += lines[:, :, line]
    columns = sums.reshape(n, size, size, factor, channels)
    # Half of the divisor makes the whole-number division round to the nearest value.
    total = columns[:, :, :, 0] + np.uint16(factor**2 // 2)
    for column in range(1, factor):
        total += columns[:, :, :, column]
    return total // np.uint16(factor**2)


def _empty(images: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    return np.empty((0, size, size, images.shape[3]), np.uint8)
