"""Rows with features that are not finite numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from cascade.batch.inputs.chunk import Reasons


def invalid_rows(X: Any, allow_missing: bool, names: tuple[str, ...] | None = None) -> Reasons:
    """Give each row with NaN or infinity a reason that names the feature; NaN may be allowed, infinity is not."""
    # Values that a sparse matrix does not store are 0, hence finite.
    values = X.data if sparse.issparse(X) else X
    reasons = np.full(X.shape[0], None, dtype=object)
    if values.dtype.kind != "f" or bool(np.isfinite(values).all()):
        return reasons
    invalid = np.isinf(values) if allow_missing else ~np.isfinite(values)
    rows, columns = _places(X, invalid)
    # In reverse order, so that the first invalid feature of a row is written last and stays.
    for row, column in zip(rows[::-1].tolist(), columns[::-1].tolist(), strict=True):
        feature = column if names is None else repr(names[column])
        reasons[row] = f"feature {feature} is NaN or infinite"
    return reasons


def _places(X: Any, invalid: NDArray[np.bool_]) -> tuple[NDArray[Any], NDArray[Any]]:
    if sparse.issparse(X):
        # The row of a stored value is the last one whose pointer is not beyond it; "right" skips empty rows.
        stored = np.flatnonzero(invalid)
        return np.searchsorted(X.indptr, stored, side="right") - 1, X.indices[stored]
    # Rows of several dimensions, such as images, number their values in C order.
    rows, columns = np.nonzero(invalid.reshape(len(invalid), -1))
    return rows, columns
