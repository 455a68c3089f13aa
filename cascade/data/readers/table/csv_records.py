"""Records of a CSV file: which lines belong together, which are malformed, and which a stray quote has swallowed.

A quoted cell may hold line ends, so a stray quote can take thousands of rows into one cell of a file that looks valid.
Here every line of the file is in a record or has a reason why it is none.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from cascade.data.names import MISSING
from cascade.utils.types import Mask

BLOCK_BYTES = 2**20
MOST_BYTES = 2**24
"""Longest record: a quote that stays open for longer is a stray one."""
PROFILED_LINES = 1000
FEWEST_LINES = 4
"""Lines of a record of texts alone that count as swallowed records; with fewer, they may be lines of a text."""
FEWEST_TEXTS, TEXT_SHARE = 20, 0.2
"""Number and share of records of several lines from which such are usual in a file."""
COMMA, QUOTE = b",", b'"'

_OPEN_AT_ONCE = re.compile(rb'"(?:[^"]++|"")*+\Z')
_OPEN = re.compile(rb' *+"(?:[^"]++|"")*+\Z')
# A comma is a decimal mark only in files with another separator, whose cells it would end otherwise.
_NUMBER = re.compile(rb"[+-]?([0-9]+([.,][0-9]*)?|[.,][0-9]+)([eE][+-]?[0-9]+)?|true|false", re.IGNORECASE)
_EMPTY = frozenset(text.encode() for text in MISSING)

BROKEN = "its quotes do not enclose whole cells"
NOT_CLOSED = "a quote opens a cell and is not closed"
SWALLOWS = "a stray quote opens a cell, which would take in the next lines"
TOO_LONG = f"its line has more than {MOST_BYTES} bytes"
CLOSES = "a stray quote closes a cell that an earlier line opened"


@dataclass
class Records:
    """Consecutive records.

    Attributes
    ----------
    valid : list of bytes
        Those with the right number of cells, without their line ends.
    reasons : list of str or None
        In the order of the file, one per record: None where it is the next valid one.
    """

    valid: list[bytes] = field(default_factory=list)
    reasons: list[str | None] = field(default_factory=list)

    def add(self, records: list[bytes]) -> None:
        """Append valid records."""
        self.valid += records
        self.reasons += [None] * len(records)


@cache
def _cell(separator: bytes, spaced: bool) -> re.Pattern[bytes]:
    # Possessive, so that a long cell that is not closed is not searched again from each of its quotes.
    mark = re.escape(separator)
    quoted, bare = rb'"((?:[^"]++|"")*+)"', rb'([^"' + mark + rb"][^" + mark + rb"]*+)?"
    if spaced:
        # Without the lookahead, a quoted cell that is not closed would be a bare one that begins with a blank.
        quoted, bare = rb" *+" + quoted + rb" *+", rb'((?! *+")[^' + mark + rb"][^" + mark + rb"]*+)?"
    return re.compile(rb"(?:" + quoted + rb"|" + bare + rb")(" + mark + rb"|\Z)")


def cells_of(record: bytes, separator: bytes = COMMA, spaced: bool = False) -> list[bytes] | None:
    """Split a record into its cells; None if its quotes do not enclose whole cells.

    With `spaced`, blanks around a quoted cell are not part of it.

    Examples
    --------
    >>> cells_of(b'1,"a, b",'), cells_of(b'5" pipe,2'), cells_of(b'"a"b,1')
    ([b'1', b'a, b', b''], [b'5" pipe', b'2'], None)
    >>> cells_of(b'1, "a, b", c', spaced=True)
    [b'1', b'a, b', b' c']
    """
    cells, place, pattern = [], 0, _cell(separator, spaced)
    while True:
        found = pattern.match(record, place)
        if found is None:
            return None
        quoted, bare, end = found.groups()
        cells.append(bare or b"" if quoted is None else quoted.replace(b'""', b'"'))
        if not end:
            return cells
        place = found.end()


def _is_open(record: bytes, separator: bytes, spaced: bool) -> bool:
    """Return whether a record ends within a quoted cell."""
    place, pattern = 0, _cell(separator, spaced)
    while (found := pattern.match(record, place)) is not None and found[3]:
        place = found.end()
    if found is not None:
        return False
    return (_OPEN if spaced else _OPEN_AT_ONCE).match(record, place) is not None


def _joined(cells: list[bytes], separator: bytes) -> bytes:
    """Return a record of the cells, all of them in quotes."""
    return separator.join(QUOTE + cell.replace(QUOTE, QUOTE + QUOTE) + QUOTE for cell in cells)


def lines_of(handle: BinaryIO) -> Iterator[list[bytes]]:
    """Yield the lines of a file block by block, whatever their line ends are."""
    rest = b""
    while block := handle.read(BLOCK_BYTES):
        block = rest + block
        if b"\r" in block:
            # A last \r may be half of a line end.
            cut = block[-1:] == b"\r"
            body = block[:-1] if cut else block
            block = body.replace(b"\r\n", b"\n").replace(b"\r", b"\n") + (b"\r" if cut else b"")
        *lines, rest = block.split(b"\n")
        # The end of a line that is too long is dropped: the rest is enough to reject it.
        rest = rest[: MOST_BYTES + 1]
        yield lines
    if rest := rest.rstrip(b"\r"):
        yield [rest]


class RecordReader:
    """Joins lines to records of `n_cells` cells.

    Parameters
    ----------
    n_cells : int
    sample : list of bytes
        First lines of the file, which show which of its columns hold numbers.
    separator : bytes
    spaced : bool
        Whether there may be blanks around quoted cells.
    """

    def __init__(self, n_cells: int, sample: list[bytes], separator: bytes = COMMA, spaced: bool = False) -> None:
        self.n_cells, self.separator, self.spaced = n_cells, separator, spaced
        sample = [line for line in sample[:PROFILED_LINES] if line]
        self.numeric = _numeric_columns(n_cells, sample, separator)
        self.has_texts = _has_texts(sample)
        # Lines of a record whose quoted cell is open, and the number of their bytes.
        self.held: list[bytes] = []
        self.n_held = 0

    def read(self, lines: list[bytes]) -> Records:
        """Return the records that end in these lines; the last one may continue in the next lines."""
        records, start = Records(), 0
        # Nearly all lines are whole records, which are added a run at a time.
        others = np.flatnonzero(~_are_records(lines, self.n_cells, self.separator, self.spaced)).tolist()
        for other in [*others, len(lines)]:
            while self.held and start < other:
                self._read_line(lines[start], records)
                start += 1
            records.add(lines[start:other])
            if other < len(lines):
                self._read_line(lines[other], records)
            start = other + 1
        return records

    def _read_line(self, line: bytes, records: Records) -> None:
        """Read a line, and again those before it that belong to no record after all."""
        pending = deque([line])
        while pending:
            line = pending.popleft()
            # Blank lines are no records, but may be lines of a quoted cell.
            if self.held:
                self._continue(line, records, pending)
            elif QUOTE in line and len(line) <= MOST_BYTES and _is_open(line, self.separator, self.spaced):
                self.held, self.n_held = [line], len(line)
            else:
                self._single(line, records)

    def finish(self) -> Records:
        """Return the records of what is still open at the end of the file."""
        records = Records()
        while self.held:
            others = self._release()[1:]
            records.reasons.append(NOT_CLOSED)
            more = self.read(others)
            records.valid += more.valid
            records.reasons += more.reasons
        return records

    def _cells(self, record: bytes) -> list[bytes] | None:
        return cells_of(record, self.separator, self.spaced)

    def _count(self, record: bytes, n_cells: int, records: Records) -> None:
        if n_cells == self.n_cells:
            records.add([record])
        else:
            records.reasons.append(f"its line has {n_cells} cells, not {self.n_cells}")

    def _add(self, record: bytes, cells: list[bytes], records: Records) -> None:
        # Other parsers take a blank before a quote for the begin of a bare cell.
        self._count(_joined(cells, self.separator) if self.spaced else record, len(cells), records)

    def _single(self, line: bytes, records: Records) -> None:
        """Add a line that is a record, or the reason why it is none."""
        if not line:
            return
        if len(line) > MOST_BYTES:
            records.reasons.append(TOO_LONG)
        elif QUOTE not in line:
            self._count(line, line.count(self.separator) + 1, records)
        elif (cells := self._cells(line)) is None:
            records.reasons.append(BROKEN)
        else:
            self._add(line, cells, records)

    def _continue(self, line: bytes, records: Records, pending: deque[bytes]) -> None:
        """Append a line to the open record, and end the record if its cell is closed or cannot be."""
        self.held.append(line)
        self.n_held += len(line)
        # Quotes within a cell come in pairs: only a line with an odd number of them can close the record.
        if line.count(QUOTE) % 2 == 0 and self.n_held <= MOST_BYTES:
            return
        record = b"\n".join(self.held)
        too_long = self.n_held > MOST_BYTES
        cells = None if too_long else self._cells(record)
        if cells is None and not too_long and _is_open(record, self.separator, self.spaced):
            return
        lines = self._release()
        if cells is None:
            # The first line is malformed; those after it are read again without it.
            records.reasons.append(NOT_CLOSED)
            pending.extendleft(reversed(lines[1:]))
        elif self._swallowed(lines, len(cells)):
            records.reasons.append(SWALLOWS)
            for inner in lines[1:-1]:
                self._single(inner, records)
            records.reasons.append(CLOSES)
        else:
            self._add(record, cells, records)

    def _release(self) -> list[bytes]:
        lines, self.held, self.n_held = self.held, [], 0
        return lines

    def _swallowed(self, lines: list[bytes], n_cells: int) -> bool:
        """Return whether the lines of a record look like records themselves."""
        # Among texts in quotes, a stray quote is found out by the next quote, which does not enclose a whole cell.
        if self.has_texts or (self.n_cells == 1 and not self.numeric):
            return False
        complete = [self._is_record(line) for line in lines if line]
        if not self.numeric:
            return len(complete) >= FEWEST_LINES and all(complete)
        # A record with the wrong number of cells is malformed in any case, and many records are no text: half of the
        # lines decide. Of few lines, those with the stray quotes must look like records too.
        ends = n_cells != self.n_cells or len(complete) >= FEWEST_LINES or (complete[0] and complete[-1])
        return ends and 2 * sum(complete) >= len(complete)

    def _is_record(self, line: bytes) -> bool:
        cells = line.split(self.separator)
        return len(cells) == self.n_cells and all(
            _may_be_number(cells[k], around) for k, around in self.numeric.items()
        )


def _are_records(lines: list[bytes], n_cells: int, separator: bytes, spaced: bool) -> Mask:
    """Return which lines are whole records of `n_cells` cells at first sight; others have to be read one by one."""
    lengths = np.fromiter(map(len, lines), np.int64, len(lines))
    n_separators = np.fromiter((line.count(separator) for line in lines), np.int64, len(lines))
    content = b"\n".join([b"", *lines, b""])
    clear: Mask = (lengths > 0) & (lengths <= MOST_BYTES)
    if QUOTE in content:
        enclosed, within = _enclosed(np.frombuffer(content, np.uint8), lengths, separator)
        clear &= enclosed
        n_separators -= within
        if spaced:
            clear &= np.fromiter((QUOTE not in line for line in lines), bool, len(lines))
    clear &= n_separators == n_cells - 1
    return clear


def _enclosed(content: NDArray[np.uint8], lengths: NDArray[np.int64], separator: bytes) -> tuple[Mask, NDArray[Any]]:
    """Return for each line whether its quotes enclose whole cells, and how many separators are in these cells.

    `content` has a line end in front of each line and behind the last one.
    """
    mark, end, quote = (byte[0] for byte in (separator, b"\n", QUOTE))
    quotes = np.flatnonzero(content == quote)
    line = np.searchsorted(1 + np.cumsum(lengths + 1), quotes, side="right")
    n_quotes = np.bincount(line, minlength=len(lengths))
    opens = (np.arange(len(quotes)) - (np.cumsum(n_quotes) - n_quotes)[line]) % 2 == 0
    # What is outside of a quote: the end of the cell, or its neighbour of two quotes that mean one.
    outside = content[np.where(opens, quotes - 1, quotes + 1)]
    enclosed = n_quotes % 2 == 0
    enclosed[line[~np.isin(outside, (mark, end, quote))]] = False
    whole = enclosed[line]
    before = np.searchsorted(np.flatnonzero(content == mark), quotes[whole])
    within = np.bincount(line[whole][::2], before[1::2] - before[::2], len(lengths))
    return enclosed, within.astype(np.int64)


def _numeric_columns(n_cells: int, lines: list[bytes], separator: bytes) -> dict[int, bytes]:
    """Return the columns that hold numbers in most of the lines that have `n_cells` cells, and what is around them.

    Blanks are around numbers only if most lines have them: "flour, 200" is a line of a text.
    """
    rows = [cells for cells in (line.split(separator) for line in lines) if len(cells) == n_cells]
    numeric: dict[int, bytes] = {}
    for k in range(n_cells):
        for around in (b'"', b' "'):
            if 2 * sum(_is_number(cells[k], around) for cells in rows) > len(rows):
                numeric.setdefault(k, around)
    return numeric


def _has_texts(lines: list[bytes]) -> bool:
    """Return whether cells of several lines are usual, so that lines which look like records may be those of a text."""
    is_open, n_records, n_long = False, 0, 0
    for line in lines:
        n_records += not is_open
        if line.count(QUOTE) % 2:
            n_long += not is_open
            is_open = not is_open
    return n_long >= FEWEST_TEXTS and n_long >= TEXT_SHARE * n_records


def _is_number(cell: bytes, around: bytes) -> bool:
    return _NUMBER.fullmatch(cell.strip(around)) is not None


def _may_be_number(cell: bytes, around: bytes) -> bool:
    return cell.strip(around) in _EMPTY or _is_number(cell, around)
