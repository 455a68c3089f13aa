"""Stored values of a DICOM file: which bits of a pixel they are, and which of them are padding."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

LITTLE_ENDIAN = ("1.2.840.10008.1.2", "1.2.840.10008.1.2.1")
"""Transfer syntaxes of uncompressed pixels, with an implicit and an explicit VR."""


@dataclass(frozen=True)
class StoredBits:
    """Which bits of a pixel are its value; the others may hold anything, such as overlays (PS3.5, 8.1.1).

    Attributes
    ----------
    allocated, stored, high : int
        Bits of a pixel, bits of its value, and place of the highest of them.
    signed : bool
    """

    allocated: int
    stored: int
    high: int
    signed: bool

    def decompressed(self) -> StoredBits:
        """Return the bits of pixels from a JPEG decoder, which are values; raise ValueError where that is unclear."""
        if self.high != self.stored - 1:
            raise ValueError(f"its {self.stored} bits should end at bit {self.stored - 1}, not {self.high}")
        return StoredBits(self.allocated, self.allocated, self.allocated - 1, self.signed)

    def check(self) -> None:
        """Raise ValueError if the bits are not those of a pixel."""
        if not 1 <= self.stored <= self.high + 1 <= self.allocated:
            raise ValueError(f"{self.stored} bits up to bit {self.high} are not within {self.allocated}")

    def values(self, pixels: NDArray[Any]) -> NDArray[Any]:
        """Return the values in pixels of integers, with their signs.

        Examples
        --------
        >>> StoredBits(16, 12, 15, False).values(np.array([0x1230, 0xFFF5], np.uint16))
        array([ 291, 4095], dtype=uint16)
        >>> StoredBits(16, 12, 11, True).values(np.array([0x7FFF, 0x0800], np.int16))
        array([   -1, -2048], dtype=int16)
        """
        if self.stored == self.allocated:
            return pixels
        # Up to the highest bit, which drops the bits above; then down, which drops those below and repeats the sign.
        raised = pixels << pixels.dtype.type(self.allocated - 1 - self.high)
        values: NDArray[Any] = raised >> pixels.dtype.type(self.allocated - self.stored)
        return values

    def range(self) -> tuple[int, int]:
        """Return the lowest and the highest value."""
        return (-(2 ** (self.stored - 1)), 2 ** (self.stored - 1) - 1) if self.signed else (0, 2**self.stored - 1)

    def is_padding(self, pixels: NDArray[Any], ends: tuple[int, int]) -> NDArray[np.bool_]:
        """Mark what is no part of the image: values from one end to the other, in any order (PS3.3, C.7.5.1.1.2)."""
        values = self.values(pixels)
        # Padding and pixels may differ in sign by their types, so the bits of the ends are used.
        low, high = sorted(int(np.array(end & 0xFFFF, np.uint16).astype(values.dtype)) for end in ends)
        lowest, highest = self.range()
        # Some files give padding that has more bits than a value; it is found among the pixels.
        compared = values if lowest <= low and high <= highest else pixels
        mask: NDArray[np.bool_] = (compared >= low) & (compared <= high)
        return mask


def plain_pixels(dataset: Any, bits: StoredBits) -> NDArray[Any] | None:
    """Return the uncompressed pixels of one frame as they lie in the file; None where pydicom must decide on them.

    Parameters
    ----------
    dataset : pydicom.Dataset
        Its header was checked.
    bits : StoredBits
    """
    # What pydicom refuses or warns about is left to it: missing elements, and pixels that are cut or too many.
    if dataset.file_meta.TransferSyntaxUID not in LITTLE_ENDIAN or dataset.get("NumberOfFrames", 1) != 1:
        return None
    if dataset.get("BitsStored") is None or dataset.get("PixelRepresentation") not in (0, 1):
        return None
    needed = dataset.Rows * dataset.Columns * bits.allocated // 8
    # An odd number of bytes is filled up to an even one.
    content = dataset.get("PixelData")
    if not isinstance(content, bytes) or len(content) not in (needed, needed + needed % 2):
        return None
    kind = f"<{'i' if bits.signed else 'u'}{bits.allocated // 8}"
    return np.frombuffer(content, kind, dataset.Rows * dataset.Columns).reshape(dataset.Rows, dataset.Columns)
