"""Confidence intervals of proportions: exact for independent units, and for weighted rows in groups."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import betaincinv, stdtrit

from cascade.utils.types import Floats


def clopper_pearson(successes: ArrayLike, n: ArrayLike, outside: float) -> tuple[Floats, Floats]:
    """Return the exact lower and upper bound of a proportion, given `successes` among `n` independent units.

    Parameters
    ----------
    successes, n : array-like of float >= 0
        Effective numbers, which need not be whole, are accepted too.
    outside : float in (0, 1)
        Probability that the proportion is outside of each bound separately.

    Returns
    -------
    low, high : ndarray of float
        0 and 1 where `n` is 0.

    References
    ----------
    Clopper & Pearson (1934), The use of confidence or fiducial limits, Biometrika 26.

    Examples
    --------
    >>> low, high = clopper_pearson([0, 3], [10, 10], 0.025)
    >>> low.round(3).tolist(), high.round(3).tolist()
    ([0.0, 0.067], [0.308, 0.652])
    """
    x, units = np.broadcast_arrays(np.asarray(successes, dtype=np.float64), np.asarray(n, dtype=np.float64))
    missed = units - x
    # The bounds are quantiles of Beta(x, n - x + 1) and Beta(x + 1, n - x). A parameter of 0 has no quantile: the inner
    # `where` avoids it, and the outer one sets the limit.
    low = np.where(x > 0, betaincinv(np.where(x > 0, x, 1.0), missed + 1, outside), 0.0)
    high = np.where(missed > 0, betaincinv(x + 1, np.where(missed > 0, missed, 1.0), 1 - outside), 1.0)
    return low, high


def clustered_interval(Y: ArrayLike, weight: Floats, group: NDArray[np.intp], confidence: float = 0.95) -> Floats:
    """Return the interval of the weighted share of each column, where rows of a group depend on each other.

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
    This is the Clopper-Pearson interval with an effective number of rows, p (1 - p) / var(p). The variance comes from
    the sums of groups. The factor (t(n - 1) / t(groups - 1))^2 accounts for a variance estimated from few groups.

    The effective number is at most Kish's number of rows. Where the estimated variance is 0, as at a share of 0 or 1,
    it is Kish's number of groups.

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
    # Rows of weight 0 would add to the numbers of rows and groups, and make the variance look better known.
    counted = weight > 0
    if not counted.any():
        return np.tile([[0.0], [1.0]], (1, y.shape[1]))
    share, effective = clustered_share(y[counted], weight[counted], group[counted], (1 - confidence) / 2)
    return np.array(clopper_pearson(share * effective, effective, (1 - confidence) / 2))


def clustered_share(y: Floats, weight: Floats, group: NDArray[np.intp], outside: float) -> tuple[Floats, Floats]:
    """Return the weighted share of each column, and the number of independent rows with the same variance.

    Parameters
    ----------
    y : ndarray of float in [0, 1], shape (n, L), n of 1 or more
    weight : ndarray of float > 0, shape (n,)
    group : ndarray of int, shape (n,)
    outside : float in (0, 1)
        Probability that the share is outside of the bound that is computed from the effective number.

    Returns
    -------
    share, effective : ndarray of float, shape (L,)
        See `clustered_interval`.
    """
    # Renumbered, since a group without any row here must not count as one of the groups.
    group = np.unique(group, return_inverse=True)[1]
    n_groups, total = int(group.max()) + 1, weight.sum()
    share = np.clip(weight @ y / total, 0.0, 1.0)
    # A share is a ratio of sums: its linearised variance comes from the residuals y - share, summed by group.
    sums = np.zeros((n_groups, y.shape[1]))
    np.add.at(sums, group, weight[:, None] * (y - share))
    spread = share * (1 - share)
    # A smaller variance is rounding: a single group, or groups with equal shares, have residual sums of 0 in theory.
    shows = (sums**2).sum(axis=0) > 1e-12 * total**2 * np.maximum(spread, 1e-12)
    # Without a visible variance, rows of a group are assumed to be copies: each group then counts as one row.
    alike = effective_rows(np.bincount(group, weight))
    effective = np.full(len(share), alike)
    if n_groups > 1:
        variance = (sums**2).sum(axis=0) * n_groups / (n_groups - 1) / total**2
        few = few_groups(len(y), n_groups, outside)
        effective = np.divide(few * spread, variance, out=effective, where=shows)
    # Groups can agree better than independent rows by chance; that must not give more rows than there are.
    return share, np.minimum(effective, effective_rows(weight))


def few_groups(n_rows: int, n_groups: int, outside: float) -> float:
    """Return the factor on effective rows for a variance estimated from few groups: a squared ratio of t quantiles."""
    return float(stdtrit(max(n_rows - 1, 1), outside) / stdtrit(n_groups - 1, outside)) ** 2


def effective_rows(weight: ArrayLike) -> float:
    """Return Kish's effective sample size, (sum of w)^2 / sum of w^2: the equivalent number of equally weighted rows.

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
    # Scaled first: squares of very large or very small weights would overflow or vanish.
    w = w / abs(w).max()
    return float(w.sum() ** 2 / (w @ w))
