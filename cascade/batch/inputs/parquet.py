"""One Parquet file, or a folder of them, as the input of a job."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet

from cascade.batch.inputs.chunk import Chunk
from cascade.batch.inputs.file_state import fingerprint_files
from cascade.batch.inputs.tables import TableColumns, after, evenly
from cascade.data.readers.columns import Roles, check_names
from cascade.data.readers.tables import check_number_type, to_numbers
from cascade.errors import DataError

BUFFER = 2**16
"""Bytes of a column that are read at a time; without a buffer, Arrow reads the column of a whole row group."""
BATCH = 2**13


class ParquetInput:
    """Rows of Parquet files in the order of their names; only the needed columns are read.

    Parameters
    ----------
    folder : path
    files : list of str
        Names relative to the folder.
    roles : Roles
    features : tuple of str, or None
        Feature columns that the model was trained on.
    """

    def __init__(self, folder: Path, files: list[str], roles: Roles, features: tuple[str, ...] | None) -> None:
        self.folder, self.files = folder, files
        names = _names(folder / files[0])
        self.columns = TableColumns.choose(names, folder / files[0], roles, features)
        # All footers are read now, so that a bad file ends the job before hours of work, and any row can be located.
        self.lengths = [_count(folder / name, self.columns) for name in files]
        self.n_rows: int | None = sum(self.lengths)
        self.row_bytes = self.columns.row_bytes

    def fingerprint(self) -> dict[str, Any]:
        """Return the digest of names, sizes and times of the files."""
        return fingerprint_files(self.folder, self.files)

    def chunks(self, size: int, first: int) -> Iterator[Chunk]:
        """Yield consecutive rows, across files; row groups before row `first` are skipped."""
        start = first
        for table in evenly(self._tables(first), size):
            X = np.column_stack([to_numbers(table[name]) for name in self.columns.features])
            yield self.columns.chunk(table, X, start)
            start += table.num_rows

    def _tables(self, first: int) -> Iterator[pa.Table]:
        for name, length in zip(self.files, self.lengths, strict=True):
            # `first` counts from the start of this file; it is 0 from the file after the one that holds the row.
            if first < length:
                yield from _read(self.folder / name, self.columns.all, first)
            first = max(0, first - length)


def _open(path: Path) -> pyarrow.parquet.ParquetFile:
    # Pre-buffering would load the columns of all requested row groups into memory.
    try:
        return pyarrow.parquet.ParquetFile(path, buffer_size=BUFFER, pre_buffer=False)
    except (pa.ArrowInvalid, OSError) as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: Exception) -> DataError:
    return DataError(f"`{path}` cannot be read as a table: {str(error).splitlines()[0]}")


def _names(path: Path) -> list[str]:
    with _open(path) as file:
        names: list[str] = file.schema_arrow.names
    check_names(names, path)
    return names


def _count(path: Path, columns: TableColumns) -> int:
    """Return the number of rows of a file; refuse a file that lacks a column or has text in a feature column."""
    with _open(path) as file:
        schema = file.schema_arrow
        for name in columns.all:
            if name not in schema.names:
                raise DataError(f"`{path}` has no column {name!r}, unlike the first file of its folder.")
        for name in columns.features:
            check_number_type(schema.field(name).type, path, name)
        return int(file.metadata.num_rows)


def _read(path: Path, columns: list[str], first: int) -> Iterator[pa.Table]:
    with _open(path) as file:
        # Whole row groups are skipped by their metadata; only the rest of the first one is read and dropped.
        skipped, groups = 0, list(range(file.num_row_groups))
        while groups and skipped + file.metadata.row_group(groups[0]).num_rows <= first:
            skipped += file.metadata.row_group(groups.pop(0)).num_rows
        try:
            batches = file.iter_batches(BATCH, row_groups=groups, columns=columns)
            # Dictionaries differ between row groups; only plain columns can be concatenated.
            yield from after((_plain(pa.Table.from_batches([batch])) for batch in batches), first - skipped)
        except (pa.ArrowInvalid, OSError) as error:
            raise _unreadable(path, error) from error


def _plain(table: pa.Table) -> pa.Table:
    for place, field in enumerate(table.schema):
        if pa.types.is_dictionary(field.type):
            plain = table[field.name].cast(field.type.value_type)
            table = table.set_column(place, field.name, plain)
    return table
