"""A CSV file as a stream of tables of text, with a reason for each malformed line."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from itertools import chain, dropwhile

import numpy as np
import pyarrow as pa
import pyarrow.csv

from cascade.data.names import MISSING
from cascade.data.readers.regular import opened
from cascade.data.readers.table.cells import Reasons, TextCells, is_text, numbers_of
from cascade.data.readers.table.columns import check_names
from cascade.data.readers.table.csv_records import RecordReader, Records, cells_of, lines_of
from cascade.data.readers.table.preamble import is_spaced, without_comments
from cascade.data.readers.table.table_format import TableFormat, in_utf8, unpacked
from cascade.errors import CascadeError, DataError
from cascade.utils.address import Place

FAULT = ""
"""Column that is added for what is wrong with a line; `check_names` refuses files with a column of this name."""
UTF8_MARK = b"\xef\xbb\xbf"
PLAIN = TableFormat()


class CsvFile:
    """Rows of a CSV file.

    Every cell is read as text. A reader that infers types from the first rows fails on a later cell of another type,
    and one such cell would end a job.

    Parameters
    ----------
    path : path or address
    format : TableFormat
        What it does not give is found out from the first lines.

    Attributes
    ----------
    format : TableFormat
        Complete.
    names : list of str
    n_rows : None
        Not known before the file is read.
    """

    n_rows: int | None = None

    def __init__(self, path: Place, format: TableFormat = PLAIN) -> None:
        self.path, self.format = path, format.of(path)
        self.separator = str(self.format.separator).encode()
        with self._opened() as (header, blocks):
            self.spaced = is_spaced(header, self.separator)
            self.names = _names(header, path, self.separator, self.spaced)
            if self.names[-1] == "" and self._has_fewer_cells(next(blocks, [])):
                self.names.pop()
        check_names(self.names, path)

    def _has_fewer_cells(self, lines: list[bytes]) -> bool:
        """Return whether all first rows have a cell less than the header, which ends in a separator."""
        rows = [cells_of(line, self.separator, self.spaced) for line in lines[:10] if line]
        return bool(rows) and all(cells is not None and len(cells) == len(self.names) - 1 for cells in rows)

    def tables(self, columns: list[str], numbers: Collection[str] = ()) -> Iterator[pa.Table]:
        """Yield all rows, with the given columns as text and the column `FAULT`; a malformed line has only a fault.

        The columns `numbers` are floats in those tables in which each of their cells is a number or missing.
        """
        with self._opened() as (_, blocks):
            first = next(blocks, [])
            reader = RecordReader(len(self.names), first, self.separator, self.spaced)
            for lines in chain([first], blocks):
                yield self._table(reader.read(lines), columns, numbers)
            yield self._table(reader.finish(), columns, numbers)

    @contextmanager
    def _opened(self) -> Iterator[tuple[bytes, Iterator[list[bytes]]]]:
        """Open the file; yield the record of its header, and blocks of its other lines."""
        with opened(self.path) as handle, unpacked(handle, self.path) as stream:
            blocks = _without_mark(lines_of(in_utf8(stream, str(self.format.encoding))))
            # Blank lines may precede the header.
            first = next((rest for lines in blocks if (rest := list(dropwhile(_is_blank, lines)))), None)
            if first is None:
                raise DataError(f"`{self.path}` cannot be read as a table: it is empty.")
            first = without_comments(first, self.separator)
            n_lines = _header_lines(first, self.separator)
            yield b"\n".join(first[:n_lines]), chain([first[n_lines:]], blocks)

    def _table(self, records: Records, columns: list[str], numbers: Collection[str]) -> pa.Table:
        reasons = records.reasons
        table = self._parsed(records.valid, columns, numbers)
        # The promise is that no row gets lost, whatever two parsers understand.
        if table.num_rows != len(records.valid):
            raise CascadeError(f"`{self.path}` must give {len(records.valid)} rows. Received {table.num_rows}.")
        if len(reasons) > table.num_rows:
            places = iter(range(table.num_rows))
            # `take` makes a row of nulls for each null index.
            table = table.take(pa.array([next(places) if why is None else None for why in reasons], pa.int64()))
        texts = []
        for name in columns:
            cells, invalid = (table[name], []) if pa.types.is_floating(table[name].type) else _decoded(table[name])
            texts.append(cells)
            for row in invalid:
                reasons[row] = reasons[row] or f"column {name!r} is not UTF-8"
        return pa.table([*texts, pa.array(reasons, pa.string())], names=[*columns, FAULT])

    def _parsed(self, records: list[bytes], columns: list[str], numbers: Collection[str]) -> pa.Table:
        """Parse records into columns of bytes, and of floats where that says the same."""
        if numbers:
            missing = MISSING.union(self.format.missing)
            try:
                table = _parsed(records, self.names, columns, self.separator, numbers, missing)
            except pa.ArrowInvalid:
                # Arrow does not say which cells are no numbers, or trims other blanks.
                table = None
            # Arrow takes further spellings for NaN, which are no missing cells.
            if table is not None and not any(_has_nan(table[name]) for name in numbers):
                return table
        return _parsed(records, self.names, columns, self.separator)


def _is_blank(line: bytes) -> bool:
    return not line


def _header_lines(lines: list[bytes], separator: bytes) -> int:
    """Return how many of the first lines form the header, whose names may hold line ends."""
    for number in range(1, len(lines) + 1):
        if b'"' not in lines[0] or cells_of(b"\n".join(lines[:number]), separator) is not None:
            return number
        # A header that needs more lines than this has a stray quote; it is read without them, and refused.
        if number == 100:
            break
    return 1


def _without_mark(blocks: Iterator[list[bytes]]) -> Iterator[list[bytes]]:
    """Remove the byte order mark of UTF-8 from the first line."""
    for number, lines in enumerate(blocks):
        if number == 0 and lines:
            lines[0] = lines[0].removeprefix(UTF8_MARK)
        yield lines


def _names(header: bytes, path: Place, separator: bytes, spaced: bool) -> list[str]:
    cells = cells_of(header, separator, spaced)
    if cells is None:
        raise DataError(f"`{path}` cannot be read as a table: the quotes of its header do not enclose whole names.")
    if b"\0" in header:
        raise DataError(f"`{path}` cannot be read as a table: its header has NUL bytes; save it as text in UTF-8.")
    names = []
    for place, cell in enumerate(cells):
        try:
            name = cell.decode("utf-8")
        except UnicodeDecodeError as error:
            shown = cell.decode("utf-8", "backslashreplace")
            raise DataError(
                f"`{path}` must be text in UTF-8. Its column number {place} is named {shown!r}; save it as UTF-8."
            ) from error
        names.append(name.strip(" ") if spaced else name)
    return names


def _parsed(
    records: list[bytes],
    names: list[str],
    columns: list[str],
    separator: bytes,
    numbers: Collection[str] = (),
    missing: Collection[str] = (),
) -> pa.Table:
    """Parse records, of which each has the right number of cells, into columns of bytes and of floats."""
    types = {name: pa.float64() if name in numbers else pa.binary() for name in columns}
    if not records:
        return pa.schema(types).empty_table()
    content = b"\n".join(records) + b"\n"
    if not columns:
        # Arrow reads all columns where none is requested.
        return pa.table({FAULT: pa.nulls(len(records))}).select([])
    return pyarrow.csv.read_csv(
        pa.BufferReader(content),
        # One block: rows are not cut, and Arrow's own threads would only split it again.
        read_options=pyarrow.csv.ReadOptions(use_threads=False, block_size=len(content) + 1, column_names=names),
        parse_options=pyarrow.csv.ParseOptions(delimiter=separator.decode(), newlines_in_values=True),
        # As bytes: as text, invalid UTF-8 in one cell would end the file.
        convert_options=pyarrow.csv.ConvertOptions(
            column_types=types, include_columns=columns, null_values=sorted(missing)
        ),
    )


def _has_nan(column: pa.ChunkedArray) -> bool:
    return bool(np.isnan(column.to_numpy()).sum() > column.null_count)


def with_numbers(table: pa.Table, numbers: Collection[str], cells: TextCells) -> pa.Table:
    """Return a table of text with some columns as floats, where cells that are no numbers are faults of their rows."""
    texts = [name for name in numbers if is_text(table[name].type)]
    if not texts:
        return table
    reasons: Reasons = np.array(table[FAULT].to_pylist(), dtype=object)
    for name in texts:
        values = numbers_of(table[name], f"feature {name!r}", reasons, cells)
        table = table.set_column(table.schema.get_field_index(name), name, pa.array(values))
    return table.set_column(table.schema.get_field_index(FAULT), FAULT, pa.array(reasons.tolist(), pa.string()))


def _decoded(column: pa.ChunkedArray) -> tuple[pa.ChunkedArray, list[int]]:
    """Decode cells as UTF-8; return them with the rows of which that fails, which are empty."""
    # The cast of a whole column is the fast path; only a block with invalid bytes is decoded cell by cell.
    try:
        return column.cast(pa.string()), []
    except pa.ArrowInvalid:
        cells, invalid = [], []
    for row, cell in enumerate(column.to_pylist()):
        try:
            cells.append(None if cell is None else cell.decode("utf-8"))
        except UnicodeDecodeError:
            cells.append(None)
            invalid.append(row)
    return pa.chunked_array([pa.array(cells, pa.string())]), invalid
