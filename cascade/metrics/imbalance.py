"""Imbalance of a label matrix: IRLbl, MeanIR and SCUMBLE."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from cascade.data.labels import Labels, SparseLabels
from cascade.metrics import mean_defined, ratio
from cascade.utils.types import Floats


def imbalance_ratio(Y: Labels | SparseLabels) -> Floats:
    """Return IRLbl per label: positives of the most frequent label over those of the label; NaN without a positive.

    Parameters
    ----------
    Y : ndarray or sparse array of 0/1, shape (n, L)

    References
    ----------
    Charte et al. (2015), Addressing imbalance in multilabel classification, Neurocomputing 163, equation 1.

    Examples
    --------
    >>> imbalance_ratio(np.array([[1, 1], [1, 0], [0, 0]], np.uint8))
    array([1., 2.])
    """
    count = np.asarray(Y.sum(axis=0, dtype=np.float64)).ravel()
    return ratio(np.full(len(count), count.max(initial=0.0)), count)


def mean_imbalance_ratio(Y: Labels | SparseLabels) -> float:
    """Return MeanIR, the mean of IRLbl over the labels that occur."""
    return mean_defined(imbalance_ratio(Y))


def scumble(Y: Labels | SparseLabels) -> float:
    """Return SCUMBLE: how often rare and frequent labels occur on the same row, from 0 (never) towards 1.

    It is one minus the geometric over the arithmetic mean of IRLbl of a row's labels, averaged over the rows with a
    label. Empty rows are left out, since no labels occur together there.

    References
    ----------
    Charte et al. (2014), Concurrence among imbalanced labels and its influence on multilabel resampling, HAIS.

    Examples
    --------
    >>> scumble(np.array([[1, 0], [0, 1], [0, 0]], np.uint8))
    0.0
    """
    given = sparse.csr_array(Y, dtype=np.float64)
    rows = given[np.diff(given.indptr) > 0]
    if not rows.shape[0]:
        return 0.0
    # A label that never occurs has a factor of 0 below, and 0 * NaN would be NaN.
    rarity = np.nan_to_num(imbalance_ratio(Y), nan=1.0)
    n_labels = rows.sum(axis=1)
    geometric = np.exp(rows @ np.log(rarity) / n_labels)
    # Rounding can make the term of a row with equally rare labels slightly negative.
    return float(np.mean(np.maximum(1 - geometric * n_labels / (rows @ rarity), 0.0)))
