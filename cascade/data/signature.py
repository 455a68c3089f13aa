"""Signature of a model's training rows, to reject rows of another form."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from scipy import sparse

from cascade.data.rows import n_rows
from cascade.errors import DataError


@dataclass(frozen=True)
class InputSignature:
    """Shape of a row, type of its values and, for tables, the feature names in order.

    Attributes
    ----------
    row_shape : tuple of int, or None for rows without a shape (text)
    dtype : str or None
        "uint8" must match: grey values of 0 to 255 must not be mistaken for 0 to 1. Other numbers are "number".
    feature_names : tuple of str, or None
    """

    row_shape: tuple[int, ...] | None
    dtype: str | None
    feature_names: tuple[str, ...] | None = None

    @classmethod
    def of(cls, X: Any) -> InputSignature:
        """Describe the rows of `X`."""
        columns = getattr(X, "columns", None)
        names = None if columns is None else tuple(map(str, columns))
        shape = getattr(X, "shape", None)
        # A list of arrays has the shape of its rows; texts have none.
        if shape is None and isinstance(X, (list, tuple)) and len(X) and not isinstance(X[0], str):
            shape = np.shape(X)
        return cls(None if shape is None else tuple(map(int, shape[1:])), _value_kind(X), names)

    def check(self, X: Any) -> int:
        """Check that rows have the form of the training rows; return their number."""
        count = n_rows(X)
        given = InputSignature.of(X)
        if self.row_shape is not None and given.row_shape != self.row_shape:
            raise DataError(f"`X` must have rows of shape {self.row_shape}. Received {given.row_shape}.")
        if "uint8" in (self.dtype, given.dtype) and self.dtype != given.dtype:
            raise DataError(f"`X` must hold values of type {self.dtype}, as in training. Received {given.dtype}.")
        if self.feature_names and given.feature_names and self.feature_names != given.feature_names:
            # The row shapes agree, so both sides have equally many names and some pair differs.
            pairs = zip(self.feature_names, given.feature_names, strict=False)
            wanted, got = next((a, b) for a, b in pairs if a != b)
            raise DataError(f"`X` must have the training columns in order. Expected {wanted!r}, received {got!r}.")
        return count


def _value_kind(X: Any) -> str | None:
    dtype = getattr(X, "dtype", None)
    if dtype is None or not isinstance(dtype, np.dtype):
        return None
    if dtype == np.uint8 and not sparse.issparse(X):
        # Sparse bytes are not pixels, so they count as numbers below.
        return "uint8"
    return "number" if np.issubdtype(dtype, np.number) or dtype.kind == "b" else str(dtype)


def signature_to_json(signature: InputSignature) -> dict[str, Any]:
    """Return plain data, from which `signature_from_json` restores an equal signature."""
    return asdict(signature)


def signature_from_json(body: dict[str, Any]) -> InputSignature:
    """Restore a signature from saved data."""
    shape, names = body["row_shape"], body["feature_names"]
    return InputSignature(
        None if shape is None else tuple(map(int, shape)),
        body["dtype"],
        None if names is None else tuple(map(str, names)),
    )
