"""Effect sizes of drift, their thresholds, and tests of whether chance alone explains them.

A threshold on an effect size has the same meaning with a thousand rows and with a million. How large an effect chance
alone produces depends on the number of rows. A verdict therefore requires both: an effect beyond its threshold, and
one that is significant at the requested level.
"""

from __future__ import annotations

import math

import numpy as np
from scipy.special import chdtrc

from cascade.drift.finding import LARGE, MODERATE, NONE
from cascade.metrics.intervals import clopper_pearson
from cascade.utils.types import Floats

STABILITY = (0.1, 0.25)
"""Population stability index: the convention of credit scoring. For two normal distributions of equal variance it is
the squared distance of their means in standard deviations. The thresholds are distances of .32 and .5; Cohen (1988)
calls .5 a medium effect.

References
----------
Siddiqi (2006), Credit risk scorecards, chapter 9.
"""

DISTANCE = (0.125, 0.2)
"""Kolmogorov-Smirnov distance of normal distributions at these distances d: 2 Phi(d / 2) - 1 is .126 and .197."""

FEWEST_EXPECTED = 5.0

RATIO = (1.25, 2.0)
"""Ratio of two shares, or its inverse. The smaller threshold is the limit of bioequivalence (80 to 125 %, FDA 2001).
The larger one, twice as many, follows no convention."""


def stability_index(reference: Floats, current: Floats) -> float:
    """Return the population stability index of counts in the same cells: sum of (q - p) ln(q / p).

    It is Jeffreys' divergence. Half a row is added to each cell to keep it finite.

    References
    ----------
    Jeffreys (1946), An invariant form for the prior probability in estimation problems.

    Examples
    --------
    >>> stability_index(np.array([50.0, 50.0]), np.array([500.0, 500.0]))
    0.0
    """
    p, q = ((counts + 0.5) / (counts + 0.5).sum() for counts in (reference, current))
    return float((q - p) @ np.log(q / p))


def joined_cells(reference: Floats, current: Floats, effective: tuple[float, float]) -> tuple[Floats, Floats]:
    """Join neighbouring cells until each expects at least five rows in both samples.

    Parameters
    ----------
    reference, current : ndarray of float, shape (B,)
        Counts in the same cells.
    effective : pair of float
        Effective rows of each sample.

    References
    ----------
    Cochran (1954), Some methods for strengthening the common chi-square tests, Biometrics 10.

    Examples
    --------
    >>> joined = joined_cells(np.array([0.0, 50.0, 50.0]), np.array([1.0, 60.0, 39.0]), (100.0, 100.0))
    >>> [side.tolist() for side in joined]
    [[50.0, 50.0], [61.0, 39.0]]
    """
    weight = np.array(effective)
    shares = np.array([reference / reference.sum(), current / current.sum()])
    # Pooled share of each cell, times the smaller effective sample: the lower of the two expectations.
    expected = weight @ shares / weight.sum() * weight.min()
    starts, held = [0], 0.0
    for cell, rows in enumerate(expected):
        # A new cell starts only if the remaining ones can fill it too; otherwise the last cell would be too small.
        if held >= FEWEST_EXPECTED and expected[cell:].sum() >= FEWEST_EXPECTED:
            starts.append(cell)
            held = 0.0
        held += rows
    return np.add.reduceat(reference, starts), np.add.reduceat(current, starts)


def homogeneity_level(reference: Floats, current: Floats, effective: tuple[float, float]) -> float:
    """Return the p-value of Pearson's chi-square test that two samples have the same distribution.

    The population stability index is close to this statistic times (1 / n + 1 / m). Its logarithms have heavier
    tails, so the p-value is computed from the chi-square statistic.

    References
    ----------
    Yurdakul & Naranjo (2020), Statistical properties of the population stability index, Journal of Risk Model
    Validation 14.
    """
    n, m = effective
    p, q = reference / reference.sum(), current / current.sum()
    pooled = (n * p + m * q) / (n + m)
    # Effective rows in place of counts: this divides the statistic by the design effect.
    statistic = ((p - q) ** 2 / pooled).sum() / (1 / n + 1 / m)
    return float(chdtrc(len(pooled) - 1, statistic)) if len(pooled) > 1 else 1.0


