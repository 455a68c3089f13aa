"""Weights of labels and of combinations of labels, finite also for labels that never occur."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from cascade.data.label_matrix import LabelMatrix
from cascade.data.labels import Labels, SparseLabels
from cascade.errors import ConfigError
from cascade.utils.checks import as_numbers, is_number
from cascade.utils.types import Floats

METHODS = ("balanced", "effective")


def label_weights(
    Y: Labels | SparseLabels | LabelMatrix,
    method: str = "balanced",
    temper: float = 1.0,
    beta: float = 0.9999,
    importance: ArrayLike | None = None,
) -> Floats:
    """Return the weights of each label's negatives and positives.

    Parameters
    ----------
    Y : ndarray or sparse matrix of 0/1, shape (n, L), or LabelMatrix
        Only known entries count.
    method : {"balanced", "effective"}, default="balanced"
        "balanced": n / (2 n_c) for the n_c rows of class c, so that both classes weigh the same. "effective": the same
        with the effective number of rows, (1 - beta ** n_c) / (1 - beta), for n_c.
    temper : float in [0, 1], default=1.0
        Power of the ratio of the two weights: 0 gives no weighting, 1 full weighting.
    beta : float in [0, 1), default=0.9999
        For "effective".
    importance : array-like of float > 0, shape (L,), optional
        Factor of a label's loss, the same for both classes. It changes which labels a shared network fits best, but
        no label's optimal probability.

    Returns
    -------
    ndarray of float, shape (L, 2)
        Negatives first. Over the rows, the weights of a label average to its importance. A label with only one class
        has no ratio to balance: both weights are its importance.

    Raises
    ------
    ConfigError

    References
    ----------
    King & Zeng (2001), Logistic regression in rare events data. Cui et al. (2019), Class-balanced loss based on
    effective number of samples, equation 2.

    Examples
    --------
    >>> Y = np.array([[1], [0], [0], [0]], np.uint8)
    >>> label_weights(Y).round(3).tolist()
    [[0.667, 2.0]]
    >>> label_weights(Y, temper=0).tolist()
    [[1.0, 1.0]]
    """
    if method not in METHODS:
        raise ConfigError(f"`method` must be one of {list(METHODS)}. Received {method!r}.")
    if not (is_number(temper) and 0 <= temper <= 1):
        raise ConfigError(f"`temper` must be in [0, 1]. Received {temper!r}.")
    if not (is_number(beta) and 0 <= beta < 1):
        raise ConfigError(f"`beta` must be in [0, 1). Received {beta!r}.")
    labels = LabelMatrix.of(Y)
    positive = np.asarray(labels.values.sum(axis=0), dtype=np.float64).ravel()
    rows = labels.rows_per_label()
    counts = np.column_stack([rows - positive, positive])
    size = 1 - beta**counts if method == "effective" else counts
    has_both = (counts > 0).all(axis=1, keepdims=True)
    # Without both classes the ratio stays 1, instead of dividing by zero.
    ratio = np.divide(1.0, size, out=np.ones_like(size), where=has_both) ** temper
    # Divided by the mean over the rows, so that balancing does not change the scale of a label's loss.
    scaled: Floats = ratio * _importance(importance, len(counts))[:, None]
    mean = (counts * ratio).sum(axis=1, keepdims=True) / np.maximum(rows, 1)[:, None]
    weights: Floats = np.divide(scaled, mean, out=scaled.copy(), where=mean > 0)
    return weights


def combination_weights(Y: Labels, gamma: float = 0.5, cap: float = 10.0) -> Floats:
    """Return row weights n_c ** -gamma, capped and with mean 1, for the n_c rows with the same combination of labels.

    Parameters
    ----------
    Y : ndarray of 0/1, shape (n, L)
    gamma : float in [0, 1], default=0.5
        1 gives every combination the same total weight, including the empty one.
    cap : float > 1, default=10.0
        Largest weight, as a multiple of the weight of a row with the most frequent combination.

    Returns
    -------
    ndarray of float, shape (n,)

    Examples
    --------
    >>> Y = np.array([[0, 0]] * 4 + [[1, 0]], np.uint8)
    >>> combination_weights(Y).round(3).tolist()
    [0.833, 0.833, 0.833, 0.833, 1.667]
    """
    if not (is_number(gamma) and 0 <= gamma <= 1):
        raise ConfigError(f"`gamma` must be in [0, 1]. Received {gamma!r}.")
    if not (is_number(cap) and cap > 1):
        raise ConfigError(f"`cap` must be more than 1. Received {cap!r}.")
    _, number, count = np.unique(Y, axis=0, return_inverse=True, return_counts=True)
    # Without a cap, a combination on a single row, perhaps a labelling error, could dominate the loss.
    each = np.minimum((count.max(initial=1) / count) ** gamma, cap)
    weight: Floats = each[number.ravel()]
    return weight / weight.mean() if len(weight) else weight


def _importance(importance: ArrayLike | None, n_labels: int) -> Floats:
    if importance is None:
        return np.ones(n_labels)
    values = as_numbers(importance)
    if values is None or values.shape != (n_labels,) or not (np.isfinite(values) & (values > 0)).all():
        raise ConfigError(f"`importance` must be one positive number per label ({n_labels}). Received {importance!r}.")
    return values
