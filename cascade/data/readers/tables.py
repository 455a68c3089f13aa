"""Feature tables: a Parquet or CSV file of numbers with label columns."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from cascade.data.readers.columns import Roles, group_column, id_column, label_columns, read_table
from cascade.data.readers.dataset import Dataset
from cascade.errors import DataError


def read_feature_table(path: Path, roles: Roles, labelled: bool, features: tuple[str, ...] | None = None) -> Dataset:
    """Read features, labels, groups and identifiers from one table.

    Parameters
    ----------
    path : path
        `.parquet` or `.csv`.
    roles : Roles
        `labels` must be named when `labelled`.
    labelled : bool
        Whether label columns are needed.
    features : tuple of str, optional
        Columns that a model was trained on; default all without another role.
    """
    table = read_table(path, (roles.group, roles.id))
    if labelled and roles.labels is None:
        raise DataError(f"`{path}` is a table: name its label columns with `labels`.")
    roles = roles.within(table.column_names)
    names = roles.labels or ()
    Y, known = label_columns(table, path, names, roles.missing_labels) if labelled else (None, None)
    groups, ids = group_column(table, path, roles.group), id_column(table, path, roles.id)
    # A model's columns are selected by name, so a table may have others, and any order.
    chosen = features or tuple(n for n in table.column_names if n not in {*names, roles.group, roles.id})
    columns = [_numbers(table, path, name, roles.allow_missing) for name in chosen]
    if not columns:
        raise DataError(f"`{path}` must have at least one feature column besides labels, group and id.")
    X = np.column_stack(columns)
    return Dataset(X, Y, tuple(names), groups, ids, feature_names=tuple(chosen), known=known, numbered=roles.id is None)


def _numbers(table: pa.Table, path: Path, name: str, allow_missing: bool) -> NDArray[np.float64]:
    if name not in table.column_names:
        raise DataError(f"`{path}` has no feature column {name!r}, which the model was trained on.")
    check_number_type(table[name].type, path, name)
    values = to_numbers(table[name])
    invalid = np.flatnonzero(~np.isfinite(values))
    if len(invalid) and not allow_missing:
        raise DataError(
            f"`{path}` must not hold NaN or infinity in feature column {name!r}; found at row {invalid[0]}. Set "
            "`allow_missing` to pass NaN on."
        )
    return values


def check_number_type(kind: pa.DataType, path: Path, name: str) -> None:
    """Raise for a feature column that does not contain numbers."""
    if not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind)):
        raise DataError(
            f"`{path}` must hold numbers in feature column {name!r}. Received {kind}; leave it out, "
            "or name it as group or id."
        )


def to_numbers(column: pa.ChunkedArray) -> NDArray[np.float64]:
    """Return the numbers of a column, NaN where it is empty."""
    return np.asarray(column.to_numpy(), dtype=np.float64)
