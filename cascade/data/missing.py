"""Missing labels: split a label matrix into values and a mask of the known entries."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import sparse

from cascade.utils.types import Mask

Known = Mask | None
"""Which entries of a label matrix are known, bool of shape (n, L); None where all are."""


def split_missing(Y: Any) -> tuple[Any, Known]:
    """Split a label matrix into its values, 0 where missing, and the mask of the known ones.

    Parameters
    ----------
    Y : array-like, data frame, masked array or sparse matrix, shape (n, L)
        Missing is NaN, None, pandas' NA, or what a masked array hides. Sparse labels are all known.

    Returns
    -------
    values : array or sparse matrix, shape (n, L)
        As given where nothing is missing.
    known : ndarray of bool, shape (n, L), or None

    Examples
    --------
    >>> values, known = split_missing([[1, np.nan], [0, 0]])
    >>> values.tolist(), known.tolist()
    ([[1.0, 0.0], [0.0, 0.0]], [[True, False], [True, True]])
    """
    if sparse.issparse(Y):
        return Y, None
    # The mask has to be read before `asarray`, which drops it.
    missing = np.ma.getmaskarray(Y) if np.ma.is_masked(Y) else None
    values = np.asarray(Y)
    # Integers and booleans have no value for missing, so only floats and objects are searched.
    if values.dtype.kind in "fO":
        empty = np.isnan(values) if values.dtype.kind == "f" else np.asarray(_IS_MISSING(values), dtype=bool)
        missing = empty if missing is None else missing | empty
    if missing is None or not missing.any():
        return values, None
    return np.where(missing, 0, values), ~missing


def _is_missing(value: Any) -> bool:
    # Comparing with pandas' NA gives NA, so it is recognised by its type's name; pandas need not be installed for that.
    is_nan = isinstance(value, (float, np.floating)) and value != value
    return value is None or is_nan or type(value).__name__ == "NAType"


_IS_MISSING = np.frompyfunc(_is_missing, 1, 1)
