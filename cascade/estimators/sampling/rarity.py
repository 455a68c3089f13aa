"""Selective sampling: the rarer a row's rarest label, the more often the row is drawn."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import sparse

from cascade.data.labels import SparseLabels
from cascade.errors import ConfigError
from cascade.estimators.sampling.sparse_labels import Seed, as_sparse, labelled_rows
from cascade.utils.checks import is_number
from cascade.utils.types import Floats, Rows


def rarity_weights(Y: Any, gamma: float = 0.5) -> Floats:
    """Return weights of rows: (rows of the most frequent label / rows of the row's rarest label) ** gamma.

    Parameters
    ----------
    Y : ndarray or sparse matrix of 0/1, shape (n, L)
    gamma : float in [0, 1], default=0.5
        0 draws all rows equally often; 1 draws each label about as often as the most frequent one.

    Returns
    -------
    ndarray of float >= 1, shape (n,)
        1 for an empty row, as for a row of the most frequent label.

    Raises
    ------
    ConfigError, DataError

    References
    ----------
    Gupta, Dollar & Girshick (2019), LVIS: a dataset for large vocabulary instance segmentation, CVPR, where a row is
    repeated by the square root of the rarity of its rarest label.

    Examples
    --------
    >>> rarity_weights([[1, 0]] * 4 + [[1, 1], [0, 0]]).round(3).tolist()
    [1.0, 1.0, 1.0, 1.0, 2.236, 1.0]
    """
    if not (is_number(gamma) and 0 <= gamma <= 1):
        raise ConfigError(f"`gamma` must be in [0, 1]. Received {gamma!r}.")
    return _weights(as_sparse(Y), gamma)


def _weights(labels: SparseLabels, gamma: float) -> Floats:
    # At least 1: a label that never occurs is on no row, but would divide by zero.
    count = np.maximum(np.asarray(labels.sum(axis=0, dtype=np.float64)).ravel(), 1.0)
    each = (count.max() / count) ** gamma
    rarest = sparse.csr_array((each[labels.indices], labels.indices, labels.indptr), shape=labels.shape).max(axis=1)
    # The maximum of a row without entries is 0, so only labelled rows take it.
    weight: Floats = np.ones(labels.shape[0])
    rows = labelled_rows(labels)
    weight[rows] = rarest.toarray().ravel()[rows]
    return weight


def draw_rare(Y: Any, gamma: float = 0.5, seed: Seed = 0) -> Rows:
    """Draw n rows out of n, each about as often as its weight over the mean weight.

    A row is drawn that number of times, rounded down or up, which has the least variance of all draws.

    Parameters
    ----------
    Y : ndarray or sparse matrix of 0/1, shape (n, L)
    gamma : float in [0, 1], default=0.5
        As in `rarity_weights`.
    seed : int or sequence of int, default=0

    Returns
    -------
    ndarray of int, shape (n,)
        In random order, with repeats.

    Raises
    ------
    ConfigError, DataError

    References
    ----------
    Madow (1949), On the theory of systematic sampling II.

    Examples
    --------
    >>> drawn = draw_rare([[1, 0]] * 81 + [[0, 1]], gamma=1)
    >>> int((drawn == 81).sum())
    41
    """
    weight = rarity_weights(Y, gamma)
    rng = np.random.default_rng(seed)
    # Systematic sampling: points at unit distance over the cumulated weights. The random order keeps the order of the
    # data from deciding which rows are drawn together.
    order = rng.permutation(len(weight))
    edges = np.cumsum(weight[order]) / weight.sum() * len(weight)
    drawn = np.searchsorted(edges, rng.random() + np.arange(len(weight)), side="right")
    # Rounding may leave the last edge just below the last point.
    return rng.permutation(order[np.minimum(drawn, len(weight) - 1)])
