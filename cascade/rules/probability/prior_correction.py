"""Prior correction: undo the shift of log-odds that sampling or class weights cause."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from cascade.errors import ConfigError
from cascade.utils.types import Floats


def sampling_shift(kept_negatives: ArrayLike, kept_positives: ArrayLike) -> Floats:
    """Return the log-odds to add to a model that was fitted on a sample.

    Parameters
    ----------
    kept_negatives, kept_positives : array-like of float in (0, 1]
        Share b of the negatives and share c of the positives that the sample kept.

    Returns
    -------
    ndarray of float
        ln(b / c), as in logit p = logit p_s + ln(b / c).

    Raises
    ------
    ConfigError
        If a share is not in (0, 1].

    References
    ----------
    Dal Pozzolo et al. (2015), Calibrating probability with undersampling for unbalanced classification.
    King & Zeng (2001), Logistic regression in rare events data.

    Examples
    --------
    Class 1 of problem A: 233 positives and 233 of 53,981 negatives; a balanced model's 0.9 means 0.037.

    >>> from cascade.utils.log_odds import shift_proba
    >>> round(float(shift_proba(0.9, sampling_shift(233 / 53981, 1.0))), 3)
    0.037
    """
    b, c = np.asarray(kept_negatives, dtype=np.float64), np.asarray(kept_positives, dtype=np.float64)
    for name, share in (("kept_negatives", b), ("kept_positives", c)):
        # Written as "not above 0" so that NaN is refused too.
        if np.any(~(share > 0) | (share > 1)):
            raise ConfigError(f"`{name}` must lie in (0, 1]. Received {share.tolist()}.")
    return np.asarray(np.log(b / c), dtype=np.float64)


def weight_shift(negative_weight: ArrayLike, positive_weight: ArrayLike) -> Floats:
    """Return the log-odds to add to a model that was fitted with class weights (w0, w1): -ln(w1 / w0).

    References
    ----------
    Elkan (2001), The foundations of cost-sensitive learning.

    Examples
    --------
    >>> float(weight_shift(1.0, 1.0))
    0.0
    """
    w0, w1 = np.asarray(negative_weight, dtype=np.float64), np.asarray(positive_weight, dtype=np.float64)
    if np.any(~(w0 > 0)) or np.any(~(w1 > 0)):
        raise ConfigError(f"class weights must be positive. Received {w0.tolist()} and {w1.tolist()}.")
    # 0.0 - x instead of -x: equal weights give 0.0, not -0.0.
    return np.asarray(0.0 - np.log(w1 / w0), dtype=np.float64)
