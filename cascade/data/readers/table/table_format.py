"""How a text table is written: separator, encoding, decimal mark and spellings of a missing cell."""

from __future__ import annotations

import codecs
import gzip
import re
import zlib
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import dropwhile
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa

from cascade.data.readers.regular import opened, unreadable
from cascade.errors import ConfigError
from cascade.utils.address import Place

SEPARATORS = (",", ";", "\t", "|")
"""Tried in this order; the first that divides the most lines alike is taken."""
SNIFFED_BYTES = 2**16
SNIFFED_LINES = 200
TEXT_ENDINGS = (".csv", ".tsv")
COMPRESSIONS = (".gz", ".zst")
FEW_DAMAGED = 0.05
"""Share of lines that are no UTF-8, up to which these are rejected and the file is not read in another encoding."""
_MULTIBYTE = re.compile(rb"[\xc3-\xf4][\x80-\xbf]+(?![\x80-\xbf])")
_MARKS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
_DECIMAL_COMMA = re.compile(r"[+-]?[0-9]+,[0-9]+")
_DECIMAL_POINT = re.compile(r"[+-]?([0-9]+\.[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")


@dataclass(frozen=True)
class TableFormat:
    """How a text table is written; None is found out from the first lines.

    Attributes
    ----------
    separator : str, or None
        One character between cells.
    encoding : str, or None
        Name of an encoding, as Python has it.
    decimal : {".", ","}, or None
        Decimal mark of numbers.
    missing : tuple of str
        Further spellings of a missing cell, such as "?".
    """

    separator: str | None = None
    encoding: str | None = None
    decimal: str | None = None
    missing: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.separator is not None and len(self.separator) != 1:
            raise ConfigError(f"`csv.separator` must be one character. Received {self.separator!r}.")
        if self.decimal not in (None, ".", ","):
            raise ConfigError(f"`csv.decimal` must be '.' or ','. Received {self.decimal!r}.")
        if self.encoding is not None:
            try:
                codecs.lookup(self.encoding)
            except LookupError:
                raise ConfigError(f"`csv.encoding` must be a known encoding. Received {self.encoding!r}.") from None

    def of(self, path: Place) -> TableFormat:
        """Return the format of a file, with what is not given found out from its first lines.

        Raises
        ------
        DataError
            If the file cannot be read.
        """
        with opened(path) as handle, unpacked(handle, path) as stream:
            head = stream.read(SNIFFED_BYTES)
        encoding = self.encoding or encoding_of(head)
        # The end of the sample may cut a character; cells with invalid bytes are rejected one by one.
        text = codecs.getincrementaldecoder(encoding)("replace").decode(head)
        lines = [line for line in text.splitlines()[:SNIFFED_LINES] if line.strip()]
        # Comments may have any marks in them.
        lines = list(dropwhile(lambda line: line.startswith("#"), lines)) or lines
        separator = self.separator or ("\t" if ending(path) == ".tsv" else separator_of(lines))
        decimal = self.decimal or decimal_of(lines, separator)
        return replace(self, separator=separator, encoding=encoding, decimal=decimal)

    def described(self) -> str:
        """Return one line for the log.

        Examples
        --------
        >>> TableFormat(";", "latin-1", ",").described()
        "separator ';', encoding latin-1, decimal mark ','"
        """
        more = f", missing {', '.join(map(repr, self.missing))}" if self.missing else ""
        return f"separator {self.separator!r}, encoding {self.encoding}, decimal mark {self.decimal!r}{more}"


