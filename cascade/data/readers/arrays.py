"""Array files: `.npz` with X and Y, `.npy` with a label file, and the phantom's folder of both."""

from __future__ import annotations

import json
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from cascade.data.label_matrix import LabelMatrix
from cascade.data.labels import Labels, SparseLabels, check_labels, check_sparse_labels, name_labels
from cascade.data.missing import Known, split_missing
from cascade.data.readers.columns import Roles, group_column, id_column, label_columns, read_table, refuse_duplicates
from cascade.data.readers.dataset import Dataset
from cascade.errors import DataError

CHECKED_ROWS = 65_536
"""Rows that are searched for NaN at a time."""


def read_npz(path: Path, roles: Roles) -> Dataset:
    """Read `X` and `Y` (dense, or CSR as `X_data`, `X_indices`, `X_indptr`, `X_shape`), a `mask`, names and groups.

    Sparse labels need no `Y_data`: each stored entry is 1.
    """
    arrays = _load(path)
    X = _sparse(path, arrays, "X") if "X_data" in arrays else arrays.get("X")
    if X is None:
        raise DataError(f"`{path}` must hold an array `X`. Received {sorted(arrays)}.")
    return _assemble(path, check_features(X, path, roles.allow_missing), arrays, roles)


def read_npy(path: Path, roles: Roles) -> Dataset:
    """Read X from a `.npy` file, mapped into memory, and labels from `roles.label_file`."""
    X = map_array(path, roles.allow_missing)
    if roles.label_file is None:
        return _assemble(path, X, {}, roles)
    if roles.label_file.suffix == ".npz":
        return _assemble(roles.label_file, X, _load(roles.label_file), roles)
    table = read_table(roles.label_file, (roles.group, roles.id))
    # A label file has no features: all columns but group and identifier are labels.
    names = roles.labels or tuple(n for n in table.column_names if n not in (roles.group, roles.id))
    Y, known = label_columns(table, roles.label_file, names, roles.missing_labels)
    groups = group_column(table, roles.label_file, roles.group)
    ids = id_column(table, roles.label_file, roles.id)
    return Dataset(X, check_labels(Y, len(X)), tuple(names), groups, ids, known=known, numbered=roles.id is None)


def read_phantom(folder: Path, roles: Roles) -> Dataset:
    """Read a folder of `images.npy`, `labels.npz` and `phantom.json`."""
    facts = json.loads((folder / "phantom.json").read_text(encoding="utf-8"))
    natural = bool(facts.get("natural_prevalence", True))
    return _assemble(folder / "labels.npz", _map(folder / "images.npy"), _load(folder / "labels.npz"), roles, natural)


def check_features(X: Any, path: Path, allow_missing: bool) -> Any:
    """Check that rows are numbers, and finite unless NaN is allowed."""
    if not sparse.issparse(X) and (X.ndim < 2 or X.dtype.kind not in "fiub"):
        raise DataError(f"`{path}` must hold rows of numbers. Received shape {X.shape} of {X.dtype}.")
    # Of a sparse matrix only the stored values can be NaN.
    values = X.data if sparse.issparse(X) else X
    place = None if allow_missing or values.dtype.kind != "f" else _first_invalid(values)
    if place is not None:
        where = f"row {place[0]}, column {place[1]}" if len(place) > 1 else f"stored value {place[0]}"
        raise DataError(f"`{path}` must not hold NaN or infinity; found at {where}. Set `allow_missing` to pass it on.")
    return X


def _first_invalid(values: NDArray[Any]) -> list[int] | None:
    """Find the first value that is not finite, in parts, since a mapped file may not fit into memory."""
    for start in range(0, len(values), CHECKED_ROWS):
        invalid = np.argwhere(~np.isfinite(values[start : start + CHECKED_ROWS]))
        if len(invalid):
            first: list[int] = invalid[0].tolist()
            return [start + first[0], *first[1:]]
    return None


def map_array(path: Path, allow_missing: bool) -> NDArray[Any]:
    """Map the rows of a `.npy` file into memory."""
    X: NDArray[Any] = check_features(_map(path), path, allow_missing)
    return X


def _map(path: Path) -> NDArray[Any]:
    # Without pickle: loading an array of objects could run code.
    try:
        X = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        raise DataError(f"`{path}` is not a readable .npy of a plain array; it may be cut, or hold objects.") from error
    # An archive that is named .npy opens without an error.
    if not isinstance(X, np.ndarray):
        raise DataError(f"`{path}` must hold a single array. Received an archive.")
    return X


