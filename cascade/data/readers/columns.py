"""Columns of a table: which are labels, group, identifier; and labels that must be 0 or 1."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
from numpy.typing import NDArray

from cascade.data.labels import Labels
from cascade.data.missing import Known
from cascade.data.readers.pixels import PixelOptions
from cascade.errors import DataError
from cascade.utils.types import Mask

MOST_LISTED = 12
"""Column names that an error lists."""


@dataclass(frozen=True)
class Roles:
    """Which columns of the data play which role.

    Attributes
    ----------
    labels : tuple of str, or None
        Label columns; None takes those that the file defines.
    group, id : str or None
        Column of the group (patient, document) and of the identifier.
    label_file : path or None
        Labels of an array file that holds only X.
    allow_missing : bool
        Whether NaN features are passed on to estimators that take them.
    missing_labels : bool
        Whether empty cells in label columns of a table are labels that are not known.
    optional : frozenset of str
        Columns that may be absent, such as those saved with a model.
    pixels : PixelOptions
        How images and DICOM slices become pixels.
    """

    labels: tuple[str, ...] | None = None
    group: str | None = None
    id: str | None = None
    label_file: Path | None = None
    allow_missing: bool = False
    missing_labels: bool = False
    optional: frozenset[str] = frozenset()
    pixels: PixelOptions = field(default_factory=PixelOptions)

    def within(self, columns: Sequence[str]) -> Roles:
        """Drop the group and the identifier if they are optional and not among `columns`."""
        absent = self.optional - set(columns)
        group, row_id = (None if name in absent else name for name in (self.group, self.id))
        return replace(self, group=group, id=row_id)


def read_table(path: Path, named: Sequence[str | None] = ()) -> pa.Table:
    """Read a CSV or Parquet file; columns in `named` contain names, which stay text."""
    try:
        table = _read(path, named)
    except (pa.ArrowInvalid, OSError, KeyError) as error:
        raise DataError(f"`{path}` cannot be read as a table: {str(error).splitlines()[0]}") from error
    check_names(table.column_names, path)
    if not table.num_rows:
        raise DataError(f"`{path}` must hold at least one row. Received none.")
    return table


def check_names(columns: Sequence[str], path: Path) -> None:
    """Raise for columns without a name and for duplicate names."""
    names, times = np.unique(columns, return_counts=True)
    if "" in names:
        place = list(columns).index("")
        raise DataError(
            f"`{path}` has a column without a name (number {place}), perhaps a saved index; name or remove it."
        )
    if (times > 1).any():
        raise DataError(f"`{path}` has {times.max()} columns {str(names[times.argmax()])!r}; each must occur once.")


def _read(path: Path, named: Sequence[str | None]) -> pa.Table:
    if path.suffix == ".parquet":
        return pyarrow.parquet.read_table(path)
    # Otherwise a name such as 007 would be read as the number 7.
    text = {name: pa.string() for name in named if name is not None}
    return pyarrow.csv.read_csv(path, convert_options=pyarrow.csv.ConvertOptions(column_types=text))


def require(columns: Sequence[str], path: Path, names: Sequence[str], role: str) -> None:
    """Raise if one of the names is not among `columns`."""
    for name in names:
        if name not in columns:
            near = difflib.get_close_matches(name, columns, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else f"; its columns are {listed(columns)}."
            raise DataError(f"`{path}` has no {role} column {name!r}{hint}")


def listed(names: Sequence[str]) -> str:
    """List the first names and the number of the others."""
    more = f" and {len(names) - MOST_LISTED} more" if len(names) > MOST_LISTED else ""
    return ", ".join(names[:MOST_LISTED]) + more


def label_columns(table: pa.Table, path: Path, names: Sequence[str], missing: bool) -> tuple[Labels, Known]:
    """Read label columns as 0/1 of shape (rows, labels), with the mask of the known ones if cells may be empty."""
    if not names:
        raise DataError(f"`{path}` must have at least one label column. Received none.")
    require(table.column_names, path, names, "label")
    columns = [_binary(table[name], path, name, missing) for name in names]
    known = np.column_stack([is_known for _, is_known in columns])
    return np.column_stack([bits for bits, _ in columns]), None if known.all() else known


def _binary(column: pa.ChunkedArray, path: Path, name: str, missing: bool) -> tuple[NDArray[np.uint8], Mask]:
    # A column of empty cells alone has the type null.
    kind, empty = column.type, pa.types.is_null(column.type)
    if not (empty or pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind)):
        raise DataError(f"`{path}` must hold 0 or 1 in label column {name!r}. Received {_first_invalid(column)}.")
    # Arrow casts booleans to floats only by way of integers.
    numbers = column.cast(pa.uint8()) if pa.types.is_boolean(kind) else column
    values = numbers.cast(pa.float64()).to_numpy()
    is_known = np.asarray(~np.isnan(values))
    wrong = np.flatnonzero(~np.isin(values, (0, 1)) & (is_known | (not missing)))
    if len(wrong):
        row = int(wrong[0])
        hint = "; set `data.missing_labels` (or --missing-labels) where labels may be unknown."
        at = f"{values[row]} at row {row}{'.' if is_known[row] else hint}"
        raise DataError(f"`{path}` must hold 0 or 1 in label column {name!r}. Received {at}")
    # The value of NaN as uint8 depends on the processor, so it is replaced first.
    return np.where(is_known, values, 0).astype(np.uint8), is_known


def _first_invalid(column: pa.ChunkedArray) -> str:
    for row, value in enumerate(column.to_pylist()):
        if str(value) not in ("0", "1"):
            return f"{value!r} at row {row}"
    return str(column.type)


def group_column(table: pa.Table, path: Path, name: str | None) -> NDArray[Any] | None:
    """Read the group of each row, or None where no group is named."""
    if name is None:
        return None
    require(table.column_names, path, [name], "group")
    values = [None if value is None else str(value) for value in table[name].to_pylist()]
    for row, value in enumerate(values):
        # An empty text would put unrelated rows into one group.
        if not value:
            raise DataError(f"`{path}` must have a group in column {name!r} on every row. Received none at row {row}.")
    return np.array(values)


def id_column(table: pa.Table, path: Path, name: str | None) -> NDArray[Any]:
    """Read the identifiers, or number the rows."""
    if name is None:
        return np.arange(table.num_rows).astype(str)
    require(table.column_names, path, [name], "id")
    values = np.array([str(value) for value in table[name].to_pylist()])
    refuse_duplicates(values, path, name)
    return values


def refuse_duplicates(values: NDArray[Any], path: Path, name: str) -> None:
    """Raise if a value occurs twice in a column."""
    kept, first = np.unique(values, return_index=True)
    if len(kept) < len(values):
        row = int(np.setdiff1d(np.arange(len(values)), first)[0])
        raise DataError(
            f"`{path}` must name each row once in column {name!r}. Received {str(values[row])!r} again at row {row}."
        )
