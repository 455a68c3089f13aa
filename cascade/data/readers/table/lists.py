"""Lists in a table, such as the images of a folder or the labels of an array: read whole, with all of their columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from cascade.data.labels import Labels
from cascade.data.missing import Known
from cascade.data.readers.table.cells import is_numeric, is_text, labels_of, names_of, no_reasons, plain, refuse_invalid
from cascade.data.readers.table.columns import check_names, refuse_duplicates, require
from cascade.data.readers.table.columns import listed as listed_names
from cascade.data.readers.table.csv import FAULT, PLAIN, CsvFile
from cascade.data.readers.table.json_lines import JsonLinesFile, is_json_lines
from cascade.data.readers.table.label_lists import LabelList, bits_of, names_in
from cascade.data.readers.table.parquet import ENDINGS, read_typed
from cascade.data.readers.table.table_format import TableFormat
from cascade.errors import DataError
from cascade.utils.address import Place
from cascade.utils.types import Rows


@dataclass(frozen=True)
class Listed:
    """Labels of the rows of a list.

    Attributes
    ----------
    names : tuple of str
    Y : ndarray of 0/1, shape (n, L), or None
    known : ndarray of bool, shape (n, L), or None
    """

    names: tuple[str, ...]
    Y: Labels | None
    known: Known

    def part(self, rows: Rows) -> Listed:
        """Return the labels of some rows."""
        if self.Y is None:
            return self
        return Listed(self.names, self.Y[rows], None if self.known is None else self.known[rows])


def read_table(path: Path, format: TableFormat = PLAIN) -> pa.Table:
    """Read a text table, whose cells stay text, or a Parquet or Arrow file, of which every row must be valid."""
    if path.suffix.lower() in ENDINGS:
        table = read_typed(path)
    else:
        file = JsonLinesFile(path) if is_json_lines(path) else CsvFile(path, format)
        table = pa.concat_tables(list(file.tables(file.names)))
        refuse_invalid(np.array(table[FAULT].to_pylist(), dtype=object), path)
        table = table.drop_columns(FAULT)
    check_names(table.column_names, path)
    if not table.num_rows:
        raise DataError(f"`{path}` must hold at least one row. Received none.")
    return table


def list_column(table: pa.Table, path: Path, spec: LabelList, names: tuple[str, ...] | None) -> Listed:
    """Read the labels of a column of lists: those that are named, or all that occur, in alphabetical order."""
    require(table.column_names, path, [spec.column, *([] if spec.id is None else [spec.id])], "label")
    rows = names_in(plain(table[spec.column]), spec)
    chosen = chosen_names(rows, names, path)
    return Listed(chosen, bits_of(rows, chosen), None)


def chosen_names(rows: Sequence[tuple[str, ...]], names: tuple[str, ...] | None, path: Place) -> tuple[str, ...]:
    """Return the label names of lists: the given ones, which must be all that occur, or those in alphabetical order."""
    found = sorted({name for row in rows for name in row})
    if names is None:
        if not found:
            raise DataError(f"`{path}` must list at least one label. Received none; check `data.labels.none`.")
        return tuple(found)
    other = [name for name in found if name not in names]
    if other:
        raise DataError(f"`{path}` lists a label {other[0]!r} that is not one of {listed_names(names)}.")
    return names


def one_row_each(table: pa.Table, labels: Listed, names: NDArray[np.str_]) -> tuple[pa.Table, Listed, NDArray[np.str_]]:
    """Join rows of one name, of which there is one per label; other columns are those of the first row."""
    _, first, number = np.unique(names, return_index=True, return_inverse=True)
    order = np.argsort(first)
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    kept = first[order]
    Y = labels.Y
    if Y is not None:
        joined = np.zeros((len(kept), Y.shape[1]), np.uint8)
        np.maximum.at(joined, rank[number], Y)
        Y = joined
    return table.take(pa.array(kept)), Listed(labels.names, Y, None), names[kept]


def label_columns(
    table: pa.Table,
    path: Path,
    names: tuple[str, ...],
    missing: bool,
    uncertain: tuple[str, ...] = (),
    negative: tuple[str, ...] = (),
) -> tuple[Labels, Known]:
    """Read label columns as 0/1 of shape (rows, labels), with the mask of the known ones if cells may be empty."""
    if not names:
        raise DataError(f"`{path}` must have at least one label column. Received none.")
    require(table.column_names, path, names, "label")
    reasons = no_reasons(table.num_rows)
    columns = []
    for name in names:
        column = plain(table[name])
        if not (is_text(column.type) or is_numeric(column.type)):
            raise DataError(f"`{path}` must hold 0 or 1 in label column {name!r}. Received {column.type}.")
        columns.append(labels_of(column, name, missing, reasons, uncertain, negative))
        refuse_invalid(reasons, path)
    known = np.column_stack([is_known for _, is_known in columns])
    return np.column_stack([bits for bits, _ in columns]), None if known.all() else known


def group_column(table: pa.Table, path: Path, name: str | None) -> NDArray[Any] | None:
    """Read the group of each row, or None where no group is named."""
    return None if name is None else _named(table, path, name, "group")


def id_column(table: pa.Table, path: Path, name: str | None) -> NDArray[Any]:
    """Read the identifiers, or number the rows."""
    if name is None:
        return np.arange(table.num_rows).astype(str)
    values = _named(table, path, name, "id")
    refuse_duplicates(values, path, name)
    return values


def _named(table: pa.Table, path: Path, name: str, role: str) -> NDArray[Any]:
    require(table.column_names, path, [name], role)
    reasons = no_reasons(table.num_rows)
    values = names_of(table[name], name, reasons)
    refuse_invalid(reasons, path)
    return values.astype(str)
