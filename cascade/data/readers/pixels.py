"""How files become pixels: the windows of slices, and the size that images and slices are averaged down to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cascade.data.image_size import check_image_size
from cascade.data.readers.windows import PRESETS, Windows, check_windows


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
