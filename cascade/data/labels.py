"""Validate label matrices and label names."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse

from cascade.errors import DataError

Labels = NDArray[np.uint8]
SparseLabels = Any
"""CSR matrix of 0/1; scipy has no types for it."""
MOST_LABELS = 10_000_000
"""More labels than any data set has; a damaged file may declare billions, whose names alone would fill the memory."""


def check_labels(Y: ArrayLike | Any, n_rows: int | None = None) -> Labels:
    """Validate a label matrix.

    Parameters
    ----------
    Y : array-like or sparse matrix of 0/1, shape (n, L) or (n,)
    n_rows : int, optional
        Number of rows that `X` has.

    Returns
    -------
    ndarray of uint8, shape (n, L)

    Raises
    ------
    DataError
        If a value is not 0 or 1, or the number of rows is wrong.

    Examples
    --------
    >>> check_labels([[0, 1], [0, 0]])
    array([[0, 1],
           [0, 0]], dtype=uint8)
    """
    # `asarray` would drop the mask and show the values that it hides.
    if np.ma.is_masked(Y):
        raise DataError("`Y` must hold only 0 and 1. Received a masked array that hides labels.")
    dense = Y.toarray() if sparse.issparse(Y) else np.asarray(Y)  # type: ignore[union-attr]
    if dense.ndim == 1:
        dense = dense[:, None]
    if dense.ndim != 2 or dense.shape[1] == 0:
        raise DataError(f"`Y` must be of shape (rows, labels). Received shape {dense.shape}.")
    if n_rows is not None and len(dense) != n_rows:
        raise DataError(f"`Y` must have one row per row of `X` ({n_rows}). Received {len(dense)}.")
    # NaN is not in the set either, so this refuses missing labels as well.
    wrong = ~np.isin(dense, (0, 1))
    if wrong.any():
        row, column = np.argwhere(wrong)[0]
        value = dense[row, column]
        raise DataError(f"`Y` must hold only 0 and 1. Received {value!r} at row {row}, label {column}.")
    return dense.astype(np.uint8)


def check_sparse_labels(Y: Any, n_rows: int | None = None) -> SparseLabels:
    """Validate a sparse label matrix without making it dense; return canonical CSR without stored zeros.

    Raises
    ------
    DataError

    Examples
    --------
    >>> check_sparse_labels(sparse.coo_array([[0, 1], [0, 0]])).toarray()
    array([[0, 1],
           [0, 0]], dtype=uint8)
    """
    if len(Y.shape) != 2 or Y.shape[1] == 0:
        raise DataError(f"`Y` must be of shape (rows, labels). Received shape {Y.shape}.")
    if Y.shape[1] > MOST_LABELS:
        raise DataError(f"`Y` must have at most {MOST_LABELS} labels. Received {Y.shape[1]}.")
    if n_rows is not None and Y.shape[0] != n_rows:
        raise DataError(f"`Y` must have one row per row of `X` ({n_rows}). Received {Y.shape[0]}.")
    rows = sparse.csr_array(Y)
    if not rows.has_canonical_format:
        # `sum_duplicates` works in place, on arrays that may be the caller's. A label given twice becomes a 2.
        rows = rows.copy()
        rows.sum_duplicates()
    wrong = np.flatnonzero(~np.isin(rows.data, (0, 1)))
    if len(wrong):
        # From the right, since empty rows repeat a position in `indptr`.
        row = int(np.searchsorted(rows.indptr, wrong[0], side="right")) - 1
        value, column = rows.data[wrong[0]], rows.indices[wrong[0]]
        raise DataError(f"`Y` must hold only 0 and 1. Received {value!r} at row {row}, label {column}.")
    # `astype` copies, so zeros are removed from a copy.
    checked = rows.astype(np.uint8)
    checked.eliminate_zeros()
    return checked


BIDIRECTIONAL = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Characters that change the direction of text, so that one name looks like another."""
HIDDEN = ("Cc", "Cs", "Zl", "Zp")
"""Unicode categories of control characters, halves of characters and separators of lines."""


def is_visible(name: str) -> bool:
    """Return whether a name has no control character and no character that changes the direction of text.

    Examples
    --------
    >>> is_visible("pneumothorax, left"), is_visible("pneumothorax" + chr(0x202E))
    (True, False)
    """
    return not any(one in BIDIRECTIONAL or unicodedata.category(one) in HIDDEN for one in name)


def name_labels(names: Sequence[str] | None, n_labels: int) -> tuple[str, ...]:
    """Check label names, or number the labels: label_0, label_1, ..."""
    chosen = tuple(str(name) for name in (names if names is not None else [f"label_{k}" for k in range(n_labels)]))
    if len(chosen) != n_labels:
        raise DataError(f"`label_names` must have one name per label ({n_labels}). Received {len(chosen)}.")
    if len(set(chosen)) != n_labels:
        raise DataError(f"`label_names` must be distinct. Received {list(chosen)}.")
    hidden = [name for name in chosen if not is_visible(name)]
    if hidden:
        raise DataError(f"`label_names` must have no control or direction characters. Received {hidden[0]!r}.")
    return chosen
