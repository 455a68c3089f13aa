"""Metrics of the k labels ranked first per row, from sparse labels, without a dense array of rows x labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from cascade.data.labels import check_sparse_labels
from cascade.errors import ConfigError, DataError
from cascade.utils.types import Floats

Columns = NDArray[np.intp]


@dataclass(frozen=True)
class TopK:
    """Quality of the first k labels per row, as means over the rows that have a label.

    Attributes
    ----------
    k, rows : int
        `rows` have a label; empty rows have no correct ranking and are left out.
    precision, recall : float
        Share of the k that are correct, and share of the row's labels that are among the k.
    best_precision, best_recall : float
        Values of a perfect ranking: precision is below 1 if a row has fewer labels than k, recall if it has more.
    ndcg : float
        Normalised discounted cumulative gain, 1 for a perfect ranking.
    propensity_precision : float
        Precision weighted by inverse propensities of labels, over that of a perfect ranking.
    """

    k: int
    rows: int
    precision: float
    best_precision: float
    recall: float
    best_recall: float
    ndcg: float
    propensity_precision: float


def check_k(k: Any, n_labels: int) -> None:
    """Raise if `k` is not a whole number between 1 and the number of labels."""
    # True is an int in Python, but hardly meant as 1.
    if isinstance(k, bool) or not (isinstance(k, (int, np.integer)) and 1 <= k <= n_labels):
        raise ConfigError(f"`k` must be a whole number between 1 and the number of labels ({n_labels}). Received {k}.")


def top_columns(scores: NDArray[Any], k: int) -> Columns:
    """Return the columns of the k highest scores per row, highest first; int of shape (n, k).

    Examples
    --------
    >>> top_columns(np.array([[0.1, 0.9, 0.5]]), 2).tolist()
    [[1, 2]]
    """
    n_labels = scores.shape[1]
    # A partition is linear in the number of labels; only the k that it selects are sorted.
    first = np.argpartition(-scores, min(k, n_labels) - 1, axis=1)[:, :k]
    # In column order before the stable sort, so that equal scores are listed by column, in any order of the partition.
    first.sort(axis=1)
    order = np.argsort(-np.take_along_axis(scores, first, axis=1), axis=1, kind="stable")
    return np.take_along_axis(first, order, axis=1)


def propensities(count: NDArray[Any], n_rows: int, a: float = 0.55, b: float = 1.5) -> Floats:
    """Return the probability that a true label is also annotated, from the number of rows that have it.

    References
    ----------
    Jain, Prabhu & Varma (2016), Extreme multi-label loss functions for recommendation, tagging, ranking and other
    missing label applications, section 4: 1 / (1 + c exp(-a ln(n_k + b))), c = (ln n - 1) (b + 1)^a.

    Examples
    --------
    >>> propensities(np.array([1, 100, 10_000]), 20_000).round(2).tolist()
    [0.1, 0.46, 0.91]
    """
    # At least 3 rows, so that c stays positive and a propensity in (0, 1].
    c = (np.log(max(n_rows, 3)) - 1) * (b + 1) ** a
    return np.asarray(1 / (1 + c * (np.asarray(count) + b) ** -a), dtype=np.float64)


def at_k(Y: Any, columns: Columns, propensity: Floats | None = None) -> TopK:
    """Score the first k labels of each row.

    Parameters
    ----------
    Y : sparse matrix or ndarray of 0/1, shape (n, L)
    columns : ndarray of int, shape (n, k)
        Labels, most probable first; see `top_columns`.
    propensity : ndarray of float in (0, 1], shape (L,), optional
        Result of `propensities` on the training rows; computed from `Y` if not given.

    Raises
    ------
    DataError
        If `columns` does not fit `Y`.

    References
    ----------
    Jarvelin & Kekalainen (2002), Cumulated gain-based evaluation of IR techniques.

    Examples
    --------
    >>> top = at_k(np.array([[1, 0, 1], [0, 0, 0]]), np.array([[0, 1], [0, 1]]))
    >>> top.rows, top.precision, top.recall, top.best_precision
    (1, 0.5, 0.5, 1.0)
    """
    # A checked copy has sorted columns, which the search for hits relies on, and no stored zeros.
    labels = check_sparse_labels(sparse.csr_array(Y))
    if columns.ndim != 2 or len(columns) != labels.shape[0]:
        raise DataError(f"`columns` must have one row per row of `Y` ({labels.shape[0]}). Received {columns.shape}.")
    if columns.size and not (columns.min() >= 0 and columns.max() < labels.shape[1]):
        raise DataError(f"`columns` must be numbers of labels, from 0 to {labels.shape[1] - 1}.")
    n_true = np.diff(labels.indptr)
    labelled = np.flatnonzero(n_true)
    k = columns.shape[1]
    hits = _hits(labels, columns)[labelled]
    reachable = np.minimum(n_true[labelled], k)
    # The ideal gain of a row is the sum of the first discounts, as many as it has labels among k.
    discount = 1 / np.log2(np.arange(2, k + 2))
    if propensity is None:
        propensity = propensities(labels.sum(axis=0), labels.shape[0])
    inverse = 1 / propensity
    gained = float((hits * inverse[columns[labelled]]).sum())
    return TopK(
        k=k,
        rows=len(labelled),
        precision=_mean(hits.sum(axis=1) / k),
        best_precision=_mean(reachable / k),
        recall=_mean(hits.sum(axis=1) / n_true[labelled]),
        best_recall=_mean(reachable / n_true[labelled]),
        ndcg=_mean(hits @ discount / np.cumsum(discount)[reachable - 1]),
        propensity_precision=gained / max(_best_gain(labels, inverse, k), np.finfo(float).tiny),
    )


def _hits(labels: sparse.csr_array, columns: Columns) -> NDArray[np.bool_]:
    """Mark the `columns` that are labels of their row, by one search in the sorted positions of all labels."""
    n_rows, n_labels = labels.shape
    # Row and column as one int64: the position of a label in the flattened matrix, ascending in CSR order.
    positions = np.repeat(np.arange(n_rows, dtype=np.int64), np.diff(labels.indptr)) * n_labels + labels.indices
    wanted = np.arange(n_rows, dtype=np.int64)[:, None] * n_labels + columns
    at = np.searchsorted(positions, wanted)
    # The appended -1 equals no position: it is read where the search ends after the last label.
    return np.asarray(np.append(positions, -1)[at] == wanted)


def _best_gain(labels: sparse.csr_array, inverse: Floats, k: int) -> float:
    """Sum the k largest inverse propensities of each row's labels, over all rows."""
    gain = inverse[labels.indices]
    row = np.repeat(np.arange(labels.shape[0]), np.diff(labels.indptr))
    # Sorting by row first keeps the rows where they are in the CSR arrays, so `rank` is valid before and after.
    order = np.lexsort((-gain, row))
    rank = np.arange(len(gain)) - labels.indptr[row]
    return float(gain[order][rank < k].sum())


def _mean(values: Floats) -> float:
    return float(values.mean()) if len(values) else float("nan")
