"""Images made smaller by averaging areas."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

LARGEST_AREA = 256
"""Pixels whose sum 16 bits hold."""
AT_A_TIME = 32
"""Images whose sums stay near the processor."""


def reduced_side(side: int, size: int) -> int:
    """Side at which a codec should decode what is averaged down to `size`: that itself, or twice as much.

    A codec halves up to three times. Averages of areas of one to two pixels would show patterns that are not there.
    """
    return size if side in (2 * size, 4 * size, 8 * size) else 2 * size


def shrunk(image: Image.Image, size: int, box: tuple[float, float, float, float] | None = None) -> Image.Image:
    """Average areas down to `size` x `size`; what is not square is made so with black.

    `box` is the part of `image` to take: left, upper, right, lower; default all of it.
    """
    left, upper, right, lower = box or (0, 0, *image.size)
    width, height = right - left, lower - upper
    share = size / max(width, height)
    inner = max(1, round(width * share)), max(1, round(height * share))
    factor = image.width // inner[0]
    if box is None and image.size == (inner[0] * factor, inner[1] * factor):
        # Whole factors are averaged as they are; others need soft edges, or patterns come up that are not there.
        image = image.reduce(factor)
    elif inner != image.size or box is not None:
        image = image.resize(inner, Image.Resampling.HAMMING, (left, upper, right, lower))
    if inner == (size, size):
        return image
    square = Image.new(image.mode, (size, size))
    square.paste(image, ((size - inner[0]) // 2, (size - inner[1]) // 2))
    return square


def shrink(channels: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """Do what `shrunk` does to each channel of an array (height, width, channels)."""
    planes = [np.asarray(shrunk(Image.fromarray(channels[..., k]), size)) for k in range(channels.shape[2])]
    return np.stack(planes, axis=-1)


def averaged(images: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """Average areas down to `size` x `size`; what is not square is made so with black.

    >>> averaged(np.array([[0, 10], [20, 31]], dtype=np.uint8).reshape(1, 2, 2, 1), 1).ravel()
    array([15], dtype=uint8)
    """
    height, width = images.shape[1:3]
    factor = width // size
    if height != width or factor * size != width or factor**2 > LARGEST_AREA:
        return np.stack([shrink(image, size) for image in images]) if len(images) else _none_of(images, size)
    answer = np.empty((len(images), size, size, images.shape[3]), np.uint8)
    for start in range(0, len(images), AT_A_TIME):
        answer[start : start + AT_A_TIME] = _means(images[start : start + AT_A_TIME], size, factor)
    return answer


def _means(images: NDArray[np.uint8], size: int, factor: int) -> NDArray[np.uint16]:
    """Rounded means of whole areas: rows of pixels first, which lie together."""
    n, _, width, channels = images.shape
    lines = images.reshape(n, size, factor, width * channels)
    sums = lines[:, :, 0].astype(np.uint16)
    for line in range(1, factor):
        sums += lines[:, :, line]
    columns = sums.reshape(n, size, size, factor, channels)
    total = columns[:, :, :, 0] + np.uint16(factor**2 // 2)
    for column in range(1, factor):
        total += columns[:, :, :, column]
    return total // np.uint16(factor**2)


def _none_of(images: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    return np.empty((0, size, size, images.shape[3]), np.uint8)
