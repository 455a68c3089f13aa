"""Batches for Keras, fetched by row number, so that rows may be files on disk."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from cascade.data.rows import Rows, as_dense, not_finite, take
from cascade.errors import CascadeError, DataError


class IndexedBatches(keras.utils.PyDataset):  # type: ignore[misc]
    """Batches of some rows of `X`, in an order drawn anew each epoch from the seed and the epoch's number.

    Parameters
    ----------
    X : rows
    target : ndarray or CSR matrix of float32, shape (n, K)
    weight : ndarray of float32, shape (n,) or (n, K), or None
    rows : ndarray of int
        Rows of `X` to draw from.
    batch_size : int
    seed : int, optional
        None keeps the order of `rows`.

    Attributes
    ----------
    error : CascadeError or None
        Why a row could not be fetched.
    """

    def __init__(
        self,
        X: Any,
        target: Any,
        weight: NDArray[np.float32] | None,
        rows: Rows,
        batch_size: int,
        seed: int | None = None,
    ) -> None:
        super().__init__()
        self.X, self.target, self.weight, self.rows = X, target, weight, rows
        self.batch_size, self.seed, self.epoch = batch_size, seed, 0
        self.error: CascadeError | None = None
        self._shuffle()

    def __len__(self) -> int:
        return -(-len(self.order) // self.batch_size)

    def __getitem__(self, number: int) -> tuple[Any, ...]:
        rows = self.order[number * self.batch_size : (number + 1) * self.batch_size]
        try:
            batch: tuple[Any, ...] = (finite(as_dense(take(self.X, rows))), as_dense(self.target[rows]))
        except CascadeError as error:
            # Keras wraps what a batch raises in words of its own; the cause is kept for who reads them.
            self.error = error
            raise
        return batch if self.weight is None else (*batch, self.weight[rows])

    def on_epoch_end(self) -> None:
        """Draw the next epoch's order."""
        self.epoch += 1
        self._shuffle()

    def _shuffle(self) -> None:
        if self.seed is None:
            self.order = self.rows
        else:
            self.order = np.random.default_rng([self.seed, self.epoch]).permutation(self.rows)


def finite(batch: NDArray[Any]) -> NDArray[Any]:
    """Return a batch to train on, all of whose numbers must be finite."""
    if not_finite(batch).any():
        raise DataError("`X` holds a number that is not finite; a network can learn nothing from NaN or infinity.")
    return batch
