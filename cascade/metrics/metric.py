"""A metric as sums over rows and a formula of the sums: so a weight on rows, or a draw of groups, is one product."""

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
"""Array or sparse array of shape (n, q): what each row adds to the q sums that a formula takes."""


@dataclass(frozen=True)
class Metric:
    """A figure that depends on the rows by sums only.

    Attributes
    ----------
    name : str
    columns : callable
        From an `Outcome` to K arrays of shape (n, q): one a label, or a single one.
    formula : callable
        From sums of shape (q, D) to values of shape (D,), NaN where undefined.
    perfect : float
        What a perfect prediction scores: 1, or 0 for a loss.
    importance : ndarray of float, shape (K,) or (), optional
        Where given, the K values become one: their mean with these weights, over the defined ones.

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
        """Values of shape (K,), or (1,) of a mean; `weight` (n,) counts a row more than once, or not at all."""
        times = np.ones(len(outcome)) if weight is None else np.asarray(weight, dtype=np.float64)
        return self.of_sums([columns.T @ times[:, None] for columns in self.columns(outcome)])[:, 0]

    def of_sums(self, sums: Iterable[Floats]) -> Floats:
        """Values of shape (K, D), or (1, D) of a mean, from K arrays of sums of shape (q, D)."""
        values = np.array([self.formula(each) for each in sums])
        return values if self.importance is None else weighted_mean(values, self.importance)


def macro(metric: Metric, importance: ArrayLike | None = None, name: str | None = None) -> Metric:
    """Mean of a metric over the labels where it is defined.

    Parameters
    ----------
    metric : Metric
        With one value a label.
    importance : array-like of float >= 0, shape (L,), optional
        Weight of each label; equal if not given. With F2 and the economic weights of its authors this is
        F2_CIW = sum_c F2_c w_c / sum_c w_c of Sewer-ML.
    name : str, optional
        `macro_` and the metric's own name if not given.

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
    """Mean of values (K, D) over the labels where they are defined, with weights (K,) or one for all: (1, D)."""
    if importance.ndim and len(importance) != len(values):
        raise ConfigError(f"`importance` must have one value per label ({len(values)}). Received {len(importance)}.")
    weights = np.where(np.isfinite(values), importance[..., None], 0.0)
    return ratio((np.nan_to_num(values) * weights).sum(axis=0), weights.sum(axis=0))[None]


def mean_defined(values: Floats) -> float:
    """Mean over the defined values; NaN if none is."""
    defined = values[np.isfinite(values)]
    return float(defined.mean()) if len(defined) else float("nan")


def ratio(above: Floats, below: Floats) -> Floats:
    """Divide, with NaN where the divisor is 0."""
    quotient: Floats = np.divide(above, below, out=np.full(np.shape(below), np.nan), where=np.asarray(below) > 0)
    return quotient


def ratio_of_sums(sums: Floats) -> Floats:
    """Divide the first of two sums by the second: the formula of means, rates and ratios."""
    return ratio(sums[0], sums[1])


def side_by_side(known: Known, *arrays: ArrayLike) -> Iterable[Floats]:
    """For each label, its column of every array (n, L), 0 where not known: shape (n, q), one after the other."""
    stacked = np.stack([np.asarray(array, dtype=np.float64) for array in arrays])
    if known is not None:
        stacked *= known
    return (stacked[:, :, label].T for label in range(stacked.shape[2]))
