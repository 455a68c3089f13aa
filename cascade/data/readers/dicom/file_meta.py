"""Transfer syntax of a DICOM file, which must be known before its data set is read."""

from __future__ import annotations

import re
from struct import Struct
from struct import error as StructError

HEAD = 1024
"""Bytes that hold the first group of nearly all files."""
PREAMBLE, MAGIC = 128, b"DICM"
GROUP, TRANSFER_SYNTAX = 0x0002, 0x0010
ELEMENT, LONG = Struct("<HH2sH"), Struct("<I")
LENGTHS_OF_16_BITS = (b"UI", b"UL", b"SH", b"AE")
LENGTHS_OF_32_BITS = (b"OB", b"UN")
NUMBERS = re.compile(rb"[0-9.]{1,64}\0?")


def transfer_syntax(head: bytes) -> str | None:
    r"""Return the transfer syntax that the first bytes of a file declare; None where pydicom must find it out.

    That is the case if elements are not in order, have unusual types, or do not end within these bytes.

    Examples
    --------
    >>> element = b"\x02\x00\x10\x00UI\x12\x00" + b"1.2.840.10008.1.2\0"
    >>> transfer_syntax(bytes(128) + b"DICM" + element + b"\x08\x00\x05\x00CS\x00\x00")
    '1.2.840.10008.1.2'
    """
    if head[PREAMBLE : PREAMBLE + len(MAGIC)] != MAGIC:
        return None
    place, before, found = PREAMBLE + len(MAGIC), -1, None
    try:
        while True:
            group, number, kind, length = ELEMENT.unpack_from(head, place)
            if group != GROUP:
                return found
            place += ELEMENT.size
            if kind in LENGTHS_OF_32_BITS:
                (length,) = LONG.unpack_from(head, place)
                place += LONG.size
            elif kind not in LENGTHS_OF_16_BITS:
                return None
            # In order, so that no element is repeated.
            if number <= before:
                return None
            if number == TRANSFER_SYNTAX:
                value = head[place : place + length]
                if kind != b"UI" or not NUMBERS.fullmatch(value):
                    return None
                found = value.rstrip(b"\0").decode("ascii")
            place, before = place + length, number
    except StructError:
        return None
