"""A CSV file as the input of a job: read as a stream, a line that is no row set aside."""

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
from cascade.batch.inputs.tables import Columns, after, evenly
from cascade.data.readers.columns import Roles, check_names
from cascade.data.readers.tables import to_numbers
from cascade.errors import DataError

BLOCK_BYTES = 2**20
FIRST_LINE = 2
"""Arrow numbers lines from 1, the header among them."""
FAULT = ""
"""Column of the stream that says what is wrong with a line; no column of a file may be called so."""

NONE = pa.array(pyarrow.csv.ConvertOptions().null_values)
MOST_SHOWN = 20
UNSAFE = "\N{REPLACEMENT CHARACTER}"
TRUTH = {"true": 1.0, "false": 0.0}


class CsvInput:
    """Rows of a CSV file.

    Every cell is read as text and turned into a number here: a reader that guesses types from the first rows
    gives up on a later one, and one cell would end the job.

    Parameters
    ----------
    path : path
    roles : Roles
    features : tuple of str, or None
        Columns that the model was trained on.
    """

    def __init__(self, path: Path, roles: Roles, features: tuple[str, ...] | None) -> None:
        self.path = path
        names = _names(path)
        self.columns = Columns.choose(names, path, roles, features)
        self.n_rows: int | None = None
        self.row_bytes = 3 * self.columns.row_bytes

    def fingerprint(self) -> dict[str, Any]:
        """Name, size and time of the file."""
        return fingerprint_files(self.path.parent, [self.path.name])

    def chunks(self, size: int, first: int) -> Iterator[Chunk]:
        """Yield consecutive rows; what comes before row `first` is read over."""
        start = first
        for table in evenly(after(_read(self.path, self.columns.all), first), size):
            reasons = np.array(table[FAULT].to_pylist(), dtype=object)
            table = _decoded(table.drop_columns(FAULT), reasons)
            X = np.column_stack([_numbers(table, name, reasons) for name in self.columns.features])
            yield self.columns.chunk(table, X, start, reasons)
            start += table.num_rows


def _decoded(table: pa.Table, reasons: Reasons) -> pa.Table:
    """Cells as text; bytes that are none are a reason against their row."""
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
    """Numbers of a column of text, NaN where a cell is empty or none; the latter is a reason against its row."""
    trimmed = pc.utf8_trim_whitespace(table[name])
    told = pc.if_else(pc.is_in(trimmed, NONE), None, trimmed)
    try:
        return to_numbers(told.cast(pa.float64()))
    except pa.ArrowInvalid:
        cells = told.to_pylist()
    values = np.array([_number(cell) for cell in cells], dtype=np.float64)
    for row in np.flatnonzero(np.isnan(values)).tolist():
        if cells[row] is not None and reasons[row] is None:
            reasons[row] = f"feature {name!r} is {cells[row][:MOST_SHOWN]!r}, not a number"
    return values


def _number(cell: str | None) -> float:
    # Python takes 1_000 for a number, which no table means.
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
    """Yield the rows of a file as bytes, with a row that holds nothing but a fault for each line that is none."""
    faults, line = _Faults(), FIRST_LINE
    with _open(path, columns, faults) as reader:
        try:
            for batch in reader:
                table = faults.woven(pa.Table.from_batches([batch]), line)
                line += table.num_rows
                yield table
        except (pa.ArrowInvalid, OSError) as error:
            raise _unreadable(path, error) from error
        yield faults.woven(reader.schema.empty_table(), line)


def _open(path: Path, columns: list[str] | None, faults: _Faults) -> pyarrow.csv.CSVStreamingReader:
    cells = None if columns is None else {name: pa.binary() for name in columns}
    try:
        return pyarrow.csv.open_csv(
            path,
            # Lines are numbered only where one thread reads them.
            read_options=pyarrow.csv.ReadOptions(use_threads=False, block_size=BLOCK_BYTES),
            parse_options=pyarrow.csv.ParseOptions(invalid_row_handler=faults.note, newlines_in_values=True),
            convert_options=pyarrow.csv.ConvertOptions(column_types=cells, include_columns=columns),
        )
    except (pa.ArrowInvalid, OSError) as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: Exception) -> DataError:
    return DataError(f"`{path}` cannot be read as a table: {str(error).splitlines()[0]}")


class _Faults:
    """Lines with too few or too many cells, which the reader tells of, some blocks ahead, and leaves out."""

    def __init__(self) -> None:
        self.noted: deque[tuple[int, str]] = deque()

    def note(self, row: pyarrow.csv.InvalidRow) -> str:
        """Remember a line; called by the reader."""
        self.noted.append((row.number, f"its line has {row.actual_columns} cells, not {row.expected_columns}"))
        return "skip"

    def woven(self, table: pa.Table, line: int) -> pa.Table:
        """Put the lines that were left out back among those of `table`, the first of which is number `line`."""
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
        return table.take(pa.array(order, pa.int64())).append_column(FAULT, pa.array(reasons, pa.string()))

    def _is_next(self, line: int) -> bool:
        return bool(self.noted) and self.noted[0][0] == line
