"""LP-ROS and LP-RUS: clone rows of rare combinations of labels, or delete rows of frequent ones."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cascade.data.labels import SparseLabels
from cascade.estimators.sampling.labelwise import MOST_CLONES, MOST_DELETED
from cascade.estimators.sampling.sparse_labels import Seed, as_sparse, labelled_rows, rows_wanted
from cascade.utils.types import Rows

Counts = NDArray[np.int64]


def lp_ros(Y: Any, share: float = 0.25, seed: Seed = 0) -> Rows:
    """Clone rows of the combinations of labels that have fewer rows than the mean, up to that mean.

    The empty combination does not count in the mean, and empty rows are kept once.

    Parameters
    ----------
    Y : ndarray or sparse matrix of 0/1, shape (n, L)
    share : float in (0, 10], default=0.25
        Most clones, as a share of the rows with a label. Each combination gets the same number; what one has no room
        for goes to combinations that are further from the mean.
    seed : int or sequence of int, default=0

    Returns
    -------
    ndarray of int, shape (n + clones,)
        All row numbers in order, then the clones' row numbers.

    Raises
    ------
    ConfigError, DataError

    References
    ----------
    Charte et al. (2015), Addressing imbalance in multilabel classification, Neurocomputing 163.

    Examples
    --------
    >>> clones = lp_ros([[1, 0]] * 6 + [[0, 1]] * 2 + [[0, 0]] * 9, share=0.5)[17:]
    >>> len(clones), set(clones.tolist()) <= {6, 7}
    (2, True)
    """
    labels = as_sparse(Y)
    budget = rows_wanted(labels, share, MOST_CLONES)
    rng = np.random.default_rng(seed)
    bags, size = _bags(labels)
    n_clones = _allot(np.maximum(_mean(size) - size, 0), budget)
    clones = [rng.choice(bag, times) for bag, times in zip(bags, n_clones, strict=True)]
    return np.concatenate([np.arange(labels.shape[0]), *clones])


def lp_rus(Y: Any, share: float = 0.25, seed: Seed = 0) -> Rows:
    """Delete rows of the combinations of labels that have more rows than the mean, down to that mean.

    Empty rows are never deleted. As a combination they would be the largest by far, so nearly all deleted rows would be
    empty, and the combinations of labels would stay as uneven as before.

    Parameters
    ----------
    Y : ndarray or sparse matrix of 0/1, shape (n, L)
    share : float in (0, 0.9], default=0.25
        Most rows to delete, as a share of the rows with a label.
    seed : int or sequence of int, default=0

    Returns
    -------
    ndarray of int
        Numbers of the rows that are kept, in order.

    Raises
    ------
    ConfigError, DataError

    References
    ----------
    Charte et al. (2015), Addressing imbalance in multilabel classification, Neurocomputing 163.

    Examples
    --------
    >>> kept = lp_rus([[1, 0]] * 6 + [[0, 1]] * 2 + [[0, 0]] * 3, share=0.25)
    >>> int((kept < 6).sum()), kept[-5:].tolist()
    (4, [6, 7, 8, 9, 10])
    """
    labels = as_sparse(Y)
    budget = rows_wanted(labels, share, MOST_DELETED)
    rng = np.random.default_rng(seed)
    bags, size = _bags(labels)
    n_deleted = _allot(np.maximum(size - _mean(size), 0), budget)
    deleted = [rng.permutation(bag)[:times] for bag, times in zip(bags, n_deleted, strict=True)]
    # The empty part fixes the type of the row numbers where no combination has rows to delete.
    return np.setdiff1d(np.arange(labels.shape[0]), np.concatenate([np.empty(0, np.intp), *deleted]))


def _bags(labels: SparseLabels) -> tuple[list[Rows], Counts]:
    """Return the rows of each combination of labels but the empty one, and their numbers."""
    # Sorted, so that equal combinations have equal bytes.
    labels.sort_indices()
    bags: dict[bytes, list[int]] = {}
    for row in labelled_rows(labels).tolist():
        columns = labels.indices[labels.indptr[row] : labels.indptr[row + 1]]
        bags.setdefault(columns.tobytes(), []).append(row)
    return [np.array(bag) for bag in bags.values()], np.array([len(bag) for bag in bags.values()], dtype=np.int64)


def _mean(size: Counts) -> float:
    return float(size.mean()) if len(size) else 0.0


def _allot(room: NDArray[np.float64], budget: int) -> Counts:
    """Distribute `budget` evenly, to each no more than its room, rounded down."""
    shares = np.zeros(len(room), dtype=np.int64)
    # From the least room up: what one leaves over is divided among those after it, which have more.
    takers = [k for k in np.argsort(room, kind="stable").tolist() if room[k] > 0]
    for place, k in enumerate(takers):
        shares[k] = min(int(room[k]), budget // (len(takers) - place))
        budget -= int(shares[k])
    return shares
