"""Effect of common weighting recipes on a label matrix, reported before any training."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.class_weight import compute_sample_weight

from cascade.data.labels import Labels
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


def keras_class_weight(Y: Labels) -> KerasClassWeight:
    """Weight rows as Keras 3 does with `class_weight` of n / (L * n_k).

    Examples
    --------
    >>> keras_class_weight(np.array([[0, 0], [0, 0], [1, 1]], np.uint8)).unused.tolist()
    [1]
    """
    count = Y.sum(axis=0, dtype=np.float64)
    # A label without positives has no weight: the ratio is undefined.
    weight = np.nan_to_num(ratio(np.full(len(count), len(Y) / len(count)), count))
    taken = Y.argmax(axis=1)
    empty = ~Y.any(axis=1)
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


def balanced_sample_weight(Y: Labels) -> BalancedSampleWeight:
    """Weight rows as scikit-learn does for several outputs.

    Examples
    --------
    >>> balanced_sample_weight(np.array([[0], [0], [1], [1]], np.uint8))
    BalancedSampleWeight(top_share=0.5, effective_rows=4.0)
    """
    weight = np.asarray(compute_sample_weight("balanced", Y), dtype=np.float64)
    return BalancedSampleWeight(float(np.sort(weight)[-2:].sum() / weight.sum()), effective_rows(weight))
