"""Labels that are not known: 0/1 with a mask beside it, and what a row tells in spite of them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from cascade.data.labels import Labels
from cascade.errors import DataError
from cascade.utils.types import Floats, Mask

Known = Mask | None
"""Which entries of a label matrix are known, bool of shape (n, L); None where all are."""


def split_missing(Y: Any) -> tuple[Any, Known]:
    """Take a label matrix apart into its values, 0 where missing, and the mask of what is known.

    Parameters
    ----------
    Y : array-like, data frame, masked array or sparse matrix, shape (n, L)
        Missing is NaN, None, a data frame's own mark, or what a masked array hides. Sparse labels are all known.

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
    missing = np.ma.getmaskarray(Y) if np.ma.is_masked(Y) else None
    values = np.asarray(Y)
    if values.dtype.kind in "fO":
        own = np.isnan(values) if values.dtype.kind == "f" else np.asarray(_IS_MISSING(values), dtype=bool)
        missing = own if missing is None else missing | own
    if missing is None or not missing.any():
        return values, None
    return np.where(missing, 0, values), ~missing


def _is_missing(value: Any) -> bool:
    # pandas' NA equals nothing and is no number; its name is known without importing pandas.
    is_nan = isinstance(value, (float, np.floating)) and value != value
    return value is None or is_nan or type(value).__name__ == "NAType"


_IS_MISSING = np.frompyfunc(_is_missing, 1, 1)


def masked(Y: NDArray[Any], known: Known) -> Any:
    """Put values and mask together again, as what an estimator that takes missing labels is given."""
    return Y if known is None else np.ma.masked_array(Y, mask=~known)


def known_part(known: Known, rows: Any, columns: Any = None) -> Known:
    """Mask of some rows, and of some columns if they are named; None where all of these are known."""
    if known is None:
        return None
    part: Mask = known[rows] if columns is None else known[rows][:, columns]
    return None if part.all() else part


def known_rows(known: Known, k: int) -> Mask | slice:
    """Choose the rows on which label `k` is known; where all is known a slice, so that nothing is copied."""
    return slice(None) if known is None else known[:, k]


def settled_rows(known: Mask, any_index: int | None) -> Mask:
    """Mark the rows of which it is known whether they have a label, whatever the answer; shape (n,).

    That is where `any` is known, or all other labels are. A label that is known on no row has no say. Rows that are
    known only for a positive would have been in doubt without it, so they raise a prevalence; these do not.

    Examples
    --------
    >>> settled_rows(np.array([[True, True], [True, False]]), any_index=None).tolist()
    [True, False]
    """
    noted = np.asarray(known.any(axis=0))
    if any_index is None:
        return np.asarray(known.all(axis=1, where=noted))
    noted[any_index] = False
    return np.asarray(known[:, any_index] | (known.all(axis=1, where=noted) & noted.any()))


def label_weight(weight: NDArray[np.float64], known: Known, k: int) -> NDArray[np.float64]:
    """Weights (n,) of the rows for label `k`: none where it is not known."""
    return weight if known is None else weight * known[:, k]


def refuse_nothing_known(known: Known) -> None:
    """Refuse labels of which none is known on any row."""
    if known is not None and not known.any():
        raise DataError("`Y` must hold a known label on some row. Received only missing ones.")


def label_rows(Y: Labels, known: Known) -> Floats:
    """Rows that know each label, float of shape (L,)."""
    return np.full(Y.shape[1], float(Y.shape[0])) if known is None else known.sum(axis=0, dtype=np.float64)
