"""Parquet and Arrow files, one or several, as a stream of tables of text and numbers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pyarrow as pa
import pyarrow.parquet

from cascade.data.readers.regular import check_regular, is_of_machine, opened, unreadable
from cascade.data.readers.table.arrow import ENDINGS as ARROW
from cascade.data.readers.table.arrow import arrow_batches, arrow_schema
from cascade.data.readers.table.cells import is_numeric, is_text, names_of, no_reasons, numbers_of, plain
from cascade.data.readers.table.columns import check_names
from cascade.errors import DataError
from cascade.utils.address import Address, Place

BUFFER = 2**16
"""Bytes of a column that are read at a time; without a buffer, Arrow reads the column of a whole row group."""
FAR_BUFFER = 2**21
"""The same for files of a store, where each read is a request."""
AT_ONCE = 2**26
"""Most bytes of a row group of a store that are read at once, with few requests for all columns."""
BATCH = 2**13
ENDINGS = (".parquet", *ARROW)


def is_arrow(name: str) -> bool:
    """Return whether the name of a file is that of an Arrow file."""
    return name.lower().endswith(ARROW)


class TypedFiles:
    """Rows of Parquet or Arrow files in the order of their names; only the requested columns are read.

    Parameters
    ----------
    folder : path or address
    files : list of str
        Names relative to the folder.

    Attributes
    ----------
    names : list of str
        Columns of the first file.
    index : set of str
        Those of them that are an index which pandas saved.
    n_rows : int or None
        None with an Arrow file, which has no number of rows.
    starts : list of (int, path)
        Number of the first row of each file that was read.
    """

    def __init__(self, folder: Place, files: list[str]) -> None:
        self.folder, self.files = folder, files
        # All footers are read now, so that a bad file ends the job before hours of work, and any row can be located.
        self.schemas: list[pa.Schema] = []
        self.lengths: list[int | None] = []
        for name in files:
            if is_arrow(name):
                self.schemas.append(arrow_schema(folder / name))
                self.lengths.append(None)
                continue
            with _open(folder / name) as file:
                self.schemas.append(file.schema_arrow)
                # Names that are no UTF-8 raise an error when they are read, which is caught here.
                _ = file.schema_arrow.names
                self.lengths.append(int(file.metadata.num_rows))
        self.schema = self.schemas[0]
        self.names: list[str] = self.schema.names
        self.index = saved_index(self.schema)
        check_names(self.names, folder / files[0])
        known = [length for length in self.lengths if length is not None]
        self.n_rows: int | None = sum(known) if len(known) == len(files) else None
        self.starts: list[tuple[int, Place]] = []

    def check(self, columns: list[str], numbers: list[str]) -> None:
        """Refuse files that lack one of the columns, or have something else than numbers in one of `numbers`."""
        for name, schema in zip(self.files, self.schemas, strict=True):
            for column in columns:
                if column not in schema.names:
                    raise DataError(f"`{self.folder / name}` has no column {column!r}, unlike the first file.")
                if len(schema.get_all_field_indices(column)) > 1:
                    check_names(schema.names, self.folder / name)
            for column in numbers:
                _check_number_type(schema.field(column).type, self.folder / name, column)

    def tables(self, columns: list[str], numbers: list[str], others: list[str], first: int = 0) -> Iterator[pa.Table]:
        """Yield the rows from number `first` on; earlier row groups are skipped.

        The types of columns may differ between files: those in `numbers` become floats, those in `others` keep the type
        of the first file, and the rest becomes the text of groups and identifiers.
        """
        kept = {name: self.schema.field(name).type for name in [*others, *filter(self._is_one_float, numbers)]}
        start = 0
        self.starts = []
        for name, length in zip(self.files, self.lengths, strict=True):
            self.starts.append((start, self.folder / name))
            # The first row, counted from the start of this file.
            skipped = max(0, first - start)
            if length is None or skipped < length:
                for n_read, table in self._read(name, columns, skipped):
                    length = n_read if self.n_rows is None else length
                    if table.num_rows:
                        yield _unified(table, numbers, kept, self.folder / name)
            start += length or 0

    def _is_one_float(self, column: str) -> bool:
        """Return whether a column has one type of floats in all files, which needs no conversion."""
        kinds = {schema.field(column).type for schema in self.schemas}
        return len(kinds) == 1 and pa.types.is_floating(*kinds)

    def _read(self, name: str, columns: list[str], first: int) -> Iterator[tuple[int, pa.Table]]:
        """Yield the rows of a file from one on, each table with the number of the row behind it."""
        place = self.folder / name
        if not is_arrow(name):
            for table in _read(place, columns, first):
                first += table.num_rows
                yield first, table
            return
        n_read = 0
        for table in arrow_batches(place, columns):
            n_read += table.num_rows
            yield n_read, table.slice(max(0, first - (n_read - table.num_rows)))

    def typed(self, columns: list[str]) -> Iterator[pa.Table]:
        """Yield the rows of the first file with the types that it has."""
        return (table for _, table in self._read(self.files[0], columns, 0))


def saved_index(schema: pa.Schema) -> set[str]:
    """Return the columns that pandas saved as the index of a data frame: its metadata name them."""
    try:
        described = json.loads((schema.metadata or {}).get(b"pandas", b"{}"))
        # A range of row numbers is described by an object and has no column.
        return {name for name in described.get("index_columns", []) if isinstance(name, str)}
    except (ValueError, AttributeError, TypeError):
        return set()


def class_names(schema: pa.Schema, column: str) -> tuple[str, ...]:
    """Return the names of the numbers in a column of classes, or of lists of them; empty where a file has none.

    They are in the metadata that Hugging Face's library writes.
    """
    try:
        feature = json.loads((schema.metadata or {}).get(b"huggingface", b"{}"))["info"]["features"][column]
        inner = feature[0] if isinstance(feature, list) else feature.get("feature", feature)
        names = inner["names"]
        return tuple(names) if all(isinstance(name, str) for name in names) else ()
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return ()


def _check_number_type(kind: pa.DataType, path: Place, name: str) -> None:
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    if not is_numeric(kind):
        raise DataError(
            f"`{path}` must hold numbers in column {name!r}. Received {kind}; leave it out, or name it as group or id."
        )


def _unified(table: pa.Table, numbers: list[str], kept: dict[str, pa.DataType], path: Place) -> pa.Table:
    """Return columns whose types do not depend on the file, so that parts of files can be concatenated."""
    columns = {}
    for name in table.column_names:
        if name in kept:
            columns[name] = _as_first(table[name], kept[name], path, name)
        elif name in numbers:
            columns[name] = pa.array(numbers_of(plain(table[name]), name, no_reasons(table.num_rows)))
        else:
            columns[name] = _as_names(plain(table[name]), name)
    return pa.table(columns)


def _as_names(column: pa.ChunkedArray, name: str) -> pa.ChunkedArray | pa.Array:
    # Texts of all types are read by one rule later.
    if is_text(column.type):
        return column.cast(pa.string())
    return pa.array(names_of(column, name, no_reasons(len(column))), pa.string())


def _as_first(column: pa.ChunkedArray, kind: pa.DataType, path: Place, name: str) -> pa.ChunkedArray:
    """Return a column in the type of the first file, without dictionaries, which differ between row groups."""
    column = plain(column)
    wanted = kind.value_type if pa.types.is_dictionary(kind) else kind
    try:
        return column if column.type == wanted else column.cast(wanted)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise DataError(
            f"`{path}` must hold {wanted} in column {name!r}, as the first file does. Received {column.type}."
        ) from error


@contextmanager
def _open(path: Place, metadata: Any = None, at_once: bool = False) -> Iterator[pyarrow.parquet.ParquetFile]:
    check_regular(path)
    buffer = FAR_BUFFER if isinstance(path, Address) else BUFFER
    try:
        # Pre-buffering would load the columns of all requested row groups into memory.
        options = {"metadata": metadata, "buffer_size": buffer, "pre_buffer": at_once}
        with _source(path) as source, pyarrow.parquet.ParquetFile(source, **options) as file:
            yield file
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        if is_of_machine(error):
            raise
        raise unreadable(path, error) from error


@contextmanager
def _source(path: Place) -> Iterator[object]:
    if isinstance(path, Address):
        with path.raw() as stream:
            yield stream
        return
    # Arrow takes only paths that are UTF-8.
    try:
        str(path).encode("utf-8")
    except UnicodeEncodeError:
        with opened(path) as handle:
            yield handle
    else:
        yield path


def read_typed(path: Place) -> pa.Table:
    """Read a whole file with the types that it has, without an index that pandas saved."""
    files = TypedFiles(path.parent, [path.name])
    columns = [name for name in files.names if name not in files.index]
    tables = list(files.typed(columns))
    return pa.concat_tables(tables) if tables else pa.schema([files.schema.field(k) for k in columns]).empty_table()


def _read(path: Place, columns: list[str], first: int) -> Iterator[pa.Table]:
    with _open(path) as file:
        # Whole row groups are skipped by their metadata; only the rest of the first one is read and dropped.
        skipped, groups = 0, list(range(file.num_row_groups))
        while groups and skipped + file.metadata.row_group(groups[0]).num_rows <= first:
            skipped += file.metadata.row_group(groups.pop(0)).num_rows
        left = first - skipped
        for batch in _batches(path, file, groups, columns):
            table = pa.Table.from_batches([batch]).slice(left)
            left = max(0, left - batch.num_rows)
            if table.num_rows:
                # Arrow returns the columns in the order of the file.
                yield _checked(table.select(columns))


def _checked(table: pa.Table) -> pa.Table:
    """Raise an error of Arrow for texts that are no UTF-8, which Parquet files may hold."""
    for column in table.columns:
        if is_text(column.type):
            column.validate(full=True)
    return table


def _batches(
    path: Place, file: pyarrow.parquet.ParquetFile, groups: list[int], columns: list[str]
) -> Iterator[pa.RecordBatch]:
    """Yield the rows of row groups; of a store, small row groups are read one by one, each with few requests."""
    if not isinstance(path, Address) or _largest(file, groups, columns) > AT_ONCE:
        yield from file.iter_batches(BATCH, row_groups=groups, columns=columns)
        return
    with _open(path, file.metadata, at_once=True) as far:
        for group in groups:
            yield from far.iter_batches(BATCH, row_groups=[group], columns=columns)


def _largest(file: pyarrow.parquet.ParquetFile, groups: list[int], columns: list[str]) -> int:
    """Return the largest number of bytes that some columns have in a row group."""
    parts = [file.metadata.row_group(group) for group in groups]
    # Of nested columns, such as a list, a schema names the innermost part.
    inner = tuple(f"{name}." for name in columns)
    paths = [file.metadata.schema.column(k).path for k in range(file.metadata.num_columns)]
    chosen = [k for k, path in enumerate(paths) if path in columns or path.startswith(inner)]
    return max((sum(part.column(k).total_compressed_size for k in chosen) for part in parts), default=0)
