"""True labels of rows together with a prediction of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cascade.data.label_matrix import LabelMatrix
from cascade.data.labels import Labels
from cascade.data.missing import Known
from cascade.errors import DataError
from cascade.utils.types import Floats, Mask


@dataclass(frozen=True)
class Outcome:
    """Labels of n rows and a prediction of them, the input of every metric.

    Attributes
    ----------
    Y : ndarray of 0/1, shape (n, L)
    proba : ndarray of float in [0, 1], shape (n, L)
    bits : ndarray of 0/1, shape (n, L)
        The labels that were predicted.
    passed : ndarray of bool, shape (n,)
        Whether the row passed the gate; all rows pass in a model without a gate.
    known : ndarray of bool, shape (n, L), optional
        Which labels are known; None if all are. `Y` is 0 elsewhere, and metrics ignore predictions there.

    Raises
    ------
    DataError
        If the shapes do not match, or a probability is not in [0, 1].

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
    known: Known = None

    def __post_init__(self) -> None:
        if self.Y.ndim != 2:
            raise DataError(f"`Y` must be of shape (rows, labels). Received shape {self.Y.shape}.")
        expected = {"proba": self.Y.shape, "bits": self.Y.shape, "passed": self.Y.shape[:1]}
        if self.known is not None:
            expected["known"] = self.Y.shape
        for name, shape in expected.items():
            received = np.shape(getattr(self, name))
            if received != shape:
                raise DataError(f"`{name}` must have shape {shape}, as `Y` has rows and labels. Received {received}.")
        # Negated, so that NaN, for which every comparison is false, counts as outside.
        outside = ~((self.proba >= 0) & (self.proba <= 1))
        if outside.any():
            row, label = np.argwhere(outside)[0]
            value = self.proba[row, label]
            raise DataError(f"`proba` must be in [0, 1]. Received {value} at row {row}, label {label}.")

    def __len__(self) -> int:
        return len(self.Y)

    def part(self, rows: Mask | NDArray[np.intp]) -> Outcome:
        """Return the marked or numbered rows only."""
        labels = self.labels.part(rows)
        return Outcome(labels.values, self.proba[rows], self.bits[rows], self.passed[rows], labels.known)

    def label(self, k: int) -> Outcome:
        """Return one label only, as the only column."""
        known = None if self.known is None else self.known[:, [k]]
        return Outcome(self.Y[:, [k]], self.proba[:, [k]], self.bits[:, [k]], self.passed, known)

    @property
    def labels(self) -> LabelMatrix:
        """True labels with the mask of known entries."""
        return LabelMatrix(self.Y, self.known)

    @property
    def with_label(self) -> Mask:
        """Rows that have a label, shape (n,)."""
        return np.asarray(self.Y.any(axis=1))

    @property
    def empty(self) -> Mask:
        """Rows that are known to have no label, shape (n,)."""
        # A row with an unknown label may have that label, so it is not known to be empty.
        return ~self.with_label if self.known is None else self.known.all(axis=1) & ~self.with_label

    @property
    def known_bits(self) -> Labels:
        """Bits where the label is known, 0 elsewhere, shape (n, L)."""
        return self.bits if self.known is None else self.bits & self.known

    @property
    def predicted_empty(self) -> Mask:
        """Rows without a predicted label, shape (n,)."""
        return np.asarray(~self.bits.any(axis=1))
