"""Array files: `.npz` with X and Y, `.npy` with a label file, and the phantom's folder of both."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from cascade.data.label_matrix import LabelMatrix
from cascade.data.labels import Labels, SparseLabels, check_labels, check_sparse_labels, name_labels
from cascade.data.missing import Known, split_missing
from cascade.data.names import canonical_names
from cascade.data.readers.array_file import ArrayFile, open_rows, read_header
from cascade.data.readers.dataset import Dataset
from cascade.data.readers.regular import check_regular, is_of_machine, opened
from cascade.data.readers.table.cells import refuse_invalid
from cascade.data.readers.table.columns import Roles, refuse_duplicates
from cascade.data.readers.table.finite import invalid_rows
from cascade.data.readers.table.lists import group_column, id_column, label_columns, read_table
from cascade.errors import DataError

CHECKED_ROWS = 65_536
"""Rows that are searched for NaN at a time."""
NUMBERS = "fiub"
"""Kinds of numpy's types that are real numbers."""
NAMES = "fiubUSM"
"""Kinds of numpy's types that can name a group or a row."""


def read_npz(path: Path, roles: Roles, are_checked: bool = True) -> Dataset:
    """Read `X` and `Y` (dense, or CSR as `X_data`, `X_indices`, `X_indptr`, `X_shape`), a `mask`, names and groups.

    Sparse labels need no `Y_data`: each stored entry is 1. Without `are_checked`, features may be infinite.
    """
    arrays = _load(path)
    X = _sparse(path, arrays, "X") if "X_data" in arrays else arrays.get("X")
    if X is None:
        raise DataError(f"`{path}` must hold an array `X`. Received {sorted(arrays)}.")
    if are_checked:
        check_finite(X, path, roles.allow_missing)
    return _assemble(path, check_kind(X, path), arrays, roles)


def read_npy(path: Path, roles: Roles) -> Dataset:
    """Read X from a `.npy` file, and labels from `roles.label_file`; images and the like are read when needed."""
    X = open_array(path)
    # Estimators of tables need all rows at once.
    X = np.asarray(X) if X.ndim == 2 else X
    check_finite(X, path, roles.allow_missing)
    if roles.label_file is None:
        return _assemble(path, X, {}, roles)
    if roles.label_file.suffix.lower() == ".npz":
        return _assemble(roles.label_file, X, _load(roles.label_file), roles)
    table = read_table(roles.label_file)
    # A label file has no features: all columns but group and identifier are labels.
    names = roles.labels or tuple(n for n in table.column_names if n not in (roles.group, roles.id))
    Y, known = label_columns(table, roles.label_file, names, roles.missing_labels)
    groups = group_column(table, roles.label_file, roles.group)
    ids = id_column(table, roles.label_file, roles.id)
    return Dataset(X, check_labels(Y, len(X)), tuple(names), groups, ids, known=known, numbered=roles.id is None)


def read_phantom(folder: Path, roles: Roles) -> Dataset:
    """Read a folder of `images.npy`, `labels.npz` and `phantom.json`."""
    try:
        facts = json.loads((folder / "phantom.json").read_text(encoding="utf-8"))
        natural = bool(facts.get("natural_prevalence", True))
    except (ValueError, AttributeError) as error:
        raise DataError(f"`{folder / 'phantom.json'}` must hold a JSON object. Received something else.") from error
    return _assemble(
        folder / "labels.npz", open_array(folder / "images.npy"), _load(folder / "labels.npz"), roles, natural
    )


def check_kind(X: Any, path: Path) -> Any:
    """Check that rows are numbers."""
    values = X.data if sparse.issparse(X) else X
    if X.ndim < 2 or 0 in X.shape[1:] or values.dtype.kind not in NUMBERS:
        raise DataError(f"`{path}` must hold rows of numbers. Received shape {X.shape} of {values.dtype}.")
    return X


def check_finite(X: Any, path: Path, allow_missing: bool) -> None:
    """Refuse infinity, and NaN unless it is allowed."""
    check_kind(X, path)
    if (X.data if sparse.issparse(X) else X).dtype.kind != "f":
        return
    # In parts, since a file may not fit into memory.
    for start in range(0, X.shape[0], CHECKED_ROWS):
        refuse_invalid(invalid_rows(X[start : start + CHECKED_ROWS], allow_missing), path, start)


def open_array(path: Path) -> ArrayFile | NDArray[Any]:
    """Open the rows of a `.npy` file; their values are not looked at."""
    check_regular(path)
    with _blaming(path, ".npy of a plain array"):
        X = open_rows(path)
    check_kind(X, path)
    return X


def _load(path: Path) -> dict[str, NDArray[Any]]:
    check_regular(path)
    # Members are unpacked here, where errors of damaged ones are caught. Other members than arrays are left out.
    with _blaming(path, ".npz of plain arrays"), opened(path) as handle, zipfile.ZipFile(handle) as archive:
        names = [name for name in archive.namelist() if name.endswith(".npy")]
        return {name.removesuffix(".npy"): _member(archive, name) for name in names}


