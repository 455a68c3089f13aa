"""Read a whole file of sparse rows with its labels."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy import sparse

from cascade.data.labels import SparseLabels
from cascade.data.readers.dataset import Dataset
from cascade.data.readers.sparse.rows import SparseFile, SparseRows, widened
from cascade.data.readers.table.cells import give, refuse_invalid
from cascade.data.readers.table.columns import Roles, listed, require
from cascade.data.readers.table.finite import invalid_rows
from cascade.errors import DataError

PART_ROWS = 8192


def read_sparse(path: Path, file: SparseFile, roles: Roles, labelled: bool) -> Dataset:
    """Return the rows of a file as a CSR matrix, with sparse labels.

    Parameters
    ----------
    path : path
        For errors.
    file : SparseFile
    roles : Roles
        `labels` are the names of the labels in their order; without them those that the file declares, or that occur.
    labelled : bool
        Whether the labels are read.

    Raises
    ------
    DataError
        If a row is malformed, has a value that is not finite, or a label that is not one of the names.
    """
    refuse_columns(path, roles)
    parts, start = [], 0
    for part in file.parts(PART_ROWS):
        mark_invalid(part, roles)
        refuse_invalid(part.reasons, path, start)
        parts.append(part)
        start += len(part.reasons)
    if not start:
        raise DataError(f"`{path}` must hold at least one row. Received none.")
    width = max(part.X.shape[1] for part in parts)
    if not width:
        raise DataError(f"`{path}` must have at least one feature. Received rows without any.")
    X = sparse.vstack([widened(part.X, width) for part in parts], format="csr")
    ids = np.arange(start).astype(str)
    if not labelled:
        return Dataset(X, None, (), None, ids, numbered=True)
    left_out = set(roles.negative)
    rows = [tuple(name for name in row if name not in left_out) for part in parts for row in part.labels]
    names = _names(rows, file.label_names, roles.labels, path)
    return Dataset(X, _labels(rows, names), names, None, ids, numbered=True)


def refuse_columns(path: Path, roles: Roles) -> None:
    """Raise if a group or an identifier is required, which these files do not have."""
    wanted = roles.within(())
    if wanted.group or wanted.id:
        raise DataError(f"`{path}` holds sparse rows and has no column {wanted.group or wanted.id!r}.")


def mark_invalid(part: SparseRows, roles: Roles) -> None:
    """Give each row with NaN or infinity a reason; NaN may be allowed."""
    invalid = invalid_rows(part.X, roles.allow_missing)
    for row in np.flatnonzero(invalid.astype(bool)).tolist():
        give(part.reasons, [row], invalid[row])


def _names(
    rows: Sequence[tuple[str, ...]], declared: tuple[str, ...] | None, wanted: tuple[str, ...] | None, path: Path
) -> tuple[str, ...]:
    if declared is not None:
        require(declared, path, wanted or (), "label")
        return wanted or declared
    seen = sorted({name for row in rows for name in row}, key=_order)
    if not (wanted or seen):
        raise DataError(f"`{path}` must have at least one label. Received rows without any.")
    other = [name for name in seen if name not in (wanted or seen)]
    if other:
        raise DataError(f"`{path}` has a label {other[0]!r} that is not one of {listed(wanted or ())}.")
    return wanted or tuple(seen)


def _order(name: str) -> tuple[int, str]:
    """Order numbers by their value, before other names."""
    return (int(name), "") if name.lstrip("-").isdecimal() else (2**63, name)


def _labels(rows: Sequence[tuple[str, ...]], names: tuple[str, ...]) -> SparseLabels:
    place = {name: k for k, name in enumerate(names)}
    found = [sorted(place[name] for name in row if name in place) for row in rows]
    indices: Any = np.fromiter((k for row in found for k in row), np.int64)
    pointers = np.cumsum([0, *(len(row) for row in found)])
    return sparse.csr_array((np.ones(len(indices), np.uint8), indices, pointers), shape=(len(rows), len(names)))
