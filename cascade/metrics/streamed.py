"""Metrics of many labels in chunks of rows: what is kept grows with labels, never with rows x labels."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from cascade.metrics.metric import mean_defined, ratio
from cascade.utils.types import Floats

BINS = 640
FURTHEST = 16.0
"""Log-odds at which the first and the last bin stand; a bin is 0.05 wide."""
CENTRES = np.linspace(-FURTHEST, FURTHEST, BINS)


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
    >>> ranking.add(np.array([[2.0], [-1.5]]), np.array([[1], [0]]))
    >>> ranking.average_precision().tolist()
    [1.0]
    """

    def __init__(self, n_labels: int) -> None:
        self.all = np.zeros((n_labels, BINS), dtype=np.int64)
        self.positive = np.zeros((n_labels, BINS), dtype=np.int64)

    def add(self, z: NDArray[Any], Y: Any) -> None:
        """Count some rows: log-odds (m, L) and 0/1, sparse or not, of the same shape."""
        n_labels = len(self.all)
        place = _places(z)
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


def _places(z: NDArray[Any]) -> NDArray[np.intp]:
    """Number of each entry's bin, those of the labels one after the other; int of shape (m, L)."""
    n_labels = z.shape[1]
    # Whole numbers up to 2 ** 24 are exact in float32, which halves what moves through memory.
    kind = np.float32 if n_labels * BINS <= 2**24 else np.float64
    place = np.clip(z, -FURTHEST, FURTHEST).astype(kind)
    place += FURTHEST
    place *= (BINS - 1) / (2 * FURTHEST)
    np.rint(place, out=place)
    place += np.arange(n_labels, dtype=kind) * BINS
    return np.asarray(place, dtype=np.intp)


def _average_precision(positive: NDArray[np.int64], rows: NDArray[np.int64]) -> Floats:
    """From counts by bin, ascending, of shape (K, bins)."""
    found = np.cumsum(positive[:, ::-1], axis=1, dtype=np.float64)
    seen = np.cumsum(rows[:, ::-1], axis=1, dtype=np.float64)
    precision = np.divide(found, seen, out=np.zeros_like(found), where=seen > 0)
    return ratio((positive[:, ::-1] * precision).sum(axis=1), found[:, -1])


class StreamedCounts:
    """Sums by label: probabilities, true rows, rows on which its bit was set, and those on which rightly.

    Parameters
    ----------
    n_labels : int

    Examples
    --------
    >>> counts = StreamedCounts(2)
    >>> counts.add(np.array([[0.9, 0.2], [0.6, 0.1]]), np.array([[1, 0], [0, 1]]), np.array([[1, 0], [1, 0]]))
    >>> counts.count_ratio().tolist(), counts.f1().round(2).tolist()
    ([2.0, 0.0], [0.67, 0.0])
    """

    def __init__(self, n_labels: int) -> None:
        self.proba, self.true, self.predicted, self.found = np.zeros((4, n_labels))
        self.rows = self.empty_rows = self.empty_predictions = 0

    def add(self, proba: NDArray[Any], Y: Any, bits: Any) -> None:
        """Count some rows: probabilities (m, L), 0/1 and predicted 0/1, sparse or not, of the same shape."""
        true, predicted = (sparse.csr_array(each, dtype=np.float64) for each in (Y, bits))
        self.rows += len(proba)
        self.proba += proba.sum(axis=0, dtype=np.float64)
        self.true += true.sum(axis=0)
        self.predicted += predicted.sum(axis=0)
        self.found += true.multiply(predicted).sum(axis=0)
        self.empty_rows += int((true.sum(axis=1) == 0).sum())
        self.empty_predictions += int((predicted.sum(axis=1) == 0).sum())

    def sum_ratio(self) -> Floats:
        """Probabilities over true rows of each label; NaN for one that never occurs."""
        return ratio(self.proba, self.true)

    def count_ratio(self) -> Floats:
        """Predicted over true rows of each label; NaN for one that never occurs."""
        return ratio(self.predicted, self.true)

    def f1(self) -> Floats:
        """F1 of each label; NaN for one that neither occurs nor is predicted."""
        return ratio(2 * self.found, self.true + self.predicted)

    def micro_f1(self) -> float:
        """F1 over all pairs of row and label."""
        return float(ratio(2 * self.found.sum(), self.true.sum() + self.predicted.sum()))


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