def _member(archive: zipfile.ZipFile, name: str) -> NDArray[Any]:
    """Unpack an array whose header declares no more bytes than its member has: they would only fill the memory."""
    with archive.open(name) as member:
        read_header(member, archive.getinfo(name).file_size)
    # From the start, since a member cannot always be read again from its middle.
    with archive.open(name) as member:
        array: NDArray[Any] = np.lib.format.read_array(member, allow_pickle=False)
    return array


@contextmanager
def _blaming(path: Path, kind: str) -> Iterator[None]:
    """Turn errors of a damaged array file into a `DataError`, except those that the machine causes."""
    try:
        yield
    except DataError:
        raise
    # A password, too little memory, a header that is no Python literal: numpy and zipfile raise a dozen types.
    except Exception as error:
        if is_of_machine(error):
            raise
        raise DataError(f"`{path}` is not a readable {kind}; it may be cut, encrypted, or hold objects.") from error


def _sparse(path: Path, arrays: dict[str, NDArray[Any]], name: str) -> sparse.csr_matrix:
    names = [f"{name}_indices", f"{name}_indptr", f"{name}_shape"]
    for part in names:
        if part not in arrays or arrays[part].ndim != 1 or arrays[part].dtype.kind not in "iu":
            raise DataError(f"`{path}` must hold a list of whole numbers in `{part}`.")
    indices, start, shape = (arrays[part] for part in names)
    values = arrays.get(f"{name}_data", np.ones(len(indices), dtype=np.uint8))
    # Compiled code trusts these numbers: out of range, they would read beyond the arrays, some already when a matrix
    # is made from them.
    is_valid = (
        (len(shape) == 2 and (shape >= 0).all() and (shape < 2**62).all())
        and values.shape == indices.shape
        and len(start) == int(shape[0]) + 1
        and (start[0] == 0 and start[-1] == len(indices) and (start[1:] >= start[:-1]).all())
        and (not len(indices) or (indices.min() >= 0 and indices.max() < shape[1]))
    )
    if not is_valid or values.dtype.kind not in NUMBERS:
        raise DataError(f"`{path}` must hold a valid CSR matrix of numbers in `{name}_...`. Received another.")
    size = tuple(map(int, shape))
    return sparse.csr_matrix((values, indices, start), shape=size)


def _assemble(path: Path, X: Any, arrays: dict[str, NDArray[Any]], roles: Roles, natural: bool = True) -> Dataset:
    n = X.shape[0]
    has_labels = "Y" in arrays or "Y_indices" in arrays
    Y, known, names = _labels(path, arrays, n, roles) if has_labels else (None, None, ())
    # An archive has no columns, so only names that are not optional need an array.
    required = roles.within(())
    for role, name, array in (("group", required.group, "groups"), ("id", required.id, "ids")):
        if name is not None and array not in arrays:
            raise DataError(f"`{path}` must have an array `{array}` for {role} {name!r}. Received none.")
    groups = _names(path, arrays["groups"], "groups", n) if "groups" in arrays else None
    if "ids" not in arrays:
        return Dataset(X, Y, names, groups, np.arange(n).astype(str), natural, known=known, numbered=True)
    ids = _names(path, arrays["ids"], "ids", n)
    refuse_duplicates(ids, path, "ids")
    return Dataset(X, Y, names, groups, ids, natural, known=known)


def _names(path: Path, values: NDArray[Any], name: str, n_rows: int) -> NDArray[Any]:
    """Return the canonical text of groups or identifiers, of which every row must have one."""
    if values.shape != (n_rows,):
        raise DataError(f"`{path}` must have one value of `{name}` per row ({n_rows}). Received shape {values.shape}.")
    if values.dtype.kind not in NAMES:
        raise DataError(f"`{path}` must hold text or numbers in `{name}`. Received {values.dtype}.")
    named = canonical_names(values)
    absent = np.flatnonzero([value is None for value in named])
    if len(absent):
        raise DataError(f"`{path}` must have a value of `{name}` on every row. Received none at row {absent[0]}.")
    return named.astype(str)


def _labels(
    path: Path, arrays: dict[str, NDArray[Any]], n: int, roles: Roles
) -> tuple[Labels | SparseLabels, Known, tuple[str, ...]]:
    """Read labels, the mask of the known ones, and names: all in the file, or those in `roles` in that order."""
    for name in {"Y", "mask"} & set(arrays):
        if arrays[name].dtype.kind not in NUMBERS:
            raise DataError(f"`{path}` must hold 0 or 1 in `{name}`. Received {arrays[name].dtype}.")
    given_names = arrays.get("label_names")
    if given_names is not None and (given_names.ndim != 1 or given_names.dtype.kind not in NAMES):
        raise DataError(f"`{path}` must hold a list of names in `label_names`. Received shape {given_names.shape}.")
    stored = None if "Y" in arrays else _sparse(path, arrays, "Y")
    try:
        if stored is None:
            given, known = split_missing(_masked(arrays))
            Y = check_labels(given, n)
        elif "mask" in arrays:
            raise DataError("`mask` needs a dense `Y`; sparse labels are all known. Leave it out, or give `Y`.")
        else:
            Y, known = check_sparse_labels(stored, n), None
        names = name_labels(None if given_names is None else given_names.tolist(), Y.shape[1])
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
