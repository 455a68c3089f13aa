"""Size that a compressed image declares: decoders trust it, so it has to match the size in the file's header."""

from __future__ import annotations

from struct import error as UnpackError
from struct import unpack_from

JPEG_2000 = b"\xff\x4f\xff\x51"
JPEG = b"\xff\xd8"
# C4 and CC define tables and C8 is reserved: they are the only ones of the range without a size.
FRAME_HEADERS = {*range(0xC0, 0xD0), 0xDE, 0xF7} - {0xC4, 0xC8, 0xCC}
"""Second bytes of the markers that declare a size, in plain, hierarchical and JPEG-LS images."""

Size = tuple[int, int, int]


def declared_size(stream: bytes) -> Size | None:
    r"""Return rows, columns and samples that a JPEG, JPEG-LS or JPEG 2000 stream declares; None for other streams.

    Examples
    --------
    >>> declared_size(b"\xff\xd8" + b"\xff\xe0\x00\x02" + b"\xff\xc3\x00\x0b\x10\x02\x00\x01\x00\x01")
    (512, 256, 1)
    """
    try:
        if stream.startswith(JPEG_2000):
            # The SIZ segment gives the reference grid and the image's offset in it (ISO/IEC 15444-1, A.5.1).
            right, below, left, above = unpack_from(">4I", stream, 8)
            return below - above, right - left, unpack_from(">H", stream, 40)[0]
        return _jpeg_size(stream) if stream.startswith(JPEG) else None
    except UnpackError:
        return None


def run_length_size(frame: bytes) -> int:
    r"""Return the bytes that a frame of run lengths expands to, without expanding it (PS3.5, annex G).

    Examples
    --------
    >>> head = (1).to_bytes(4, "little") + (64).to_bytes(4, "little") + bytes(56)
    >>> run_length_size(head + b"\x81\x07\x01ab")
    130
    """
    n, *starts = unpack_from("<16I", frame)
    starts = starts[: min(n, 15)]
    return sum(_expanded(frame, *ends) for ends in zip(starts, [*starts[1:], len(frame)], strict=True))


def _expanded(frame: bytes, place: int, end: int) -> int:
    size, end = 0, min(end, len(frame))
    while place < end:
        kind = frame[place]
        # Below 128: that many bytes and one more follow; above: the next byte is repeated; 128 has no meaning.
        size += kind + 1 if kind < 128 else 257 - kind if kind > 128 else 0
        place += kind + 2 if kind < 128 else 2 if kind > 128 else 1
    return size


def _jpeg_size(stream: bytes) -> Size | None:
    place = 2
    # Each step moves forward, and reading past the end raises, so damaged streams end the loop as well.
    while True:
        mark, kind, length = unpack_from(">BBH", stream, place)
        if mark != 0xFF:
            return None
        if kind in FRAME_HEADERS:
            # After marker, length and precision.
            rows, columns, samples = unpack_from(">HHB", stream, place + 5)
            return rows, columns, samples
        # Any number of fill bytes 0xFF may precede a marker. A length counts itself, but not its marker.
        place += 1 if kind == 0xFF else 2 + length
