"""Lookup tables of DICOM files: from stored values to units, and from units to what is displayed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

MOST_ENTRIES = 2**16
"""Number of entries that a descriptor of 0 declares (PS3.3, C.11.1.1.1)."""


# Compared by identity, so that rules with tables can be keys.
@dataclass(frozen=True, eq=False)
class LookupTable:
    """A value for each of consecutive inputs; inputs beyond both ends have the value of the end.

    Attributes
    ----------
    first : int
        Input of the first entry.
    entries : ndarray of int, shape (n,)
    bits : int
        Bits of an entry.

    Examples
    --------
    >>> LookupTable(10, np.array([5, 7, 9]), 8)(np.array([0, 11, 99]))
    array([5, 7, 9])
    """

    first: int
    entries: NDArray[Any]
    bits: int

    def __call__(self, inputs: NDArray[Any]) -> NDArray[Any]:
        """Return the value of each input, which are whole numbers."""
        places = inputs.astype(np.int64) - self.first
        values: NDArray[Any] = self.entries[np.clip(places, 0, len(self.entries) - 1)]
        return values


def lookup_table(item: Any, signed: bool, little_endian: bool) -> LookupTable:
    """Return the table of one item of a LUT sequence.

    Parameters
    ----------
    item : Dataset
    signed : bool
        Whether the inputs of the table are signed.
    little_endian : bool

    Raises
    ------
    ValueError
        If it has fewer entries than it declares.
    """
    n, first, bits = (int(number) for number in item.LUTDescriptor)
    n = n or MOST_ENTRIES
    if signed:
        # With an implicit VR, the first input may be read without its sign.
        first = _signed(first)
    data = item.LUTData
    if isinstance(data, bytes):
        # Entries of 8 bits may be packed into words, or have a word each.
        kind = "u1" if bits <= 8 and len(data) < 2 * n else ("<u2" if little_endian else ">u2")
        entries = np.frombuffer(data, kind, count=min(n, len(data) // np.dtype(kind).itemsize)).astype(np.int64)
    else:
        # Read as signed numbers, entries of 16 bits may be negative.
        entries = np.atleast_1d(np.array(data, np.int64))[:n] & 0xFFFF
    if len(entries) != n or not 1 <= bits <= 16:
        raise ValueError(f"a lookup table has {len(entries)} entries of {bits} bits where {n} are declared")
    return LookupTable(first, entries, bits)


def _signed(value: int) -> int:
    return value - 2**16 if value >= 2**15 else value
