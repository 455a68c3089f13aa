"""A data set of any source: rows with their labels, groups and identifiers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from cascade.data.column_kinds import Kind
from cascade.data.label_matrix import LabelMatrix
from cascade.data.labels import Labels, SparseLabels
from cascade.data.missing import Known
from cascade.data.readers.array_file import ArrayFile
from cascade.data.readers.pixels import PixelOptions
from cascade.data.rows import BLOCK, in_parts, n_rows, part_of
from cascade.errors import DataError
from cascade.utils.types import Rows


@dataclass(frozen=True)
class Dataset:
    """Rows with their labels, and what is known about both.

    Attributes
    ----------
    X : rows, n of them
    Y : ndarray or CSR matrix of 0/1, shape (n, L), or None
    label_names : tuple of str
    groups : ndarray, shape (n,), or None
    ids : ndarray of str, shape (n,)
    natural_prevalence : bool
        False where the labels are known to be more frequent than in nature.
    feature_names : tuple of str, or None
        Columns of a feature table.
    known : ndarray of bool, shape (n, L), or None
        Which labels are known; `Y` is 0 elsewhere. None where all are.
    kinds : dict from column name to kind, or None
        What the columns of a data frame hold; None where all features are numbers.
    pixels : PixelOptions, or None
        How images or DICOM slices became pixels.
    numbered : bool
        Whether `ids` are only row numbers, which mean nothing in other data.
    """

    X: Any
    Y: Labels | SparseLabels | None
    label_names: tuple[str, ...]
    groups: NDArray[Any] | None
    ids: NDArray[Any]
    natural_prevalence: bool = True
    feature_names: tuple[str, ...] | None = None
    known: Known = None
    kinds: dict[str, Kind] | None = None
    pixels: PixelOptions | None = None
    numbered: bool = False

    def __len__(self) -> int:
        return n_rows(self.X)

    @property
    def labels(self) -> LabelMatrix:
        """The labels with the mask of the known ones.

        Raises
        ------
        DataError
            If the rows have no labels.
        """
        if self.Y is None:
            raise DataError("`Y` must hold labels. Received data without labels.")
        return LabelMatrix(self.Y, self.known)

    def has_missing(self) -> bool:
        """Return whether any feature is NaN; images have none."""
        if isinstance(self.X, ArrayFile) and self.X.dtype.kind == "f":
            return any(np.isnan(self.X[rows].min(initial=0)) for rows in in_parts(np.arange(len(self)), BLOCK))
        values = self.X.data if sparse.issparse(self.X) else self.X
        # The minimum is NaN if any value is, and needs no second array of the size of X.
        return isinstance(values, np.ndarray) and values.dtype.kind == "f" and bool(np.isnan(values.min(initial=0)))

    def with_dense_labels(self) -> Dataset:
        """Return the same rows with labels as an array, which the rules of a cascade and lint require."""
        Y: Any = self.Y
        return replace(self, Y=Y.toarray()) if sparse.issparse(Y) else self

    def without_label(self, index: int) -> Dataset:
        """Return the same rows without one of the labels."""
        kept = [k for k in range(len(self.label_names)) if k != index]
        labels = self.labels.part(slice(None), kept)
        names = tuple(self.label_names[k] for k in kept)
        return replace(self, Y=labels.values, known=labels.known, label_names=names)

    def part(self, rows: Rows) -> Dataset:
        """Select rows; images are not read."""
        X = part_of(self.X, rows)
        labels = None if self.Y is None else self.labels.part(rows)
        return replace(
            self,
            X=X,
            Y=None if labels is None else labels.values,
            known=None if labels is None else labels.known,
            groups=None if self.groups is None else self.groups[rows],
            ids=self.ids[rows],
        )
