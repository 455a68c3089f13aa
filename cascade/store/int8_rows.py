"""Rows that INT8 networks are made with, and others that measure what it costs."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cascade.data.image_size import at_size
from cascade.data.label_matrix import LabelMatrix
from cascade.data.labels import Labels, check_labels
from cascade.data.missing import Known
from cascade.data.rows import RowView, as_dense, n_rows, take
from cascade.data.signature import InputSignature
from cascade.data.splits import group_numbers, grouped_holdout
from cascade.errors import DataError

JUDGED = 0.75
"""Share of the rows that measure the loss; the others can only give ranges."""
MOST = 128
"""Rows with a label, and rows without, that give ranges: the converters need a few hundred."""


class Int8Rows:
    """Labelled rows that the model was not trained on: some groups give ranges, all others measure the loss.

    Neither may be rows that anything else is reported on: ranges are fitted on the first, and by the loss on the
    others one decides for INT8 or against it.

    Parameters
    ----------
    X : rows, n of them
        Array, or anything else that makes rows by number and has a shape and a type.
    Y : array-like of 0/1, shape (n, L)
    groups : array-like, shape (n,), optional
        Rows of one group are on one side.
    known : ndarray of bool, shape (n, L), optional
        Which labels are known; all if not given.

    Raises
    ------
    DataError
        If the shapes do not fit, rows have no type, or there are not two groups.

    Examples
    --------
    >>> rows = Int8Rows(np.zeros((400, 2), np.float32), np.eye(400, 1), groups=np.arange(400) // 4)
    >>> rows.ranges("float32").shape, len(rows.judged)
    ((100, 2), 300)
    """

    def __init__(self, X: Any, Y: ArrayLike, groups: ArrayLike | None = None, known: Known = None) -> None:
        if not hasattr(X, "dtype"):
            raise DataError(f"`X` must be an array, or make rows of one type by number. Received {type(X).__name__}.")
        self.X, self.labels = X, LabelMatrix(check_labels(Y, n_rows(X)), known)
        self.group = group_numbers(groups, len(self.Y))
        if self.group.max(initial=0) == 0:
            raise DataError("INT8 needs rows of two groups or more: for ranges, and to tell the loss. Received fewer.")
        judged = grouped_holdout(self.Y, self.group, JUDGED, seed=0)
        self.judged, self._others = np.flatnonzero(judged), np.flatnonzero(~judged)

    @property
    def Y(self) -> Labels:
        """Labels as 0/1, shape (n, L)."""
        return self.labels.values

    def check(self, signature: InputSignature, n_labels: int) -> None:
        """Refuse rows that a model does not take, or that have other labels than it.

        Raises
        ------
        DataError
        """
        signature.check(self.X)
        if self.Y.shape[1] != n_labels:
            raise DataError(f"`Y` must have one column per label ({n_labels}). Received {self.Y.shape[1]}.")

    def ranges(self, dtype: str, image_size: int | None = None) -> NDArray[Any]:
        """Rows as a network takes them; as many with a label as without, since a labeler meets mostly the former."""
        labelled = self.Y[self._others].any(axis=1)
        rng = np.random.default_rng(0)
        parts = [rng.permutation(self._others[side])[:MOST] for side in (labelled, ~labelled)]
        return self._dense(np.sort(np.concatenate(parts)), dtype, image_size)

    def compared(self, dtype: str, image_size: int | None = None) -> NDArray[Any]:
        """Some of the rows that measure the loss, spread over all, as a network takes them."""
        some = np.unique(np.linspace(0, len(self.judged) - 1, 2 * MOST).astype(np.intp))
        return self._dense(self.judged[some], dtype, image_size)

    def judged_rows(self) -> Any:
        """The rows that measure the loss, each fetched when it is used."""
        return RowView(self.X, self.judged)

    def _dense(self, rows: NDArray[np.intp], dtype: str, image_size: int | None) -> NDArray[Any]:
        return np.ascontiguousarray(as_dense(take(at_size(self.X, image_size), rows)), dtype)
