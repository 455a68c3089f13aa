"""Metrics of many labels in chunks of rows: what is kept grows with labels, never with rows x labels."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from cascade.metrics.metric import mean_defined, ratio
from cascade.priors import log_odds

Floats = NDArray[np.float64]

BINS = 640
FURTHEST = 16.0
"""Log-odds at which the first and the last bin stand; a bin is 0.05 wide."""


class StreamedRanking:
    """Average precision of each label, and over all, from counts of positives and rows by binned log-odds.

    Scores of a bin count as ties, so the figure is the exact one of scores rounded to 0.05 log-odds. Kept are
    2 x 640 counts a label.

    Parameters
    ----------
    n_labels : int

    Examples
    --------
    >>> ranking = StreamedRanking(1)
    >>> ranking.add(np.array([[0.9], [0.2]]), np.array([[1], [0]]))
    >>> ranking.average_precision().tolist()
    [1.0]
    """

    def __init__(self, n_labels: int) -> None:
        self.all = np.zeros((n_labels, BINS), dtype=np.int64)
        self.positive = np.zeros((n_labels, BINS), dtype=np.int64)

    def add(self, proba: NDArray[Any], Y: Any) -> None:
        """Count some rows: probabilities (m, L) and 0/1, sparse or not, of the same shape."""
        n_labels = len(self.all)
        place = np.arange(n_labels) * BINS + _bin(proba)
        self.all += np.bincount(place.ravel(), minlength=n_labels * BINS).reshape(n_labels, BINS)
        row, column = sparse.csr_array(Y).nonzero()
        self.positive += np.bincount(place[row, column], minlength=n_labels * BINS).reshape(n_labels, BINS)

    def average_precision(self) -> Floats:
        """Of each label, float of shape (L,); NaN for a label without a positive."""
        return _average_precision(self.positive, self.all)

    def macro_average_precision(self) -> float:
        """Mean over the labels that occur."""
        return mean_defined(self.average_precision())

    def micro_average_precision(self) -> float:
        """Over all pairs of row and label; NaN without a positive."""
        return float(_average_precision(self.positive.sum(axis=0)[None], self.all.sum(axis=0)[None])[0])


def _bin(proba: NDArray[Any]) -> NDArray[np.intp]:
    scaled = (np.clip(log_odds(proba), -FURTHEST, FURTHEST) + FURTHEST) * ((BINS - 1) / (2 * FURTHEST))
    return np.rint(scaled).astype(np.intp)


def _average_precision(positive: NDArray[np.int64], rows: NDArray[np.int64]) -> Floats:
    """From counts by bin, ascending, of shape (K, bins)."""
    found = np.cumsum(positive[:, ::-1], axis=1, dtype=np.float64)
    seen = np.cumsum(rows[:, ::-1], axis=1, dtype=np.float64)
    precision = np.divide(found, seen, out=np.zeros_like(found), where=seen > 0)
    return ratio((positive[:, ::-1] * precision).sum(axis=1), found[:, -1])


class StreamedCounts:
    """Sums by label: probabilities, true rows, and bits that were set.

    Parameters
    ----------
    n_labels : int
    """

    def __init__(self, n_labels: int) -> None:
        self.proba, self.true, self.predicted = np.zeros((3, n_labels))
        self.rows = self.empty_predictions = 0

    def add(self, proba: NDArray[Any], Y: Any, bits: NDArray[Any]) -> None:
        """Count some rows: probabilities, 0/1 and predicted 0/1 of shape (m, L)."""
        self.rows += len(proba)
        self.proba += proba.sum(axis=0, dtype=np.float64)
        self.true += np.asarray(Y.sum(axis=0), dtype=np.float64).ravel()
        self.predicted += bits.sum(axis=0, dtype=np.float64)
        self.empty_predictions += int((~bits.any(axis=1)).sum())

    def sum_ratio(self) -> Floats:
        """Probabilities over true rows of each label; NaN for one that never occurs."""
        return ratio(self.proba, self.true)

    def count_ratio(self) -> Floats:
        """Predicted over true rows of each label; NaN for one that never occurs."""
        return ratio(self.predicted, self.true)


def example_average_precision(proba: NDArray[Any], Y: Any) -> Floats:
    """Average precision of each row's ranking of labels, float of shape (m,); NaN on a row without a label.

    Examples
    --------
    >>> example_average_precision(np.array([[0.9, 0.1, 0.5]]), np.array([[1, 0, 0]])).tolist()
    [1.0]
    """
    labels = sparse.csr_array(Y)
    descending = -np.sort(-proba, axis=1)
    answer = np.full(len(proba), np.nan)
    for row in np.flatnonzero(np.diff(labels.indptr)):
        own = -np.sort(-proba[row, labels.indices[labels.indptr[row] : labels.indptr[row + 1]]])
        found = np.searchsorted(-own, -own, side="right")
        answer[row] = (found / np.searchsorted(-descending[row], -own, side="right")).mean()
    return answer
