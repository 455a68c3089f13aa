"""The label matrix of n rows and L labels, together with which of its entries are known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse

from cascade.data.labels import Labels, SparseLabels
from cascade.data.missing import Known
from cascade.utils.types import Floats, Mask, Rows


@dataclass(frozen=True)
class LabelMatrix:
    """Labels as 0/1 and a mask of the known ones.

    Attributes
    ----------
    values : ndarray or CSR matrix of 0/1, shape (n, L)
        0 where the label is not known.
    known : ndarray of bool, shape (n, L), or None
        Which labels are known. None where all are, which is the case for a CSR matrix.

    Examples
    --------
    >>> labels = LabelMatrix(np.array([[1, 0], [0, 1]], np.uint8), np.array([[True, False], [True, True]]))
    >>> labels.rows_per_label().tolist(), labels.part([1]).known is None
    ([2.0, 1.0], True)
    """

    values: Labels | SparseLabels
    known: Known = None

    @classmethod
    def of(cls, labels: Labels | SparseLabels | LabelMatrix) -> LabelMatrix:
        """Return a label matrix unchanged, and take all entries of an array as known."""
        return labels if isinstance(labels, LabelMatrix) else cls(labels)

    def __len__(self) -> int:
        return self.shape[0]

    @property
    def shape(self) -> tuple[int, int]:
        """Number of rows, number of labels."""
        n_rows, n_labels = self.values.shape
        return n_rows, n_labels

    @property
    def n_missing(self) -> int:
        """Number of entries that are not known."""
        return 0 if self.known is None else int((~self.known).sum())

    def part(self, rows: Any, columns: Any = None) -> LabelMatrix:
        """Select rows, and columns if given; `known` becomes None where all of these entries are known.

        Parameters
        ----------
        rows : slice, row numbers or mask
        columns : column numbers or mask, optional
        """
        values = _select(self.values, rows, columns)
        if self.known is None:
            return LabelMatrix(values)
        # None instead of a mask of ones, so that all code takes its faster path for known labels.
        known: Mask = _select(self.known, rows, columns)
        return LabelMatrix(values, None if known.all() else known)

    def has_label(self) -> Mask:
        """Mark the rows that have a label, shape (n,)."""
        if sparse.issparse(self.values):
            # Sums of a sparse matrix have shape (n, 1), those of a sparse array (n,).
            return np.asarray(self.values.sum(axis=1)).ravel() > 0
        return np.asarray(self.values.any(axis=1))

    def rows_knowing(self, k: int) -> Mask | slice:
        """Select the rows on which label `k` is known: a mask, or a slice of all rows, which copies nothing."""
        return slice(None) if self.known is None else self.known[:, k]

    def rows_with_known_label(self) -> Rows:
        """Return the numbers of the rows on which at least one label is known."""
        return np.arange(len(self)) if self.known is None else np.flatnonzero(self.known.any(axis=1))

    def rows_per_label(self) -> Floats:
        """Count the rows on which each label is known, float of shape (L,)."""
        n_rows, n_labels = self.shape
        return np.full(n_labels, float(n_rows)) if self.known is None else self.known.sum(axis=0, dtype=np.float64)

    def weight_of(self, weight: Floats, k: int) -> Floats:
        """Return the weights (n,) of the rows for label `k`: 0 where it is not known."""
        return weight if self.known is None else weight * self.known[:, k]

    def weight_of_entries(self, weight: Floats) -> Floats:
        """Return the weights (n,) of the rows for each label, shape (n, L): 0 where it is not known."""
        return np.broadcast_to(weight[:, None], self.shape) if self.known is None else weight[:, None] * self.known

    def weight_per_label(self, weight: Floats) -> Floats | np.float64:
        """Sum the weights (n,) of the rows on which each label is known: shape (L,), or () where all are known."""
        total: Floats | np.float64 = weight.sum() if self.known is None else weight @ self.known
        return total

    def any_known(self, any_index: int | None) -> Mask | None:
        """Mark the rows for which it is known whether they have a label; None if that holds for all rows.

        These are the rows on which `any` is known, or all other labels are. A label that is known on no row is
        ignored. A row with a positive and a missing label is not marked: without its positive it would be undecided,
        so counting such rows would raise the prevalence.

        Examples
        --------
        >>> known = np.array([[True, True], [True, False]])
        >>> LabelMatrix(np.zeros((2, 2), np.uint8), known).any_known(any_index=None).tolist()
        [True, False]
        """
        if self.known is None:
            return None
        # Otherwise a single label without any known entry would leave no row marked.
        recorded = np.asarray(self.known.any(axis=0))
        if any_index is None:
            return np.asarray(self.known.all(axis=1, where=recorded))
        recorded[any_index] = False
        # `all` over no columns is true, which would mark every row where only `any` is recorded.
        return np.asarray(self.known[:, any_index] | (self.known.all(axis=1, where=recorded) & recorded.any()))

    def masked(self) -> Any:
        """Return the values, as a masked array where labels are missing: the form that `fit` takes."""
        return self.values if self.known is None else np.ma.masked_array(self.values, mask=~self.known)


def _select(matrix: Any, rows: Any, columns: Any) -> Any:
    if columns is None:
        return matrix[rows]
    # numpy pairs two index arrays element by element; `ix_` selects their grid instead.
    return matrix[rows, columns] if isinstance(rows, slice) else matrix[np.ix_(rows, columns)]
