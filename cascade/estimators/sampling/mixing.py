"""MLSMOTE: new rows of rare labels between two rows that have the label."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse

from cascade.data.labels import SparseLabels
from cascade.errors import ConfigError, DataError
from cascade.estimators.sampling.sparse_labels import Seed, as_sparse, minority_labels
from cascade.utils.checks import is_number
from cascade.utils.types import Floats, Rows


@dataclass(frozen=True)
class MixedRows:
    """New rows, each described by the two rows that it is between.

    Attributes
    ----------
    first, second : ndarray of int, shape (m,)
        A row and its neighbour.
    mix : ndarray of float in [0, 1), shape (m,)
        Position of the new row between them; 0 is the first.
    labels : ndarray or CSR array of 0/1, shape (m, L)
        Sparse where `Y` was.
    """

    first: Rows
    second: Rows
    mix: Floats
    labels: Any


def mlsmote(X: Any, Y: Any, k: int = 5, seed: Seed = 0) -> MixedRows:
    """Make one new row per row of each minority label, towards one of its k nearest rows of that label.

    A new row has the labels that more than half of the row and its neighbours have. No new row is empty, since all have
    the minority label that they were made for. Empty rows are not used, and a label on a single row gets no new row.

    Parameters
    ----------
    X : ndarray or sparse matrix of float, shape (n, d)
        Features of comparable scale, since neighbours are found by Euclidean distance.
    Y : ndarray or sparse matrix of 0/1, shape (n, L)
    k : int, default=5
        Number of neighbours; fewer where a label has fewer rows.
    seed : int or sequence of int, default=0

    Returns
    -------
    MixedRows
        By label, then by row.

    Raises
    ------
    ConfigError, DataError

    References
    ----------
    Charte et al. (2015), MLSMOTE: approaching imbalanced multilabel learning through synthetic instance generation,
    Knowledge-Based Systems 89. This version takes only numbers, and uses the paper's ranking rule for labels.

    Examples
    --------
    >>> X = np.array([[0.0], [1.0], [2.0], [9.0], [11.0]])
    >>> Y = np.array([[1, 0], [1, 0], [1, 0], [0, 1], [1, 1]])
    >>> new = mlsmote(X, Y, k=1)
    >>> new.first.tolist(), new.second.tolist(), new.labels.tolist()
    ([3, 4], [4, 3], [[0, 1], [0, 1]])
    >>> bool(np.all((mix_features(X, new) >= 9) & (mix_features(X, new) <= 11)))
    True
    """
    if not (is_number(k) and k == int(k) and k >= 1):
        raise ConfigError(f"`k` must be a whole number of 1 or more. Received {k!r}.")
    labels = as_sparse(Y)
    if len(X.shape) != 2 or X.shape[0] != labels.shape[0]:
        raise DataError(f"`X` must have 2 axes and {labels.shape[0]} rows, as `Y` has. Received shape {X.shape}.")
    rng = np.random.default_rng(seed)
    columns = labels.tocsc()
    parts = []
    for label in minority_labels(labels).tolist():
        bag = np.sort(columns.indices[columns.indptr[label] : columns.indptr[label + 1]]).astype(np.intp)
        # A single row has no neighbour.
        if len(bag) > 1:
            parts.append(_of_one_label(X, labels, bag, int(k), rng))
    return _joined(parts, labels.shape[1], sparse.issparse(Y))


def mix_features(X: Any, new: MixedRows) -> Any:
    """Return the features of new rows, first + mix * (second - first); float of shape (m, d), sparse where `X` is."""
    first, second, mix = X[new.first], X[new.second], new.mix[:, None]
    return first + (second - first).multiply(mix).tocsr() if sparse.issparse(X) else first + mix * (second - first)


def _of_one_label(X: Any, labels: SparseLabels, bag: Rows, k: int, rng: np.random.Generator) -> MixedRows:
    from sklearn.neighbors import NearestNeighbors

    k = min(k, len(bag) - 1)
    # Without an argument, `kneighbors` returns the neighbours of the fitted rows, leaving out each row itself.
    nearest = NearestNeighbors(n_neighbors=k, algorithm="brute").fit(X[bag]).kneighbors(return_distance=False)
    near = bag[nearest]
    chosen = near[np.arange(len(bag)), rng.integers(k, size=len(bag))]
    # One row of 1s per new row, over the parent and its neighbours: the product counts how many have each label.
    member = sparse.csr_array(
        (np.ones(len(bag) * (k + 1)), np.column_stack([bag, near]).ravel(), np.arange(len(bag) + 1) * (k + 1)),
        shape=(len(bag), labels.shape[0]),
    )
    majority = (member @ labels.astype(np.float64)) > (k + 1) / 2
    return MixedRows(bag, chosen, rng.random(len(bag)), majority.astype(np.uint8))


def _joined(parts: list[MixedRows], n_labels: int, is_sparse: bool) -> MixedRows:
    # The empty part gives shapes and types where no label has new rows.
    nothing = MixedRows(np.empty(0, np.intp), np.empty(0, np.intp), np.empty(0), sparse.csr_array((0, n_labels)))
    parts = [nothing, *parts]
    labels = sparse.csr_array(sparse.vstack([part.labels for part in parts]), dtype=np.uint8)
    return MixedRows(
        np.concatenate([part.first for part in parts]),
        np.concatenate([part.second for part in parts]),
        np.concatenate([part.mix for part in parts]),
        labels if is_sparse else labels.toarray(),
    )
