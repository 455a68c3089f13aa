"""Bootstrap intervals over groups, since rows of one patient are not independent.

A draw takes each group 0, 1, 2, ... times. A metric is a formula of sums over rows, so the sums of each group are
computed once. A draw is the product of these sums with the number of times that each group is drawn.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from cascade.errors import DataError
from cascade.metrics import Metric, Outcome, ratio
from cascade.utils.types import Floats

Groups = NDArray[np.intp]

DRAWS = 2000
AT_A_TIME = 32
"""Draws per matrix product: enough to use the processor well, few enough to fit into its cache."""


def ratio_interval(
    above: Floats, below: Floats, group: Groups, confidence: float = 0.95, seed: int = 0
) -> tuple[Floats, Floats]:
    """Return the percentile interval of sum(above) / sum(below) per column, drawing groups with replacement.

    Parameters
    ----------
    above, below : ndarray of float, shape (n, L)
    group : ndarray of int, shape (n,)
        Number of the group of each row, from 0.
    confidence : float
    seed : int

    Returns
    -------
    low, high : ndarray of float, shape (L,)
        NaN where no draw has a positive divisor.

    References
    ----------
    Davison & Hinkley (1997), Bootstrap methods and their application, section 3.8 (resampling clusters).

    Examples
    --------
    >>> low, high = ratio_interval(np.ones((50, 1)), np.ones((50, 1)), np.arange(50))
    >>> float(low[0]), float(high[0])
    (1.0, 1.0)
    """
    draws = _draws([above, below], lambda sums: ratio(sums[0], sums[1]), group, DRAWS, seed)
    return percentiles(draws, confidence)


def metric_interval(
    metric: Metric, outcome: Outcome, group: Groups, draws: int = DRAWS, confidence: float = 0.95, seed: int = 0
) -> tuple[Floats, Floats]:
    """Return the percentile interval of a metric, drawing groups with replacement.

    Parameters
    ----------
    metric : Metric
    outcome : Outcome
        Outcome of n rows.
    group : ndarray of int, shape (n,)
        Number of the group of each row, from 0.
    draws : int
    confidence : float
    seed : int

    Returns
    -------
    low, high : ndarray of float, shape (K,)
        One value per label, or a single one. Draws in which it is undefined are left out; NaN if it is undefined in
        all draws.

    Raises
    ------
    DataError
        If `group` does not have one value per row.

    References
    ----------
    Davison & Hinkley (1997), Bootstrap methods and their application, section 3.8 (resampling clusters).

    Examples
    --------
    >>> from cascade.metrics import AUROC
    >>> Y = np.tile([[1], [0]], (20, 1)).astype(np.uint8)
    >>> perfect = Outcome(Y, Y.astype(float), Y, np.ones(40, bool))
    >>> metric_interval(AUROC, perfect, np.arange(40) // 2, draws=100)
    (array([1.]), array([1.]))
    """
    return percentiles(metric_draws(metric, outcome, group, draws, seed), confidence)


def metric_draws(metric: Metric, outcome: Outcome, group: Groups, draws: int = DRAWS, seed: Any = 0) -> Floats:
    """Return the values of a metric over draws of groups with replacement; float of shape (draws, K).

    Parameters
    ----------
    metric : Metric
    outcome : Outcome
        Outcome of n rows.
    group : ndarray of int, shape (n,)
        Number of the group of each row, from 0.
    draws : int
    seed : int or sequence of int
        The same seed draws the same groups, so the values of two predictions of the same rows are paired.

    Examples
    --------
    >>> from cascade.metrics import AUROC
    >>> Y = np.tile([[1], [0]], (20, 1)).astype(np.uint8)
    >>> perfect = Outcome(Y, Y.astype(float), Y, np.ones(40, bool))
    >>> metric_draws(AUROC, perfect, np.arange(40) // 2, draws=3).tolist()
    [[1.0], [1.0], [1.0]]
    """
    return _draws(metric.columns(outcome), metric.of_sums, group, draws, seed)


def paired_difference(
    metric: Metric,
    first: Outcome,
    second: Outcome,
    group: Groups,
    draws: int = DRAWS,
    confidence: float = 0.95,
    seed: int = 0,
) -> tuple[Floats, Floats, Floats]:
    """Return the difference of a metric between two predictions of the same rows, with its percentile interval.

    Each draw takes the same groups for both predictions, so variation that they share cancels.

    Parameters
    ----------
    metric : Metric
    first, second : Outcome
        Outcomes of the same n rows in the same order.
    group : ndarray of int, shape (n,)
        Number of the group of each row, from 0.
    draws : int
    confidence : float
    seed : int

    Returns
    -------
    difference, low, high : ndarray of float, shape (K,)
        First minus second: one value per label, or a single one. Draws in which it is undefined are left out.

    Raises
    ------
    DataError
        If their labels differ, or `group` does not have one value per row.

    Examples
    --------
    >>> from cascade.metrics import BRIER
    >>> rng = np.random.default_rng(0)
    >>> Y = (rng.random((500, 1)) < 0.1).astype(np.uint8)
    >>> good, poor = (Outcome(Y, p, Y, np.ones(500, bool)) for p in (0.1 + 0.8 * Y, np.full(Y.shape, 0.1)))
    >>> difference, low, high = paired_difference(BRIER, good, poor, np.arange(500) // 5, draws=200)
    >>> bool(low[0] < difference[0] < high[0] < 0)
    True
    """
    if not np.array_equal(first.Y, second.Y):
        raise DataError("`first` and `second` must predict the same rows in the same order; their labels differ.")
    columns = list(metric.columns(first))
    half = len(columns)

    # Both sets of columns are multiplied with the same draws of groups: this is what pairs the two metrics.
    def values(sums: list[Floats]) -> Floats:
        return metric.of_sums(sums[:half]) - metric.of_sums(sums[half:])

    drawn = _draws([*columns, *metric.columns(second)], values, group, draws, seed)
    return metric(first) - metric(second), *percentiles(drawn, confidence)


def _draws(
    columns: Iterable[Any], values: Callable[[list[Floats]], Floats], group: Groups, draws: int, seed: Any
) -> Floats:
    """Return the values (draws, K) of a formula of the sums over drawn groups."""
    n_groups = int(group.max(initial=-1)) + 1
    group_sums = [_sum_by_group(each, group, n_groups) for each in columns]
    # Batches of draws bound the memory of a metric with many sums, such as the ranks of average precision.
    drawn = [values([sums @ times for sums in group_sums]) for times in times_drawn(n_groups, draws, seed)]
    return np.concatenate(drawn, axis=1).T


def _sum_by_group(columns: Any, group: Groups, n_groups: int) -> Any:
    """Sum columns (n, q) by group; shape (q, n_groups)."""
    if group.shape != (columns.shape[0],):
        raise DataError(f"`group` must have one value per row ({columns.shape[0]}). Received shape {group.shape}.")
    n_rows = len(group)
    member = sparse.csr_array((np.ones(n_rows), (group, np.arange(n_rows))), shape=(n_groups, n_rows))
    # Sparse even if it has no zeros: threads of a linear algebra library slow down products that are this thin.
    return sparse.csr_array((member @ columns).T)


def times_drawn(n_groups: int, draws: int, seed: Any) -> Iterator[Floats]:
    """Yield how often each draw takes each group, in batches of shape (n_groups, up to 32 draws)."""
    rng = np.random.default_rng(seed)
    for start in range(0, draws, AT_A_TIME):
        width = min(AT_A_TIME, draws - start)
        taken = rng.integers(n_groups, size=(width, n_groups))
        # A pair of group and draw becomes one integer, so that a single bincount covers all draws of the batch.
        cell = taken * width + np.arange(width)[:, None]
        yield np.bincount(cell.ravel(), minlength=n_groups * width).reshape(n_groups, width).astype(np.float64)


def percentiles(draws: Floats, confidence: float) -> tuple[Floats, Floats]:
    """Return both ends of the middle `confidence` of draws (D, K), each of shape (K,); undefined draws are left out.

    Examples
    --------
    >>> low, high = percentiles(np.arange(101.0)[:, None], 0.9)
    >>> round(float(low[0])), round(float(high[0]))
    (5, 95)
    """
    outside = (1 - confidence) / 2
    low, high = np.full((2, draws.shape[1]), np.nan)
    # A column that is NaN in all draws would make nanquantile warn; it stays NaN here without a warning.
    defined = np.isfinite(draws).any(axis=0)
    if defined.any():
        low[defined], high[defined] = np.nanquantile(draws[:, defined], [outside, 1 - outside], axis=0)
    return low, high
