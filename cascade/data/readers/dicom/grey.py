"""From the stored values of a slice to channels of grey: value by value, or by a table of all values.

A slice has more pixels than there are values of 16 bits, and slices of one series share a table.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cascade.data.readers.dicom.display import FileWindow, displayed
from cascade.data.readers.dicom.header import Header
from cascade.data.readers.dicom.lookup import LookupTable
from cascade.data.readers.dicom.stored import StoredBits
from cascade.data.readers.pixels import Windows, apply_windows

PACKED_CHANNELS = 4
"""Most channels of a table, whose entries are pixels of 4 bytes in Pillow's form."""
KEPT_TABLES = 16
AT_A_TIME = 2**14
"""Pixels that are looked up at once: NumPy makes a number of 8 bytes of each, which should stay in the cache."""


@dataclass(frozen=True)
class GreyRule:
    """What grey values of a slice depend on besides its pixels.

    Attributes
    ----------
    bits : StoredBits
    slope, intercept : float
    unit_table, display_table : LookupTable or None
    padding : tuple of int, or None
    inverted : bool
    window : FileWindow or None
        These are as in `Header`.
    windows : tuple of (centre, width), or "file"
    """

    bits: StoredBits
    slope: float
    intercept: float
    unit_table: LookupTable | None
    display_table: LookupTable | None
    padding: tuple[int, int] | None
    inverted: bool
    window: FileWindow | None
    windows: Windows | str

    @classmethod
    def of(cls, header: Header, windows: Windows | str) -> GreyRule:
        """Return the rule of a slice with this header."""
        return cls(
            header.bits,
            header.slope,
            header.intercept,
            header.unit_table,
            header.display_table,
            header.padding,
            header.inverted,
            header.window,
            windows,
        )

    @property
    def n_channels(self) -> int:
        """Number of channels."""
        return 1 if isinstance(self.windows, str) else len(self.windows)

    def channels(self, pixels: NDArray[Any]) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
        """Return grey values, shape (height, width, windows), and which of the pixels are no padding."""
        visible = np.ones(pixels.shape, bool)
        if self.padding is not None:
            visible = ~self.bits.is_padding(pixels, self.padding)
        units = self._units(self.bits.values(pixels))
        if isinstance(self.windows, str):
            shown = displayed(units, visible, self.display_table, self.window, self._full_range())[..., None]
        else:
            shown = apply_windows(units, self.windows)
        # After windowing, since windows are defined on units; before padding, which stays black in both cases.
        if self.inverted:
            shown = 255 - shown
        shown[~visible] = 0
        return shown, visible

    def packed(self, pixels: NDArray[Any]) -> Image.Image | None:
        """Return the channels as an image, of mode L or, for 2 to 4 channels, RGBX; None where no table is of use.

        Examples
        --------
        >>> rule = GreyRule(StoredBits(8, 8, 7, False), 1.0, 0.0, None, None, None, False, None, ((40.0, 80.0),))
        >>> pixels = np.full((16, 16), 16, np.uint8)
        >>> rule.packed(pixels).getpixel((0, 0)), rule.channels(pixels)[0][0, 0, 0].item()
        (51, 51)
        """
        if self.n_channels > PACKED_CHANNELS or pixels.size < 2 ** (8 * pixels.dtype.itemsize) or self._needs_image():
            return None
        numbers = np.ascontiguousarray(pixels, pixels.dtype.newbyteorder("=")).view(f"u{pixels.dtype.itemsize}")
        table = _table(self, numbers.dtype.char, pixels.dtype.kind)
        grey = np.empty(numbers.shape, table.dtype)
        lines = max(1, AT_A_TIME // numbers.shape[1])
        for start in range(0, len(numbers), lines):
            # No number is beyond the table, and only this mode does not copy `out`.
            np.take(table, numbers[start : start + lines], mode="clip", out=grey[start : start + lines])
        mode = "L" if table.dtype == np.uint8 else "RGBX"
        return Image.frombuffer(mode, (grey.shape[1], grey.shape[0]), grey, "raw", mode, 0, 1)

    def unpacked(self, image: Image.Image) -> NDArray[np.uint8]:
        """Return the channels of a packed image, shape (height, width, windows)."""
        pixels = np.asarray(image).reshape(image.height, image.width, -1)
        if self.n_channels == pixels.shape[2]:
            return pixels
        channels = np.empty((*pixels.shape[:2], self.n_channels), np.uint8)
        # One channel at a time takes a fifth of the time.
        for place in range(self.n_channels):
            channels[..., place] = pixels[..., place]
        return channels

    def _needs_image(self) -> bool:
        """Return whether the whole image decides what is black and white."""
        without = self.display_table is None and self.window is None and self._full_range() is None
        return isinstance(self.windows, str) and without

    def _units(self, values: NDArray[Any]) -> NDArray[np.float32]:
        """Return units of stored values (PS3.3, C.11.1)."""
        if self.unit_table is not None:
            return self.unit_table(values).astype(np.float32)
        units = values.astype(np.float32)
        # In place, since these arrays are the largest that a slice needs.
        units *= np.float32(self.slope)
        units += np.float32(self.intercept)
        return units

    def _full_range(self) -> tuple[float, float] | None:
        """Return the units of black and white of a slice of 8 bits, which needs no window; None for others."""
        if self.bits.stored > 8 or self.bits.signed or self.unit_table is not None:
            return None
        return self.intercept, self.intercept + self.slope * (2**self.bits.stored - 1)


@lru_cache(KEPT_TABLES)
def _table(rule: GreyRule, unsigned: str, kind: str) -> NDArray[Any]:
    """Return the grey values of all pixels, by their bits as an unsigned number; read-only."""
    size = np.dtype(unsigned).itemsize
    pixels = np.arange(2 ** (8 * size)).astype(unsigned).view(f"{kind}{size}")
    channels = rule.channels(pixels[None])[0][0]
    if channels.shape[1] == 1:
        table: NDArray[Any] = np.ascontiguousarray(channels[:, 0])
    else:
        packed = np.zeros((len(pixels), PACKED_CHANNELS), np.uint8)
        packed[:, : channels.shape[1]] = channels
        table = packed.view(np.uint32)[:, 0]
    table.setflags(write=False)
    return table
