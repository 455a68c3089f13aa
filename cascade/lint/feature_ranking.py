"""How well single features rank the rows of each label."""

from __future__ import annotations

import numpy as np
from scipy.stats import rankdata

from cascade.utils.types import Floats, Mask


def feature_auroc(values: Floats, Y: Mask, known: Mask | None = None) -> Floats:
    """Return the AUROC of each feature for each label.

    Parameters
    ----------
    values : ndarray of float, shape (n, F)
        NaN counts as the smallest value, so that a label copied into what is missing is found as well.
    Y : ndarray of bool, shape (n, L)
    known : ndarray of bool, shape (n, L), optional
        Entries that count; all if not given.

    Returns
    -------
    ndarray of float, shape (F, L)
        0.5 where a class has no row.

    References
    ----------
    Hanley & McNeil (1982), The meaning and use of the area under a receiver operating characteristic (ROC) curve,
    Radiology 143: it is the Mann-Whitney statistic, computed from ranks.

    Examples
    --------
    >>> feature_auroc(np.array([[1.0], [2.0], [3.0]]), np.array([[False], [True], [True]]))
    array([[1.]])
    """
    values = np.nan_to_num(values, nan=-np.inf, neginf=-np.inf, posinf=np.inf)
    found = np.full((values.shape[1], Y.shape[1]), 0.5)
    if not len(values):
        return found
    ranks = np.asarray(rankdata(values, axis=0))
    for k in range(Y.shape[1]):
        if known is None or known[:, k].all():
            own, y = ranks, Y[:, k]
        else:
            own = np.asarray(rankdata(values[known[:, k]], axis=0)).reshape(-1, values.shape[1])
            y = Y[known[:, k], k]
        positives, negatives = int(y.sum()), int((~y).sum())
        if positives and negatives:
            found[:, k] = (own[y].sum(axis=0) - positives * (positives + 1) / 2) / (positives * negatives)
    return found
