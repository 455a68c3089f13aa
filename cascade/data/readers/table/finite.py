"""Rows with features that are not finite numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from cascade.data.readers.table.cells import EMPTY_FEATURE, Reasons, no_reasons
from cascade.utils.types import Mask


def invalid_rows(X: Any, allow_missing: bool, names: tuple[str, ...] | None = None) -> Reasons:
    """Give each row with NaN or infinity a reason that names the feature; NaN may be allowed, infinity is not."""
    # Values that a sparse matrix does not store are 0, hence finite.
    values = X.data if sparse.issparse(X) else X
    reasons = no_reasons(X.shape[0])
    if values.dtype.kind != "f" or bool(np.isfinite(values).all()):
        return reasons
    invalid = np.isinf(values) if allow_missing else ~np.isfinite(values)
    rows, columns, is_infinite = _places(X, invalid)
    # In reverse order, so that the first invalid feature of a row is written last and stays.
    places = (rows[::-1].tolist(), columns[::-1].tolist(), is_infinite[::-1].tolist())
    for row, column, infinite in zip(*places, strict=True):
        feature = column if names is None else repr(names[column])
        reasons[row] = f"feature {feature} {'is infinite' if infinite else EMPTY_FEATURE}"
    return reasons


def _places(X: Any, invalid: NDArray[np.bool_]) -> tuple[NDArray[Any], NDArray[Any], Mask]:
    """Return row and column of each invalid value, and whether it is infinite."""
    if sparse.issparse(X):
        # The row of a stored value is the last one whose pointer is not beyond it; "right" skips empty rows.
        stored = np.flatnonzero(invalid)
        rows = np.searchsorted(X.indptr, stored, side="right") - 1
        return rows, X.indices[stored], np.isinf(X.data[stored])
    # Rows of several dimensions, such as images, number their values in C order.
    flat = X.reshape(len(X), -1)
    rows, columns = np.nonzero(invalid.reshape(flat.shape))
    return rows, columns, np.isinf(flat[rows, columns])