def smirnov_distance(reference: Floats, current: Floats) -> float:
    """Return the largest difference of cumulative shares; at most the Kolmogorov-Smirnov distance of the values.

    Examples
    --------
    >>> smirnov_distance(np.array([50.0, 50.0]), np.array([20.0, 80.0]))
    0.3
    """
    below = [np.cumsum(counts) / counts.sum() for counts in (reference, current)]
    # Rounded, so that a distance equal to a threshold is not below it by an error of the cumulative sums.
    return float(abs(below[0] - below[1]).max().round(12))


def smirnov_level(distance: float, effective: tuple[float, float]) -> float:
    """Return an upper bound of the p-value of a Kolmogorov-Smirnov distance: 2 exp(-2 D^2 n m / (n + m)).

    References
    ----------
    Smirnov (1948), Table for estimating the goodness of fit of empirical distributions, Annals of Mathematical
    Statistics 19. The bound is asymptotic; in bins the probability is smaller.
    """
    n, m = effective
    return min(1.0, 2 * math.exp(-2 * distance**2 * n * m / (n + m)))


def smallest_distance(effective: tuple[float, float], level: float) -> float:
    """Return the smallest distance whose `smirnov_level` is below `level`: what this many rows can show.

    Examples
    --------
    >>> distance = smallest_distance((4000.0, 100.0), 0.01)
    >>> round(distance, 3), round(smirnov_level(distance, (4000.0, 100.0)), 6)
    (0.165, 0.01)
    """
    n, m = effective
    return math.sqrt(math.log(2 / level) * (n + m) / (2 * n * m)) if n and m else math.inf


def share_ratio(
    reference: tuple[float, float], current: tuple[float, float], level: float
) -> tuple[float, float, float]:
    """Return the ratio of two shares, and bounds that each miss it with a probability of `level`.

    Parameters
    ----------
    reference, current : pair of float
        Share, and the effective rows behind it.
    level : float

    Returns
    -------
    ratio, low, high : float

    References
    ----------
    Zou & Donner (2008), Construction of confidence limits about effect measures: a general approach, Statistics in
    Medicine 27. Bounds of a difference, here of logarithms, from Clopper-Pearson bounds of both sides.

    Examples
    --------
    >>> [round(each, 2) for each in share_ratio((0.1, 1000.0), (0.2, 1000.0), 0.025)]
    [2.0, 1.6, 2.52]
    """
    (p, low_p, high_p), (q, low_q, high_q) = (_bounds(*side, level) for side in (reference, current))
    ratio = q / p if p else math.inf if q else 1.0
    # A share of 0 has no logarithm; the bounds are then quotients of opposite bounds, which is conservative.
    if not (p and q):
        return ratio, _quotient(low_q, high_p), _quotient(high_q, low_p)
    # The lower bound combines the lower bound of `q` with the upper bound of `p`, and the upper bound the other two.
    down, up = (math.hypot(_log(q, a), _log(b, p)) for a, b in ((low_q, high_p), (high_q, low_p)))
    # math.exp overflows above 709.
    return ratio, ratio * math.exp(-down), ratio * math.exp(min(up, 700.0))


def _bounds(share: float, effective: float, level: float) -> tuple[float, float, float]:
    low, high = clopper_pearson(share * effective, effective, level)
    return share, float(low), float(high)


def _log(above: float, below: float) -> float:
    return math.inf if min(above, below) <= 0 else math.log(above / below)


def _quotient(above: float, below: float) -> float:
    return above / below if below else math.inf


def verdict_of(size: float, limits: tuple[float, float], beyond_chance: bool) -> str:
    """Return the verdict on an effect size, given the limits of a moderate and a large one."""
    if size < limits[0] or not beyond_chance:
        return NONE
    return LARGE if size >= limits[1] else MODERATE
