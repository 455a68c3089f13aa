"""Choose labels of a row from log-odds of many labels: by thresholds, a known number, or a predicted number."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.special import expit, logit

from cascade.many_labels.cardinality import Cardinality
from cascade.metrics.streamed import CENTRES
from cascade.metrics.top_k import top_columns
from cascade.utils.types import Floats32

LABELS_AT_A_TIME = 1000
NEVER = np.float32(np.finfo(np.float32).max)


@dataclass(frozen=True)
class Thresholds:
    """A label is set where its log-odds reach its threshold.

    Attributes
    ----------
    log_odds : ndarray of float32, shape (L,)
    """

    log_odds: Floats32

    @classmethod
    def at(cls, probability: float, n_labels: int) -> Thresholds:
        """Use the same probability for all labels."""
        return cls(np.full(n_labels, logit(probability), dtype=np.float32))

    def __call__(self, z: Floats32) -> sparse.csr_array:
        """Return a CSR array of 0/1, shape (m, L)."""
        return sparse.csr_array(z >= self.log_odds).astype(np.uint8)


def most_probable(z: Floats32, number: NDArray[Any]) -> sparse.csr_array:
    """Set the `number[i]` labels of row i with the highest log-odds; return CSR of 0/1, shape (m, L).

    Examples
    --------
    >>> most_probable(np.array([[0.1, 0.9, 0.5], [3.0, 2.0, 1.0]]), np.array([2, 0])).toarray()
    array([[0, 1, 1],
           [0, 0, 0]], dtype=uint8)
    """
    number = np.clip(np.asarray(number, dtype=np.intp), 0, z.shape[1])
    most = int(number.max(initial=0))
    if most == 0:
        return sparse.csr_array(z.shape, dtype=np.uint8)
    # Each row gets as many columns as the row with most labels, and keeps its first ones.
    columns = top_columns(z, most)
    kept = np.arange(most) < number[:, None]
    start = np.concatenate([[0], np.cumsum(number)])
    bits = sparse.csr_array((np.ones(int(start[-1]), dtype=np.uint8), columns[kept], start), shape=z.shape)
    bits.sort_indices()
    return bits


def thresholds_from(rows_by_bin: NDArray[np.int64], decoder: str) -> Thresholds:
    """Choose thresholds from counts of rows by calibrated log-odds, without the labels themselves.

    Parameters
    ----------
    rows_by_bin : ndarray of int, shape (L, bins)
        Rows per label and bin of log-odds, as counted by `StreamedRanking.all`.
    decoder : {"f1", "count"}
        Largest expected F1, or as many rows as the sum of the probabilities.

    Returns
    -------
    Thresholds

    References
    ----------
    Lipton, Elkan & Narayanaswamy (2014), Optimal thresholding of classifiers to maximize F1 measure: with calibrated
    probabilities, F1 in expectation is 2 sum(p of the chosen) / (number chosen + sum(p)).

    Examples
    --------
    With a hundred rows at log-odds -16 and ten at +16, ten rows are expected to have the label.

    >>> rows = np.zeros((1, len(CENTRES)), dtype=np.int64)
    >>> rows[0, 0], rows[0, -1] = 100, 10
    >>> bool(thresholds_from(rows, "count").log_odds[0] > 0)
    True
    """
    # In parts, since the sums below are float64 arrays of labels x bins.
    parts = np.array_split(rows_by_bin, range(LABELS_AT_A_TIME, len(rows_by_bin), LABELS_AT_A_TIME))
    return Thresholds(np.concatenate([_lowest(part, decoder) for part in parts]).astype(np.float32))


def _lowest(rows_by_bin: NDArray[np.int64], decoder: str) -> NDArray[np.float64]:
    """Return the lower edge of the last bin that is chosen, from the highest down."""
    # Reversed, so that position j of a cumulative sum is the choice of all rows in the j + 1 highest bins.
    expected = rows_by_bin * expit(CENTRES)
    chosen = np.cumsum(rows_by_bin[:, ::-1], axis=1, dtype=np.float64)
    gained = np.cumsum(expected[:, ::-1], axis=1)
    total = gained[:, -1:]
    if decoder == "f1":
        best = np.argmax(2 * gained / np.maximum(chosen + total, 1e-12), axis=1)
    else:
        best = np.argmin(np.abs(chosen - total), axis=1)
    half_a_bin = (CENTRES[1] - CENTRES[0]) / 2
    # A label that is expected on less than half a row is never set.
    none = (chosen[np.arange(len(best)), best] == 0) | (total[:, 0] < 0.5)
    return np.where(none, NEVER, CENTRES[::-1][best] - half_a_bin)


@dataclass(frozen=True)
class Decoding:
    """How labels are chosen: by thresholds, a known number, or a predicted number; exactly one is not None.

    Attributes
    ----------
    thresholds : Thresholds or None
    top : int or None
    cardinality : Cardinality or None
    """

    thresholds: Thresholds | None = None
    top: int | None = None
    cardinality: Cardinality | None = None
