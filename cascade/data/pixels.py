"""How files become pixels: the windows of slices, and the size that images and slices are averaged down to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cascade.data.windows import PRESETS, Windows, check_windows
from cascade.errors import ConfigError


@dataclass(frozen=True)
class PixelOptions:
    """How an image or a slice becomes pixels.

    Attributes
    ----------
    windows : tuple of (centre, width)
        Of a slice, one channel each.
    image_size : int, or None
        Height and width after area averaging; None keeps the size that the file has.
    """

    windows: Windows = PRESETS["rsna"]
    image_size: int | None = None

    @classmethod
    def of(cls, windows: Any = "rsna", image_size: Any = None) -> PixelOptions:
        """Check both options, as a config or a saved model gives them."""
        return cls(check_windows(windows), check_image_size(image_size))

    def to_json(self) -> dict[str, Any]:
        """Plain lists and numbers, from which `of` makes the same options."""
        return {"windows": [list(window) for window in self.windows], "image_size": self.image_size}


def check_image_size(size: Any) -> int | None:
    """Refuse what is neither None nor a number of pixels."""
    if size is not None and (not isinstance(size, int) or isinstance(size, bool) or size < 1):
        raise ConfigError(f"`image_size` must be a number of pixels, 1 or more. Received {size!r}.")
    return size


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
