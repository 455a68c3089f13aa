"""ML-ROS and ML-RUS: clone rows of rare labels, or delete rows whose labels are all frequent."""

from __future__ import annotations

from collections import deque
from typing import Any

import numpy as np

from cascade.data.labels import SparseLabels
from cascade.estimators.sampling.sparse_labels import Seed, as_sparse, labelled_rows, minority_labels, rows_wanted
from cascade.metrics.imbalance import mean_imbalance_ratio
from cascade.utils.types import Rows

MOST_CLONES = 10.0
MOST_DELETED = 0.9


def ml_ros(Y: Any, share: float = 0.25, seed: Seed = 0) -> Rows:
    """Clone rows of the minority labels, one per label in turn, until a label is no rarer than the mean was.

    An empty row belongs to no label, so it is kept once and never cloned. MeanIR falls where rare labels occur alone.
    Where they occur with frequent ones, a clone makes these even more frequent, and MeanIR may rise.

    Parameters
    ----------
    Y : ndarray or sparse matrix of 0/1, shape (n, L)
    share : float in (0, 10], default=0.25
        Most clones, as a share of the rows with a label. (The paper's percentage is of all rows. Where most rows are
        empty, that would be several clones per row with a label.)
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
    >>> Y = [[1, 0]] * 8 + [[0, 1]] + [[0, 0]] * 9
    >>> ml_ros(Y, share=0.5)[18:].tolist()
    [8]
    """
    labels = as_sparse(Y)
    budget = rows_wanted(labels, share, MOST_CLONES)
    clones = _clones(labels, budget, np.random.default_rng(seed))
    return np.concatenate([np.arange(labels.shape[0]), np.array(clones, dtype=np.intp)])


def _clones(labels: SparseLabels, budget: int, rng: np.random.Generator) -> list[int]:
    columns = labels.tocsc()
    count = np.diff(columns.indptr).astype(np.float64)
    # The mean before cloning, as in the paper; every clone would change it.
    mean = mean_imbalance_ratio(labels)
    waiting = deque(minority_labels(labels).tolist())
    clones: list[int] = []
    while waiting and len(clones) < budget:
        k = waiting.popleft()
        row = int(rng.choice(columns.indices[columns.indptr[k] : columns.indptr[k + 1]]))
        clones.append(row)
        # A clone counts for every label of its row, not only for the one that it was drawn for.
        count[labels.indices[labels.indptr[row] : labels.indptr[row + 1]]] += 1
        if count.max() / count[k] > mean:
            waiting.append(k)
    return clones


def ml_rus(Y: Any, share: float = 0.25, seed: Seed = 0) -> Rows:
    """Delete rows at random among those whose labels are all frequent.

    Rows of a minority label are kept, and so are empty rows. Those have no frequent label either, and deleting them
    would only change the share of rows with a label, which is the gate's concern.

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
    >>> kept = ml_rus([[1, 0]] * 4 + [[1, 1], [0, 0]], share=0.4)
    >>> len(kept), kept[-2:].tolist()
    (4, [4, 5])
    """
    labels = as_sparse(Y)
    budget = rows_wanted(labels, share, MOST_DELETED)
    rare = labelled_rows(labels[:, minority_labels(labels)])
    deletable = np.setdiff1d(labelled_rows(labels), rare)
    deleted = np.random.default_rng(seed).permutation(deletable)[:budget]
    return np.setdiff1d(np.arange(labels.shape[0]), deleted)
