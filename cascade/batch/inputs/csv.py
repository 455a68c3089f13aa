"""A CSV file as the input of a job: read as a stream, with malformed lines rejected."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
from numpy.typing import NDArray

from cascade.batch.inputs.chunk import Chunk, Reasons
from cascade.batch.inputs.file_state import fingerprint_files
from cascade.batch.inputs.tables import TableColumns, after, evenly
from cascade.data.readers.columns import Roles, check_names
from cascade.data.readers.tables import to_numbers
from cascade.errors import DataError

BLOCK_BYTES = 2**20
FIRST_LINE = 2
"""Arrow numbers lines from 1, including the header."""
FAULT = ""
"""Column that is added for what is wrong with a line; `check_names` refuses files with a column of this name."""

NONE = pa.array(pyarrow.csv.ConvertOptions().null_values)
MOST_SHOWN = 20
UNSAFE = "\N{REPLACEMENT CHARACTER}"
TRUTH = {"true": 1.0, "false": 0.0}


class CsvInput:
    """Rows of a CSV file.

    Every cell is read as text and parsed in this module. A reader that infers types from the first rows fails on a
    later cell of another type, and one such cell would end the job.

    Parameters
    ----------
    path : path
    roles : Roles
    features : tuple of str, or None
        Feature columns that the model was trained on.
    """

    def __init__(self, path: Path, roles: Roles, features: tuple[str, ...] | None) -> None:
        self.path = path
        names = _names(path)
        self.columns = TableColumns.choose(names, path, roles, features)
        self.n_rows: int | None = None
        # A chunk is held as text and as numbers at the same time.
        self.row_bytes = 3 * self.columns.row_bytes

    def fingerprint(self) -> dict[str, Any]:
        """Return the digest of name, size and time of the file."""
        return fingerprint_files(self.path.parent, [self.path.name])

    def chunks(self, size: int, first: int) -> Iterator[Chunk]:
        """Yield consecutive rows; rows before number `first` are read and dropped."""
        # A line has no known offset, so a resumed job cannot seek; quoted cells may contain line ends.
        start = first
        for table in evenly(after(_read(self.path, self.columns.all), first), size):
            reasons = np.array(table[FAULT].to_pylist(), dtype=object)
            table = _decoded(table.drop_columns(FAULT), reasons)
            X = np.column_stack([_numbers(table, name, reasons) for name in self.columns.features])
            yield self.columns.chunk(table, X, start, reasons)
            start += table.num_rows


def _decoded(table: pa.Table, reasons: Reasons) -> pa.Table:
    """Decode cells as UTF-8; rows with invalid bytes get a reason."""
    # The cast of whole columns is the fast path; only a chunk with invalid bytes is decoded cell by cell.
    try:
        return table.cast(pa.schema([(name, pa.string()) for name in table.column_names]))
    except pa.ArrowInvalid:
        columns = {name: [_text(cell) for cell in table[name].to_pylist()] for name in table.column_names}
    for name, cells in columns.items():
        for row in (row for row, cell in enumerate(cells) if cell is not None and UNSAFE in cell):
            reasons[row] = f"column {name!r} is not UTF-8"
    return pa.table({name: pa.array(cells, pa.string()) for name, cells in columns.items()})


def _text(cell: bytes | None) -> str | None:
    return None if cell is None else cell.decode("utf-8", errors="replace")


def _numbers(table: pa.Table, name: str, reasons: Reasons) -> NDArray[np.float64]:
    """Parse a column of text; NaN where a cell is empty or not a number, with a reason for the latter."""
    trimmed = pc.utf8_trim_whitespace(table[name])
    # The spellings that Arrow itself reads as missing, because Arrow reads CSV files for training.
    present = pc.if_else(pc.is_in(trimmed, NONE), None, trimmed)
    try:
        return to_numbers(present.cast(pa.float64()))
    except pa.ArrowInvalid:
        # The cast fails for the whole column; cell by cell, only the invalid ones are lost.
        cells = present.to_pylist()
    values = np.array([_number(cell) for cell in cells], dtype=np.float64)
    for row in np.flatnonzero(np.isnan(values)).tolist():
        if cells[row] is not None and reasons[row] is None:
            reasons[row] = f"feature {name!r} is {cells[row][:MOST_SHOWN]!r}, not a number"
    return values


def _number(cell: str | None) -> float:
    # Python parses 1_000 as a number; Arrow, which reads CSV files for training, does not.
    if cell is None or "_" in cell:
        return np.nan
    try:
        return float(TRUTH.get(cell.lower(), cell))
    except ValueError:
        return np.nan


def _names(path: Path) -> list[str]:
    with _open(path, None, _Faults()) as reader:
        names: list[str] = reader.schema.names
    check_names(names, path)
    return names


def _read(path: Path, columns: list[str]) -> Iterator[pa.Table]:
    """Yield the rows of a file as bytes; a malformed line becomes a row with only its fault."""
    faults, line = _Faults(), FIRST_LINE
    with _open(path, columns, faults) as reader:
        try:
            for batch in reader:
                table = faults.merged(pa.Table.from_batches([batch]), line)
                line += table.num_rows
                yield table
        except (pa.ArrowInvalid, OSError) as error:
            raise _unreadable(path, error) from error
        # Malformed lines after the last complete row belong to no batch.
        yield faults.merged(reader.schema.empty_table(), line)


def _open(path: Path, columns: list[str] | None, faults: _Faults) -> pyarrow.csv.CSVStreamingReader:
    # As bytes: as text, invalid UTF-8 in one cell would end the stream.
    cells = None if columns is None else {name: pa.binary() for name in columns}
    try:
        return pyarrow.csv.open_csv(
            path,
            # Arrow numbers lines only if one thread reads them.
            read_options=pyarrow.csv.ReadOptions(use_threads=False, block_size=BLOCK_BYTES),
            parse_options=pyarrow.csv.ParseOptions(invalid_row_handler=faults.note, newlines_in_values=True),
            convert_options=pyarrow.csv.ConvertOptions(column_types=cells, include_columns=columns),
        )
    except (pa.ArrowInvalid, OSError) as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: Exception) -> DataError:
    return DataError(f"`{path}` cannot be read as a table: {str(error).splitlines()[0]}")


class _Faults:
    """Lines with too few or too many cells, which the reader reports some blocks ahead and skips."""

    def __init__(self) -> None:
        self.noted: deque[tuple[int, str]] = deque()

    def note(self, row: pyarrow.csv.InvalidRow) -> str:
        """Store a malformed line; called by the reader."""
        self.noted.append((row.number, f"its line has {row.actual_columns} cells, not {row.expected_columns}"))
        return "skip"

    def merged(self, table: pa.Table, line: int) -> pa.Table:
        """Insert skipped lines as empty rows into `table`, whose first row is line number `line` of the file."""
        # The reader parses ahead, so a noted line may belong to a later table; the common case copies nothing.
        if not self.noted or self.noted[0][0] > line + table.num_rows:
            return table.append_column(FAULT, pa.nulls(table.num_rows, pa.string()))
        order: list[int | None] = []
        reasons: list[str | None] = []
        n_taken = 0
        while n_taken < table.num_rows or self._is_next(line + len(order)):
            fault = self._is_next(line + len(order))
            reasons.append(self.noted.popleft()[1] if fault else None)
            order.append(None if fault else n_taken)
            n_taken += not fault
        # `take` makes a row of nulls for each null index.
        return table.take(pa.array(order, pa.int64())).append_column(FAULT, pa.array(reasons, pa.string()))

    def _is_next(self, line: int) -> bool:
        return bool(self.noted) and self.noted[0][0] == line
