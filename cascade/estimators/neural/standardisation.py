"""Standardise the features of a network: mean and variance of the training rows, bounded where columns are rare."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import layers
from scipy import sparse

from cascade.data.rows import as_dense, in_parts, is_in_memory, take
from cascade.estimators.neural.batches import finite
from cascade.utils.types import Floats, Rows

NORMALIZATION = "normalization"
BOUND = 5.0
"""Largest standardised value, in standard deviations. The 1 of a column with one 1 in 10,000 rows would be 100."""
ADAPTED_ROWS = 20_000
"""Rows that are not in memory from which means and variances are computed; more are not needed, and may be files."""
NEVER_VARIES = 1e30
"""Variance of a constant column. Its weights are never trained, so another value of it must not reach them."""


def standardised(inputs: Any) -> Any:
    """Return the symbolic output of standardised and clipped `inputs`."""
    x = layers.Normalization(name=NORMALIZATION)(inputs)
    return keras.ops.clip(x, -BOUND, BOUND)


def adapt(network: keras.Model, X: Any, rows: Rows) -> None:
    """Set the means and variances of a network that standardises its inputs to those of training rows of `X`."""
    for layer in network.layers:
        if layer.name != NORMALIZATION:
            continue
        # Rows that are not in memory may be files to decode.
        sample = rows if is_in_memory(X) else rows[:: max(1, len(rows) // ADAPTED_ROWS)]
        if tuple(layer.adapt_mean.shape) != tuple(network.input_shape[1:]):
            # A user's network of images has one mean per channel.
            layer.adapt(finite(as_dense(take(X, sample))))
            continue
        mean, variance = moments(X, sample)
        layer.adapt_mean.assign(mean.astype(np.float32))
        layer.adapt_variance.assign(variance.astype(np.float32))
        layer.finalize_state()


def moments(X: Any, rows: Rows) -> tuple[Floats, Floats]:
    """Return mean and variance per column, float of shape (d,) each."""
    shift = as_dense(take(X, rows[:1]))[0].astype(np.float64)
    total, squares = np.zeros_like(shift), np.zeros_like(shift)
    for part in in_parts(rows, ADAPTED_ROWS):
        first, second = _sums(take(X, part), shift)
        total += first
        squares += second
    mean, variance = total / len(rows), squares / len(rows) - (total / len(rows)) ** 2
    # Below the resolution of float32, in which networks compute, a difference is rounding.
    varies = variance > (np.finfo(np.float32).eps * (shift + mean)) ** 2
    return shift + mean, np.where(varies, variance, NEVER_VARIES)


def _sums(batch: Any, shift: Floats) -> tuple[Floats, Floats]:
    """Return the sums over a batch of x - shift and of its square."""
    if not sparse.issparse(batch):
        # Without the shift, a column far from 0 would lose its variance in the difference of two large squares.
        moved = finite(as_dense(batch)).astype(np.float64) - shift
        return moved.sum(axis=0), (moved**2).sum(axis=0)
    # Sparse rows stay sparse: a zero adds -shift and its square, and only the other entries are visited.
    entries = batch.tocoo()
    moved = finite(entries.data[:, None])[:, 0].astype(np.float64) - shift[entries.col]
    first, second, entered = (
        np.bincount(entries.col, weights, len(shift)) for weights in (moved, moved**2, np.ones_like(moved))
    )
    zeros = batch.shape[0] - entered
    return first - zeros * shift, second + zeros * shift**2