def _load(path: Path) -> dict[str, NDArray[Any]]:
    try:
        arrays = np.load(path, allow_pickle=False)
        if not isinstance(arrays, np.lib.npyio.NpzFile):
            raise ValueError("it is a single array, not an archive")
        with arrays:
            # Members are unpacked here, where errors of damaged ones are caught.
            return {name: arrays[name] for name in arrays.files}
    except (ValueError, OSError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(f"`{path}` is not a readable .npz of plain arrays; it may be cut, or hold objects.") from error


def _sparse(path: Path, arrays: dict[str, NDArray[Any]], name: str) -> sparse.csr_matrix:
    try:
        indices, start = arrays[f"{name}_indices"], arrays[f"{name}_indptr"]
        values = arrays.get(f"{name}_data", np.ones(len(indices), dtype=np.uint8))
        matrix = sparse.csr_matrix((values, indices, start), shape=tuple(arrays[f"{name}_shape"].tolist()))
        # Compiled code trusts the indices: out of range, they would read beyond the arrays.
        matrix.check_format(full_check=True)
    except (KeyError, ValueError, TypeError) as error:
        raise DataError(f"`{path}` does not hold a valid CSR matrix: {error}") from error
    return matrix


def _assemble(path: Path, X: Any, arrays: dict[str, NDArray[Any]], roles: Roles, natural: bool = True) -> Dataset:
    n = X.shape[0]
    has_labels = "Y" in arrays or "Y_indices" in arrays
    Y, known, names = _labels(path, arrays, n, roles) if has_labels else (None, None, ())
    # An archive has no columns, so only names that are not optional need an array.
    required = roles.within(())
    for role, name, array in (("group", required.group, "groups"), ("id", required.id, "ids")):
        if name is not None and array not in arrays:
            raise DataError(f"`{path}` must have an array `{array}` for {role} {name!r}. Received none.")
    groups, ids = arrays.get("groups"), arrays.get("ids", np.arange(n).astype(str))
    for name, values in (("groups", groups), ("ids", ids)):
        if values is not None and values.shape != (n,):
            raise DataError(f"`{path}` must have one value of `{name}` per row ({n}). Received shape {values.shape}.")
        if values is not None and values.dtype.kind == "f" and not np.isfinite(values).all():
            raise DataError(f"`{path}` must have a value of `{name}` on every row. Received NaN.")
    if "ids" in arrays:
        refuse_duplicates(ids, path, "ids")
    return Dataset(X, Y, names, groups, ids, natural, known=known, numbered="ids" not in arrays)


def _labels(
    path: Path, arrays: dict[str, NDArray[Any]], n: int, roles: Roles
) -> tuple[Labels | SparseLabels, Known, tuple[str, ...]]:
    """Read labels, the mask of the known ones, and names: all in the file, or those in `roles` in that order."""
    try:
        if "Y" in arrays:
            given, known = split_missing(_masked(arrays))
            Y = check_labels(given, n)
        elif "mask" in arrays:
            raise DataError("`mask` needs a dense `Y`; sparse labels are all known. Leave it out, or give `Y`.")
        else:
            Y, known = check_sparse_labels(_sparse(path, arrays, "Y"), n), None
        names = name_labels(arrays["label_names"].tolist() if "label_names" in arrays else None, Y.shape[1])
    except DataError as error:
        raise DataError(f"`{path}`: {error}") from error
    if roles.labels is None:
        return Y, known, names
    absent = [name for name in roles.labels if name not in names]
    if absent:
        raise DataError(f"`{path}` has no label {absent[0]!r}; its labels are {', '.join(names)}.")
    columns = [names.index(name) for name in roles.labels]
    part = LabelMatrix(Y, known).part(slice(None), columns)
    return part.values, part.known, roles.labels


def _masked(arrays: dict[str, NDArray[Any]]) -> NDArray[Any]:
    """Return the labels, masked where the array `mask` is 0."""
    Y, mask = arrays["Y"], arrays.get("mask")
    if mask is None:
        return Y
    if mask.shape != Y.shape:
        raise DataError(f"`mask` must have one value per label of each row {Y.shape}. Received shape {mask.shape}.")
    invalid = mask[~np.isin(mask, (0, 1))]
    if len(invalid):
        raise DataError(f"`mask` must hold only 0 and 1. Received {invalid[0].item()!r}.")
    hidden: NDArray[Any] = np.ma.masked_array(Y, mask=mask == 0)
    return hidden
