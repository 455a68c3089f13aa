"""Intervals of proportions: exact for independent units, and for weighted rows that come in groups."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import betaincinv, stdtrit

from cascade.utils.types import Floats


def clopper_pearson(found: ArrayLike, n: ArrayLike, outside: float) -> tuple[Floats, Floats]:
    """Lower and upper bound of a proportion of which `found` of `n` independent units were seen.

    Parameters
    ----------
    found, n : array-like of float >= 0
        Need not be whole: effective numbers are taken too.
    outside : float in (0, 1)
        Probability with which each bound, by itself, may be missed.

    Returns
    -------
    low, high : ndarray of float
        0 and 1 where nothing was seen.

    References
    ----------
    Clopper & Pearson (1934), The use of confidence or fiducial limits, Biometrika 26.

    Examples
    --------
    >>> low, high = clopper_pearson([0, 3], [10, 10], 0.025)
    >>> low.round(3).tolist(), high.round(3).tolist()
    ([0.0, 0.067], [0.308, 0.652])
    """
    x, units = np.broadcast_arrays(np.asarray(found, dtype=np.float64), np.asarray(n, dtype=np.float64))
    missed = units - x
    low = np.where(x > 0, betaincinv(np.where(x > 0, x, 1.0), missed + 1, outside), 0.0)
    high = np.where(missed > 0, betaincinv(x + 1, np.where(missed > 0, missed, 1.0), 1 - outside), 1.0)
    return low, high


def clustered_interval(Y: ArrayLike, weight: Floats, group: NDArray[np.intp], confidence: float = 0.95) -> Floats:
    """Interval of the weighted share of each column, rows of a group depending on each other.

    Parameters
    ----------
    Y : array-like of 0/1, shape (n, L)
    weight : ndarray of float >= 0, shape (n,)
    group : ndarray of int, shape (n,)
        Number of each row's group, from 0.
    confidence : float in (0, 1)

    Returns
    -------
    ndarray of float, shape (2, L)

    Notes
    -----
    Clopper and Pearson's interval with the effective number of rows p (1 - p) / var(p), var from the groups' sums,
    times (t(n - 1) / t(groups - 1))^2 for what few groups leave unknown of var. At most Kish's number of rows; where no
    variance shows, as at a share of 0 or 1, Kish's number of groups.

    References
    ----------
    Korn & Graubard (1998), Confidence intervals for proportions with small expected number of positive counts
    estimated from survey data, Survey Methodology 24.

    Examples
    --------
    >>> y = np.repeat([1, 0, 0, 0], 25)[:, None]
    >>> alone, grouped = (clustered_interval(y, np.ones(100), g) for g in (np.arange(100), np.arange(100) // 25))
    >>> bool(np.ptp(grouped) > 2 * np.ptp(alone))
    True
    """
    y = np.asarray(Y, dtype=np.float64)
    counted = weight > 0
    if not counted.any():
        return np.tile([[0.0], [1.0]], (1, y.shape[1]))
    share, effective = clustered_share(y[counted], weight[counted], group[counted], (1 - confidence) / 2)
    return np.array(clopper_pearson(share * effective, effective, (1 - confidence) / 2))


def clustered_share(y: Floats, weight: Floats, group: NDArray[np.intp], outside: float) -> tuple[Floats, Floats]:
    """Weighted share of each column, and how many independent rows would know it as well.

    Parameters
    ----------
    y : ndarray of float in [0, 1], shape (n, L), n of 1 or more
    weight : ndarray of float > 0, shape (n,)
    group : ndarray of int, shape (n,)
    outside : float in (0, 1)
        Probability with which a bound may be missed that the number is used for.

    Returns
    -------
    share, effective : ndarray of float, shape (L,)
        See `clustered_interval`.
    """
    group = np.unique(group, return_inverse=True)[1]
    n_groups, total = int(group.max()) + 1, weight.sum()
    share = np.clip(weight @ y / total, 0.0, 1.0)
    sums = np.zeros((n_groups, y.shape[1]))
    np.add.at(sums, group, weight[:, None] * (y - share))
    spread = share * (1 - share)
    # Below this a variance is rounding: one group's sum is 0 in theory, and groups alike in everything leave none.
    shows = (sums**2).sum(axis=0) > 1e-12 * total**2 * np.maximum(spread, 1e-12)
    alike = effective_rows(np.bincount(group, weight))
    effective = np.full(len(share), alike)
    if n_groups > 1:
        variance = (sums**2).sum(axis=0) * n_groups / (n_groups - 1) / total**2
        few = few_groups(len(y), n_groups, outside)
        effective = np.divide(few * spread, variance, out=effective, where=shows)
    return share, np.minimum(effective, effective_rows(weight))


def few_groups(n_rows: int, n_groups: int, outside: float) -> float:
    """What few groups leave unknown of a variance, as a factor of the effective rows: squared quantiles of t."""
    return float(stdtrit(max(n_rows - 1, 1), outside) / stdtrit(n_groups - 1, outside)) ** 2


def effective_rows(weight: ArrayLike) -> float:
    """Kish's effective sample size, (sum of w)^2 / sum of w^2: how many equal rows the weighted ones are worth.

    References
    ----------
    Kish (1965), Survey sampling, section 11.2.

    Examples
    --------
    >>> effective_rows([1, 1, 1, 1]), effective_rows([1, 0, 0, 0])
    (4.0, 1.0)
    """
    w = np.asarray(weight, dtype=np.float64)
    if not w.any():
        return 0.0
    w = w / abs(w).max()
    return float(w.sum() ** 2 / (w @ w))
