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


def shrunk(image: Image.Image, size: int) -> Image.Image:
    """Average areas down to `size` x `size`; what is not square is first made so with black."""
    side = max(image.size)
    if image.size != (side, side):
        square = Image.new(image.mode, (side, side))
        square.paste(image, ((side - image.width) // 2, (side - image.height) // 2))
        image = square
    if side == size:
        return image
    factor = side // size
    # Whole factors are averaged in one go; the other way rounds once for each axis.
    return image.reduce(factor) if factor * size == side else image.resize((size, size), Image.Resampling.BOX)


def shrink(channels: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """Do what `shrunk` does to each channel of an array (height, width, channels)."""
    planes = [np.asarray(shrunk(Image.fromarray(channels[..., k]), size)) for k in range(channels.shape[2])]
    return np.stack(planes, axis=-1)
