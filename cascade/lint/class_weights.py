"""Effect of common weighting recipes on a label matrix, reported before any training."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from cascade.data.labels import Labels, SparseLabels
from cascade.metrics import ratio
from cascade.metrics.intervals import effective_rows


@dataclass(frozen=True)
class KerasClassWeight:
    """Effect of balanced weights given to Keras as `class_weight` with a multi-label target.

    Keras weights a row by the class at the argmax of its labels. That is the first label on a row with several, and
    class 0 on an empty row.

    Attributes
    ----------
    empty_share, empty_weight_share : float
        Share of the empty rows among the rows, and of their weight in the total weight.
    unused : ndarray of int
        Labels that occur, but whose weight is used on no row.
    """

    empty_share: float
    empty_weight_share: float
    unused: NDArray[np.intp]


def keras_class_weight(Y: Labels | SparseLabels) -> KerasClassWeight:
    """Weight rows as Keras 3 does with `class_weight` of n / (L * n_k).

    Examples
    --------
    >>> keras_class_weight(np.array([[0, 0], [0, 0], [1, 1]], np.uint8)).unused.tolist()
    [1]
    """
    rows = sparse.csr_array(Y)
    rows.sort_indices()
    n_rows, n_labels = rows.shape
    count = np.bincount(rows.indices, minlength=n_labels).astype(np.float64)
    # A label without positives has no weight: the ratio is undefined.
    weight = np.nan_to_num(ratio(np.full(n_labels, n_rows / n_labels), count))
    empty = np.diff(rows.indptr) == 0
    # The argmax of a row is its first label, and 0 where it has none.
    taken = np.zeros(n_rows, dtype=np.intp)
    taken[~empty] = rows.indices[rows.indptr[:-1][~empty]]
    of_row = weight[taken]
    # Only labelled rows count: on empty rows, class 0 is used without being there.
    unused = np.setdiff1d(np.flatnonzero(count), taken[~empty])
    share = of_row[empty].sum() / of_row.sum() if of_row.sum() > 0 else float(empty.mean())
    return KerasClassWeight(float(empty.mean()), float(share), unused)


@dataclass(frozen=True)
class BalancedSampleWeight:
    """Effect of scikit-learn's `compute_sample_weight("balanced", Y)`, which multiplies the columns' weights.

    Attributes
    ----------
    top_share : float
        Share of the total weight on the two heaviest rows.
    effective_rows : float
        Kish's effective sample size, (sum of w)^2 / sum of w^2.
    """

    top_share: float
    effective_rows: float


def balanced_sample_weight(Y: Labels | SparseLabels) -> BalancedSampleWeight:
    """Weight rows as scikit-learn does for several outputs.

    Examples
    --------
    >>> balanced_sample_weight(np.array([[0], [0], [1], [1]], np.uint8))
    BalancedSampleWeight(top_share=0.5, effective_rows=4.0)
    """
    rows = sparse.csr_array(Y, dtype=np.float64)
    n_rows, n_labels = rows.shape
    count = np.bincount(rows.indices, minlength=n_labels)
    # A column of one value alone has the weight 1 throughout.
    varies = (count > 0) & (count < n_rows)
    shift = np.zeros(n_labels)
    shift[varies] = np.log((n_rows - count[varies]) / count[varies])
    # The factor of each column is n / (2 count); all rows share those of its zeros, which cancel in the figures below.
    exponent = rows @ shift
    weight = np.exp(exponent - exponent.max(initial=0.0))
    return BalancedSampleWeight(float(np.sort(weight)[-2:].sum() / weight.sum()), effective_rows(weight))