def encoding_of(head: bytes) -> str:
    """Return the encoding of a file by its first bytes: its mark, UTF-8, or Windows-1252 where that is no UTF-8.

    Few lines that are no UTF-8 are damaged ones; a header or many lines show another encoding, unless other characters
    are valid UTF-8.

    Examples
    --------
    >>> encoding_of("é".encode()), encoding_of("é,1".encode("latin-1")), encoding_of("a".encode("utf-16"))
    ('utf-8', 'cp1252', 'utf-16')
    """
    for mark, name in _MARKS:
        if head.startswith(mark):
            return name
    # Of UTF-16 without a mark, every other byte of plain text is 0.
    if head.count(0) * 4 > len(head):
        return "utf-16-le" if head[1:2] == b"\0" else "utf-16-be"
    lines = head.splitlines()
    # The sample may cut the last character of its last line.
    invalid = [number for number, line in enumerate(lines[:-1] or lines) if not _is_utf8(line)]
    if not invalid or _MULTIBYTE.search(head):
        return "utf-8"
    return "cp1252" if invalid[0] == 0 or len(invalid) > FEW_DAMAGED * len(lines) else "utf-8"


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def separator_of(lines: list[str]) -> str:
    """Return the separator that divides lines into the same number of cells; a comma where none does.

    Examples
    --------
    >>> separator_of(["a;b;c", "1,5;2;3", "2,5;x;4"]), separator_of(["comment", "yes, well"])
    (';', ',')
    """
    best, most = ",", 0.0
    for separator in SEPARATORS:
        counts = Counter(_outside_quotes(line, separator) for line in lines)
        header = _outside_quotes(lines[0], separator) if lines else 0
        # Lines within quotes have other numbers of separators, so only a share has to agree with the header.
        share = counts[header] / max(len(lines), 1) if header else 0.0
        if share > most + 0.1:
            best, most = separator, share
    return best


def _outside_quotes(line: str, separator: str) -> int:
    return line.count(separator) if '"' not in line else re.sub(r'"[^"]*"', "", line).count(separator)


def decimal_of(lines: list[str], separator: str) -> str:
    """Return the decimal mark: a comma where cells look like 1,5 and none like 1.5.

    Examples
    --------
    >>> decimal_of(["a;b", "1,5;2"], ";"), decimal_of(["a,b", "1,5"], ",")
    (',', '.')
    """
    if separator == ",":
        return "."
    cells = [cell.strip(' "') for line in lines[1:] for cell in line.split(separator)]
    commas = any(_DECIMAL_COMMA.fullmatch(cell) for cell in cells)
    return "," if commas and not any(_DECIMAL_POINT.fullmatch(cell) for cell in cells) else "."


def is_text_table(path: Place) -> bool:
    """Return whether the name of a file is that of a text table, compressed or not.

    Examples
    --------
    >>> is_text_table(Path("a.csv.gz")), is_text_table(Path("A.TSV")), is_text_table(Path("a.json"))
    (True, True, False)
    """
    return ending(path) in TEXT_ENDINGS


def ending(path: Place) -> str:
    """Return the ending of a file in lower case, without that of a compression.

    Examples
    --------
    >>> ending(Path("a.CSV.gz"))
    '.csv'
    """
    name = path.name.lower()
    for compression in COMPRESSIONS:
        name = name.removesuffix(compression)
    return Path(name).suffix


@contextmanager
def unpacked(handle: BinaryIO, path: Place) -> Iterator[Any]:
    """Read an open file as a stream of plain bytes, unpacked where its name ends in .gz or .zst."""
    name = path.name.lower()
    try:
        if name.endswith(".gz"):
            with gzip.GzipFile(fileobj=handle) as stream:
                yield stream
        elif name.endswith(".zst"):
            with pa.CompressedInputStream(pa.PythonFile(handle), "zstd") as stream:
                yield stream
        else:
            yield handle
    except (EOFError, zlib.error, gzip.BadGzipFile, pa.ArrowException) as error:
        raise unreadable(path, error) from error


def in_utf8(stream: Any, encoding: str) -> Any:
    """Return a stream of UTF-8 for one in another encoding; what cannot be decoded stays invalid.

    UTF-8 itself is not touched, so that a cell with invalid bytes is rejected and not the file.
    """
    if encoding in ("utf-8", "utf-8-sig", "ascii"):
        return stream
    return codecs.EncodedFile(stream, "utf-8", encoding, errors="surrogateescape")
