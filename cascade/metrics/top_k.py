"""Metrics of the k labels ranked first on each row, from sparse labels: no array of rows x labels is ever made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from cascade.errors import ConfigError, DataError
from cascade.utils.types import Floats

Columns = NDArray[np.intp]


@dataclass(frozen=True)
class TopK:
    """How good the first k labels of each row are, in means over the rows that have a label.

    Attributes
    ----------
    k, rows : int
        Rows that have a label; the others have no right answer, and are left out.
    precision, recall : float
        Share of the k that are right, and of the row's labels that are among the k.
    best_precision, best_recall : float
        What a perfect ranking scores: less than 1 where rows have fewer labels than k, or more.
    ndcg : float
        Normalised discounted cumulative gain, 1 for a perfect ranking.
    propensity_precision : float
        Precision in which a label counts by the inverse of its propensity, over that of the best ranking.
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
    """Refuse a number of labels that cannot be listed."""
    if isinstance(k, bool) or not (isinstance(k, (int, np.integer)) and 1 <= k <= n_labels):
        raise ConfigError(f"`k` must be a whole number between 1 and the number of labels ({n_labels}). Received {k}.")


def top_columns(scores: NDArray[Any], k: int) -> Columns:
    """Columns of the k highest scores of each row, highest first; int of shape (n, k).

    Examples
    --------
    >>> top_columns(np.array([[0.1, 0.9, 0.5]]), 2).tolist()
    [[1, 2]]
    """
    n_labels = scores.shape[1]
    first = np.argpartition(-scores, min(k, n_labels) - 1, axis=1)[:, :k]
    first.sort(axis=1)
    order = np.argsort(-np.take_along_axis(scores, first, axis=1), axis=1, kind="stable")
    return np.take_along_axis(first, order, axis=1)


def propensities(count: NDArray[Any], n_rows: int, a: float = 0.55, b: float = 1.5) -> Floats:
    """Chance that a label which holds is also noted, by the number of rows that have it.

    References
    ----------
    Jain, Prabhu & Varma (2016), Extreme multi-label loss functions for recommendation, tagging, ranking and other
    missing label applications, section 4: 1 / (1 + c exp(-a ln(n_k + b))), c = (ln n - 1) (b + 1)^a.

    Examples
    --------
    >>> propensities(np.array([1, 100, 10_000]), 20_000).round(2).tolist()
    [0.1, 0.46, 0.91]
    """
    c = (np.log(max(n_rows, 3)) - 1) * (b + 1) ** a
    return np.asarray(1 / (1 + c * (np.asarray(count) + b) ** -a), dtype=np.float64)


def at_k(Y: Any, columns: Columns, propensity: Floats | None = None) -> TopK:
    """Score the first k labels of each row.

    Parameters
    ----------
    Y : sparse matrix or ndarray of 0/1, shape (n, L)
    columns : ndarray of int, shape (n, k)
        Labels, surest first; see `top_columns`.
    propensity : ndarray of float in (0, 1], shape (L,), optional
        Of `propensities` on the training rows; those of `Y` if not given.

    Raises
    ------
    DataError
        If `columns` does not fit `Y`.

    References
    ----------
    Jarvelin & Kekalainen (2002), Cumulated gain-based evaluation of IR techniques.

    Examples
    --------
    >>> found = at_k(np.array([[1, 0, 1], [0, 0, 0]]), np.array([[0, 1], [0, 1]]))
    >>> found.rows, found.precision, found.recall, found.best_precision
    (1, 0.5, 0.5, 1.0)
    """
    labels = sparse.csr_array(Y)
    labels.sum_duplicates()
    if columns.ndim != 2 or len(columns) != labels.shape[0]:
        raise DataError(f"`columns` must have one row per row of `Y` ({labels.shape[0]}). Received {columns.shape}.")
    if columns.size and not (columns.min() >= 0 and columns.max() < labels.shape[1]):
        raise DataError(f"`columns` must be numbers of labels, below {labels.shape[1]}.")
    n_true = np.diff(labels.indptr)
    some = np.flatnonzero(n_true)
    k = columns.shape[1]
    hits = _hits(labels, columns)[some]
    reachable = np.minimum(n_true[some], k)
    discount = 1 / np.log2(np.arange(2, k + 2))
    if propensity is None:
        propensity = propensities(labels.sum(axis=0), labels.shape[0])
    inverse = 1 / propensity
    gained = float((hits * inverse[columns[some]]).sum())
    return TopK(
        k=k,
        rows=len(some),
        precision=_mean(hits.sum(axis=1) / k),
        best_precision=_mean(reachable / k),
        recall=_mean(hits.sum(axis=1) / n_true[some]),
        best_recall=_mean(reachable / n_true[some]),
        ndcg=_mean(hits @ discount / np.cumsum(discount)[reachable - 1]),
        propensity_precision=gained / max(_best_gain(labels, inverse, k), np.finfo(float).tiny),
    )


def _hits(labels: sparse.csr_array, columns: Columns) -> NDArray[np.bool_]:
    """Whether each of `columns` is a label of its row: one search in the sorted places of all labels."""
    n_rows, n_labels = labels.shape
    places = np.repeat(np.arange(n_rows, dtype=np.int64), np.diff(labels.indptr)) * n_labels + labels.indices
    asked = np.arange(n_rows, dtype=np.int64)[:, None] * n_labels + columns
    at = np.searchsorted(places, asked)
    return np.asarray(np.append(places, -1)[np.minimum(at, len(places))] == asked)


def _best_gain(labels: sparse.csr_array, inverse: Floats, k: int) -> float:
    """Sum over the rows of their k largest inverse propensities."""
    gain = inverse[labels.indices]
    row = np.repeat(np.arange(labels.shape[0]), np.diff(labels.indptr))
    order = np.lexsort((-gain, row))
    rank = np.arange(len(gain)) - labels.indptr[row]
    return float(gain[order][rank < k].sum())


def _mean(values: Floats) -> float:
    return float(values.mean()) if len(values) else float("nan")
