"""Rows that INT8 networks are quantised with, and other rows that measure the loss."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cascade.data.images.size import at_size
from cascade.data.label_matrix import LabelMatrix
from cascade.data.labels import Labels, check_labels
from cascade.data.missing import Known
from cascade.data.rows import RowView, as_dense, n_rows, take
from cascade.data.signature import InputSignature
from cascade.data.splits import group_numbers, grouped_holdout
from cascade.errors import DataError

JUDGED = 0.75
"""Share of the rows that measure the loss; only the others may give ranges."""
MOST = 128
"""Most rows with a label, and most rows without, that give ranges; the converters need a few hundred in all."""


class Int8Rows:
    """Labelled rows that the model was not trained on: some groups give ranges, all others measure the loss.

    No other figure may be reported on these rows: ranges are fitted on the former, and users choose or reject INT8 by
    the loss on the latter.

    Parameters
    ----------
    X : rows, n of them
        Array, or another container with a shape and a dtype that returns rows by number.
    Y : array-like of 0/1, shape (n, L)
    groups : array-like, shape (n,), optional
        Rows of one group are all used for ranges, or all for the loss.
    known : ndarray of bool, shape (n, L), optional
        Whether each label is known; all if not given.

    Raises
    ------
    DataError
        If the shapes do not fit, rows have no dtype, or there are fewer than two groups.

    Examples
    --------
    >>> rows = Int8Rows(np.zeros((400, 2), np.float32), np.eye(400, 1), groups=np.arange(400) // 4)
    >>> rows.ranges("float32").shape, len(rows.judged)
    ((100, 2), 300)
    """

    def __init__(self, X: Any, Y: ArrayLike, groups: ArrayLike | None = None, known: Known = None) -> None:
        if not hasattr(X, "dtype"):
            raise DataError(
                f"`X` must be an array, or return rows of one dtype by number. Received {type(X).__name__}."
            )
        self.X, self.labels = X, LabelMatrix(check_labels(Y, n_rows(X)), known)
        self.group = group_numbers(groups, len(self.Y))
        if self.group.max(initial=0) == 0:
            raise DataError(
                "INT8 needs rows of at least two groups, for ranges and to measure the loss. Received fewer."
            )
        # A fixed seed: exporting the same model with the same rows must measure the same loss.
        judged = grouped_holdout(self.Y, self.group, JUDGED, seed=0)
        self.judged, self._others = np.flatnonzero(judged), np.flatnonzero(~judged)

    @property
    def Y(self) -> Labels:
        """Return the labels as 0/1, shape (n, L)."""
        return self.labels.values

    def check(self, signature: InputSignature, n_labels: int) -> None:
        """Refuse rows that do not fit the model, or that have another number of labels.

        Raises
        ------
        DataError
        """
        signature.check(self.X)
        if self.Y.shape[1] != n_labels:
            raise DataError(f"`Y` must have one column per label ({n_labels}). Received {self.Y.shape[1]}.")

    def ranges(self, dtype: str, image_size: int | None = None) -> NDArray[Any]:
        """Return the rows that give ranges, as network input; up to as many with a label as without.

        A labeler is applied mostly to rows with a label, which a plain sample would hardly contain.
        """
        labelled = self.Y[self._others].any(axis=1)
        rng = np.random.default_rng(0)
        parts = [rng.permutation(self._others[side])[:MOST] for side in (labelled, ~labelled)]
        return self._dense(np.sort(np.concatenate(parts)), dtype, image_size)

    def compared(self, dtype: str, image_size: int | None = None) -> NDArray[Any]:
        """Return evenly spaced rows among those that measure the loss, as network input."""
        # With few rows, rounding repeats a number; `unique` drops the repetitions.
        some = np.unique(np.linspace(0, len(self.judged) - 1, 2 * MOST).astype(np.intp))
        return self._dense(self.judged[some], dtype, image_size)

    def judged_rows(self) -> Any:
        """Return a view of the rows that measure the loss; rows are fetched when they are used."""
        return RowView(self.X, self.judged)

    def _dense(self, rows: NDArray[np.intp], dtype: str, image_size: int | None) -> NDArray[Any]:
        return np.ascontiguousarray(as_dense(take(at_size(self.X, image_size), rows)), dtype)
