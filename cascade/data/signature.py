"""Signature of a model's training rows, to reject rows of another form."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, cast

import numpy as np
from scipy import sparse

from cascade.data.column_kinds import COLUMN_TYPES, Kind, column_types, is_mixed
from cascade.data.rows import n_rows
from cascade.errors import DataError, ModelRefusedError


@dataclass(frozen=True)
class InputSignature:
    """Shape of a row, type of its values and, for tables, the feature names in order.

    Attributes
    ----------
    row_shape : tuple of int, or None for rows without a shape (text)
    dtype : str or None
        "uint8" must match: grey values of 0 to 255 must not be mistaken for 0 to 1. Other numbers are "number".
    feature_names : tuple of str, or None
    column_types : tuple of {"number", "date", "text"}, or None
        Of a data frame's columns, where not all are numbers. Texts are categories or free text: the model's encoder
        knows which.
    """

    row_shape: tuple[int, ...] | None
    dtype: str | None
    feature_names: tuple[str, ...] | None = None
    column_types: tuple[str, ...] | None = None

    @property
    def kinds(self) -> dict[str, Kind]:
        """Return the kinds that the columns are read as; empty where all are numbers."""
        types = zip(self.feature_names or (), self.column_types or (), strict=False)
        return {name: cast(Kind, kind) for name, kind in types}

    @classmethod
    def of(cls, X: Any) -> InputSignature:
        """Describe the rows of `X`."""
        columns = getattr(X, "columns", None)
        names = None if columns is None else tuple(map(str, columns))
        shape = getattr(X, "shape", None)
        # A list of arrays has the shape of its rows; texts have none.
        if shape is None and isinstance(X, (list, tuple)) and len(X) and not isinstance(X[0], str):
            shape = np.shape(X)
        types = column_types(X) if is_mixed(X) else None
        return cls(None if shape is None else tuple(map(int, shape[1:])), _value_kind(X), names, types)

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
    body = asdict(signature)
    # Absent and not null, so that models of numbers are saved as in earlier releases.
    return body if signature.column_types is not None else {k: v for k, v in body.items() if k != "column_types"}


def signature_from_json(body: dict[str, Any]) -> InputSignature:
    """Restore a signature from saved data."""
    shape, names, types = body["row_shape"], body["feature_names"], body.get("column_types")
    if types is not None and (names is None or len(types) != len(names) or not set(types) <= set(COLUMN_TYPES)):
        raise ModelRefusedError(
            f"`column_types` must have one of {', '.join(COLUMN_TYPES)} per feature. Received {types}."
        )
    return InputSignature(
        None if shape is None else tuple(map(int, shape)),
        body["dtype"],
        None if names is None else tuple(map(str, names)),
        None if types is None else tuple(map(str, types)),
    )
