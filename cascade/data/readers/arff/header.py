"""The header of an ARFF file: its attributes, and which of them are labels.

https://waikato.github.io/weka-wiki/formats_and_processing/arff_stable/
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from cascade.data.readers.regular import opened
from cascade.data.readers.table.columns import check_names
from cascade.data.readers.table.table_format import ending, unpacked
from cascade.errors import DataError

ENDING = ".arff"
LONGEST_LINE = 2**24
MOST_ATTRIBUTES = 2**20
SAMPLED_BYTES = 2**16
NUMERIC = ("numeric", "real", "integer")
OTHERS = ("string", "date")
_NAME = rb"('(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"|[^\s'\"{},%][^\s{},]*)"
_ATTRIBUTE = re.compile(rb"@attribute\s+" + _NAME + rb"\s*(\{.*\}|\s[a-z]+.*)", re.IGNORECASE | re.DOTALL)
_RELATION = re.compile(rb"@relation\s+.*-C\s+(-?[0-9]{1,6})", re.IGNORECASE)
# Possessive, so that blanks before a stray quote are not divided in every way.
_CELL = re.compile(rb"\s*+(?:(?:'((?:[^'\\]|\\.)*+)'|\"((?:[^\"\\]|\\.)*+)\")\s*+|([^,'\"]*+))(,|\Z)", re.DOTALL)
_ESCAPED = re.compile(rb"\\(.)", re.DOTALL)


@dataclass(frozen=True)
class Attribute:
    """A column.

    Attributes
    ----------
    name : str
    values : tuple of str, or None
        Of a nominal attribute, in their order.
    is_number : bool
    """

    name: str
    values: tuple[str, ...] | None
    is_number: bool


@dataclass(frozen=True)
class ArffHeader:
    """What precedes the rows.

    Attributes
    ----------
    attributes : tuple of Attribute
    n_labels : int
        Number of labels by MEKA's `-C`: the first ones, or if negative the last ones; 0 if it does not say.
    is_sparse : bool
        Whether the first row is in braces.
    row_bytes : int
        Bytes per line of the first rows.
    """

    attributes: tuple[Attribute, ...]
    n_labels: int
    is_sparse: bool
    row_bytes: int

    @property
    def names(self) -> list[str]:
        """Return the names of all attributes."""
        return [attribute.name for attribute in self.attributes]


def is_arff(path: Path) -> bool:
    """Return whether the name of a file is that of ARFF, compressed or not."""
    return ending(path) == ENDING


def read_header(path: Path) -> ArffHeader:
    """Read the attributes of a file, and look at its first row.

    Raises
    ------
    DataError
        If a line is no attribute, two have the same name, or `@data` is missing.
    """
    attributes: list[Attribute] = []
    n_labels = 0
    with _opened(path) as stream:
        for number, line in _lines(stream, path):
            keyword = line.split(None, 1)[0].lower()
            if keyword == b"@relation":
                found = _RELATION.match(line)
                n_labels = int(found[1]) if found else 0
            elif keyword == b"@data":
                break
            else:
                attributes.append(_attribute(line, number, path))
            if len(attributes) > MOST_ATTRIBUTES:
                raise DataError(f"`{path}` must have at most {MOST_ATTRIBUTES} attributes. Received more.")
        else:
            raise DataError(f"`{path}` must have a line `@data` behind its attributes; it may be cut.")
        first = next((line for _, line in _lines(stream, path)), b"")
        sample = stream.read(SAMPLED_BYTES)
    header = ArffHeader(
        tuple(attributes), n_labels, first.startswith(b"{"), len(sample) // (sample.count(b"\n") + 1) + len(first) + 1
    )
    check_names(header.names, path)
    if not attributes or abs(n_labels) >= len(attributes):
        raise DataError(
            f"`{path}` must have features beside its {abs(n_labels)} labels. Received {len(attributes)} in all."
        )
    return header


@contextmanager
def rows_of(path: Path) -> Iterator[Iterator[bytes]]:
    """Open a file; yield its rows as lines without comments and blanks at their ends."""
    with _opened(path) as stream:
        for _, line in _lines(stream, path):
            if line.lower().startswith(b"@data"):
                break
        yield (line for _, line in _lines(stream, path))


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    with opened(path) as handle, unpacked(handle, path) as stream:
        yield stream


def _lines(stream: BinaryIO, path: Path) -> Iterator[tuple[int, bytes]]:
    """Yield number and text of each line that is neither blank nor a comment."""
    number = 0
    while line := stream.readline(LONGEST_LINE):
        number += 1
        if len(line) == LONGEST_LINE:
            raise DataError(f"`{path}` must have lines of less than {LONGEST_LINE} bytes. Received a longer one.")
        line = line.strip()
        if line and not line.startswith(b"%"):
            yield number, line


def _attribute(line: bytes, number: int, path: Path) -> Attribute:
    found = _ATTRIBUTE.fullmatch(line)
    if found is not None:
        name, kind = _text(_plain(found[1])), found[2].strip()
        if kind.startswith(b"{"):
            values = cells_in(kind[1:-1])
            if values is not None:
                return Attribute(name, tuple(value or "" for value in values), False)
        elif (word := kind.split()[0].lower().decode("ascii", "replace")) in (*NUMERIC, *OTHERS):
            return Attribute(name, None, word in NUMERIC)
    shown = _text(line[:60])
    raise DataError(f"`{path}` must declare an attribute with its type in line {number}. Received {shown!r}.")


def cells_in(line: bytes) -> list[str | None] | None:
    """Return the cells of a dense row, None for `?`; None if its quotes do not enclose whole cells.

    Examples
    --------
    >>> cells_in(rb"1, 'a, b', ?, c"), cells_in(b"'a' b")
    (['1', 'a, b', None, 'c'], None)
    """
    if b"'" not in line and b'"' not in line:
        return [_cell(part.strip()) for part in line.split(b",")]
    cells: list[str | None] = []
    place = 0
    while (found := _CELL.match(line, place)) is not None:
        single, double, bare, end = found.groups()
        quoted = double if single is None else single
        cells.append(_cell((bare or b"").strip()) if quoted is None else _text(_ESCAPED.sub(rb"\1", quoted)))
        if not end:
            return cells
        place = found.end()
    return None


def _cell(bare: bytes) -> str | None:
    return None if bare == b"?" else _text(bare)


def _plain(name: bytes) -> bytes:
    return _ESCAPED.sub(rb"\1", name[1:-1]) if name[:1] in (b"'", b'"') else name


def _text(content: bytes) -> str:
    # ARFF has no encoding; files of early tools are Latin-1.
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        return content.decode("latin-1")
