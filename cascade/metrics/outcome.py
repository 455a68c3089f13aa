"""What is true of some rows, beside what was predicted of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cascade.errors import DataError
from cascade.labels import Labels

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Outcome:
    """Labels of n rows and a prediction of them; what every metric takes.

    Attributes
    ----------
    Y : ndarray of 0/1, shape (n, L)
    proba : ndarray of float in [0, 1], shape (n, L)
    bits : ndarray of 0/1, shape (n, L)
        The labels that were predicted.
    passed : ndarray of bool, shape (n,)
        Whether the labeler examined the row; a model without a gate examines every row.

    Raises
    ------
    DataError
        If the shapes do not fit, or a probability does not lie in [0, 1].

    Examples
    --------
    >>> Y = np.array([[1, 0], [0, 0]], np.uint8)
    >>> outcome = Outcome(Y, proba=Y.astype(float), bits=Y, passed=Y.any(axis=1))
    >>> len(outcome.part(outcome.passed))
    1
    """

    Y: Labels
    proba: Floats
    bits: Labels
    passed: Mask

    def __post_init__(self) -> None:
        if self.Y.ndim != 2:
            raise DataError(f"`Y` must be of shape (rows, labels). Received shape {self.Y.shape}.")
        expected = {"proba": self.Y.shape, "bits": self.Y.shape, "passed": self.Y.shape[:1]}
        for name, shape in expected.items():
            received = np.shape(getattr(self, name))
            if received != shape:
                raise DataError(f"`{name}` must have shape {shape}, as `Y` has rows and labels. Received {received}.")
        outside = ~((self.proba >= 0) & (self.proba <= 1))
        if outside.any():
            row, label = np.argwhere(outside)[0]
            value = self.proba[row, label]
            raise DataError(f"`proba` must lie in [0, 1]. Received {value} at row {row}, label {label}.")

    def __len__(self) -> int:
        return len(self.Y)

    def part(self, rows: Mask | NDArray[np.intp]) -> Outcome:
        """Return the marked or numbered rows only."""
        return Outcome(self.Y[rows], self.proba[rows], self.bits[rows], self.passed[rows])

    @property
    def empty(self) -> Mask:
        """Rows without a label, shape (n,)."""
        return np.asarray(~self.Y.any(axis=1))

    @property
    def predicted_empty(self) -> Mask:
        """Rows that were given no label, shape (n,)."""
        return np.asarray(~self.bits.any(axis=1))
