"""A metric as sums over rows and a formula of the sums, so that row weights and bootstrap draws are matrix products."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from cascade.data.missing import Known
from cascade.errors import ConfigError
from cascade.metrics.outcome import Outcome
from cascade.utils.types import Floats

Columns = Any
"""Array or sparse array of shape (n, q): what each row adds to the q sums that a formula uses."""


@dataclass(frozen=True)
class Metric:
    """A figure that depends on rows only through sums.

    Attributes
    ----------
    name : str
    columns : callable
        From an `Outcome` to K arrays of shape (n, q): one per label, or a single one.
    formula : callable
        From sums of shape (q, D) to values of shape (D,), NaN where undefined.
    perfect : float
        Value of a perfect prediction: 1, or 0 for a loss.
    importance : ndarray of float, shape (K,) or (), optional
        If given, the metric is the weighted mean of the K values, over the defined ones.

    Examples
    --------
    >>> from cascade.metrics import F1
    >>> Y = np.array([[1, 0], [1, 0]], np.uint8)
    >>> bits = np.array([[1, 0], [0, 0]], np.uint8)
    >>> F1(Outcome(Y, bits.astype(float), bits, bits.any(axis=1)))
    array([0.66666667,        nan])
    """

    name: str
    columns: Callable[[Outcome], Iterable[Columns]]
    formula: Callable[[Floats], Floats]
    perfect: float
    importance: Floats | None = None

    def __call__(self, outcome: Outcome, weight: ArrayLike | None = None) -> Floats:
        """Return values of shape (K,), or (1,) for a mean; `weight` (n,) is how often each row counts."""
        times = np.ones(len(outcome)) if weight is None else np.asarray(weight, dtype=np.float64)
        # A product with a single column works for dense and sparse columns alike, and gives sums of one draw.
        return self.of_sums([columns.T @ times[:, None] for columns in self.columns(outcome)])[:, 0]

    def of_sums(self, sums: Iterable[Floats]) -> Floats:
        """Return values of shape (K, D), or (1, D) for a mean, from K arrays of sums of shape (q, D)."""
        values = np.array([self.formula(each) for each in sums])
        return values if self.importance is None else weighted_mean(values, self.importance)


def macro(metric: Metric, importance: ArrayLike | None = None, name: str | None = None) -> Metric:
    """Make the mean of a metric over the labels where it is defined.

    Parameters
    ----------
    metric : Metric
        With one value per label.
    importance : array-like of float >= 0, shape (L,), optional
        Weight of each label; equal if not given. With F2 and the economic weights of Sewer-ML this is
        F2_CIW = sum_c F2_c w_c / sum_c w_c.
    name : str, optional
        Default: `macro_` and the name of the metric.

    Returns
    -------
    Metric
        With one value.

    Raises
    ------
    ConfigError
        If a weight is negative or not finite.

    References
    ----------
    Haurum & Moeslund (2021), Sewer-ML: a multi-label sewer defect classification dataset and benchmark,
    arXiv 2103.10895.

    Examples
    --------
    >>> from cascade.metrics import F2
    >>> Y, bits = np.array([[1, 1]], np.uint8), np.array([[1, 0]], np.uint8)
    >>> macro(F2, importance=[3, 1])(Outcome(Y, bits.astype(float), bits, np.array([True])))
    array([0.75])
    """
    weights = np.asarray(1.0 if importance is None else importance, dtype=np.float64)
    if weights.ndim > 1 or not (np.isfinite(weights) & (weights >= 0)).all():
        raise ConfigError(f"`importance` must be one number of 0 or more per label. Received {weights.tolist()}.")
    return replace(metric, name=name or f"macro_{metric.name}", importance=weights)


def weighted_mean(values: Floats, importance: Floats) -> Floats:
    """Average values (K, D) over the labels where they are defined, with weights (K,) or one for all: (1, D)."""
    if importance.ndim and len(importance) != len(values):
        raise ConfigError(f"`importance` must have one value per label ({len(values)}). Received {len(importance)}.")
    # Undefined values get weight 0 per draw: they neither make the mean NaN nor pull it towards 0.
    weights = np.where(np.isfinite(values), importance[..., None], 0.0)
    return ratio((np.nan_to_num(values) * weights).sum(axis=0), weights.sum(axis=0))[None]


def mean_defined(values: Floats) -> float:
    """Return the mean of the defined values; NaN if there is none."""
    defined = values[np.isfinite(values)]
    return float(defined.mean()) if len(defined) else float("nan")


def ratio(above: Floats, below: Floats) -> Floats:
    """Divide, with NaN where the divisor is 0."""
    # Divisors are counts or sums of weights. `where` also avoids the warning of a division by zero.
    quotient: Floats = np.divide(above, below, out=np.full(np.shape(below), np.nan), where=np.asarray(below) > 0)
    return quotient


def ratio_of_sums(sums: Floats) -> Floats:
    """Divide the first of two sums by the second: the formula of means, rates and ratios."""
    return ratio(sums[0], sums[1])


def side_by_side(known: Known, *arrays: ArrayLike) -> Iterable[Floats]:
    """Yield the columns of each label from q arrays (n, L), set to 0 where the label is not known; shape (n, q)."""
    stacked = np.stack([np.asarray(array, dtype=np.float64) for array in arrays])
    # Zeroed in all arrays, so an unknown entry counts neither above nor below the fraction.
    if known is not None:
        stacked *= known
    return (stacked[:, :, label].T for label in range(stacked.shape[2]))
