"""Lists in a table, such as the images of a folder or the labels of an array: read whole, with all of their columns."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from cascade.data.labels import Labels
from cascade.data.missing import Known
from cascade.data.readers.cells import is_numeric, is_text, labels_of, names_of, no_reasons, plain, refuse_invalid
from cascade.data.readers.columns import check_names, refuse_duplicates, require
from cascade.data.readers.csv import FAULT, CsvFile
from cascade.data.readers.parquet import read_parquet
from cascade.errors import DataError


def read_table(path: Path) -> pa.Table:
    """Read a CSV file, whose cells stay text, or a Parquet file, of which every row must be valid."""
    if path.suffix.lower() == ".parquet":
        table = read_parquet(path)
    else:
        file = CsvFile(path)
        table = pa.concat_tables(list(file.tables(file.names)))
        refuse_invalid(np.array(table[FAULT].to_pylist(), dtype=object), path)
        table = table.drop_columns(FAULT)
    check_names(table.column_names, path)
    if not table.num_rows:
        raise DataError(f"`{path}` must hold at least one row. Received none.")
    return table


def label_columns(table: pa.Table, path: Path, names: tuple[str, ...], missing: bool) -> tuple[Labels, Known]:
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
        columns.append(labels_of(column, name, missing, reasons))
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
