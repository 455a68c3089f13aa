"""Metrics of many labels in chunks of rows; memory grows with the number of labels, not with rows x labels."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from cascade.data.labels import check_sparse_labels
from cascade.metrics.metric import mean_defined, ratio
from cascade.utils.types import Floats

BINS = 640
FURTHEST = 16.0
"""Log-odds of the centres of the first and the last bin, negative and positive; a bin is 0.05 wide."""
CENTRES = np.linspace(-FURTHEST, FURTHEST, BINS)


class StreamedRanking:
    """Average precision per label, and over all pairs, from counts of positives and rows in bins of log-odds.

    Scores in the same bin count as ties, so the result is exact for scores rounded to 0.05 log-odds. The memory is
    2 x 640 counts per label.

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
        """Add rows: log-odds (m, L) and labels as 0/1 of the same shape, sparse or dense."""
        n_labels = len(self.all)
        place = _places(z)
        # A label and a bin are one integer, so a single bincount covers all labels.
        self.all += np.bincount(place.ravel(), minlength=n_labels * BINS).reshape(n_labels, BINS)
        row, column = sparse.csr_array(Y).nonzero()
        self.positive += np.bincount(place[row, column], minlength=n_labels * BINS).reshape(n_labels, BINS)

    def average_precision(self) -> Floats:
        """Return the average precision per label, float of shape (L,); NaN for a label without a positive."""
        return _average_precision(self.positive, self.all)

    def macro_average_precision(self) -> float:
        """Return the mean average precision of the labels that occur."""
        return mean_defined(self.average_precision())

    def micro_average_precision(self) -> float:
        """Return the average precision over all (row, label) pairs; NaN without a positive."""
        return float(_average_precision(self.positive.sum(axis=0)[None], self.all.sum(axis=0)[None])[0])


def _places(z: NDArray[Any]) -> NDArray[np.intp]:
    """Return the bin of each entry, numbered consecutively across labels; int of shape (m, L)."""
    n_labels = z.shape[1]
    # Whole numbers up to 2 ** 24 are exact in float32, which halves the memory traffic.
    dtype = np.float32 if n_labels * BINS <= 2**24 else np.float64
    place = np.clip(z, -FURTHEST, FURTHEST).astype(dtype)
    # In place from here on: a chunk of many labels is large, and each step would copy it.
    place += FURTHEST
    place *= (BINS - 1) / (2 * FURTHEST)
    np.rint(place, out=place)
    place += np.arange(n_labels, dtype=dtype) * BINS
    return np.asarray(place, dtype=np.intp)


def _average_precision(positive: NDArray[np.int64], rows: NDArray[np.int64]) -> Floats:
    """Return average precision from counts per bin, bins ascending; counts have shape (K, bins)."""
    # From the highest bin down. A cumulative sum includes its whole bin, which is how ties enter average precision.
    true_positives = np.cumsum(positive[:, ::-1], axis=1, dtype=np.float64)
    predicted = np.cumsum(rows[:, ::-1], axis=1, dtype=np.float64)
    precision = np.divide(true_positives, predicted, out=np.zeros_like(true_positives), where=predicted > 0)
    return ratio((positive[:, ::-1] * precision).sum(axis=1), true_positives[:, -1])


class StreamedCounts:
    """Sums per label: probabilities, positives, predicted positives and true positives.

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
        self.proba, self.true, self.predicted, self.hits = np.zeros((4, n_labels))
        self.rows = self.empty_rows = self.empty_predictions = 0

    def add(self, proba: NDArray[Any], Y: Any, bits: Any) -> None:
        """Add rows: probabilities (m, L), true and predicted labels as 0/1 of the same shape, sparse or dense."""
        true, predicted = (sparse.csr_array(each, dtype=np.float64) for each in (Y, bits))
        # Sums in float64: float32 would lose small probabilities over millions of rows.
        self.rows += len(proba)
        self.proba += proba.sum(axis=0, dtype=np.float64)
        self.true += true.sum(axis=0)
        self.predicted += predicted.sum(axis=0)
        self.hits += true.multiply(predicted).sum(axis=0)
        self.empty_rows += int((true.sum(axis=1) == 0).sum())
        self.empty_predictions += int((predicted.sum(axis=1) == 0).sum())

    def sum_ratio(self) -> Floats:
        """Return the sum of probabilities over the positives per label; NaN for a label that never occurs."""
        return ratio(self.proba, self.true)

    def count_ratio(self) -> Floats:
        """Return predicted over true positives per label; NaN for a label that never occurs."""
        return ratio(self.predicted, self.true)

    def f1(self) -> Floats:
        """Return F1 per label; NaN for a label that neither occurs nor is predicted."""
        return ratio(2 * self.hits, self.true + self.predicted)

    def micro_f1(self) -> float:
        """Return F1 over all (row, label) pairs."""
        return float(ratio(2 * self.hits.sum(), self.true.sum() + self.predicted.sum()))


def example_average_precision(proba: NDArray[Any], Y: Any) -> Floats:
    """Return the average precision of the ranking of labels per row, float of shape (m,); NaN on an empty row.

    Examples
    --------
    >>> example_average_precision(np.array([[0.9, 0.1, 0.5]]), np.array([[1, 0, 0]])).tolist()
    [1.0]
    """
    labels = check_sparse_labels(sparse.csr_array(Y))
    descending = -np.sort(-proba, axis=1)
    precision = np.full(len(proba), np.nan)
    for row in np.flatnonzero(np.diff(labels.indptr)):
        scores = -np.sort(-proba[row, labels.indices[labels.indptr[row] : labels.indptr[row + 1]]])
        # Negated scores ascend, as searchsorted requires; side="right" counts tied labels as ranked above.
        true_positives = np.searchsorted(-scores, -scores, side="right")
        precision[row] = (true_positives / np.searchsorted(-descending[row], -scores, side="right")).mean()
    return precision
