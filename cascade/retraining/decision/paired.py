"""Two models on the same rows: a metric of each, and the interval of the challenger's gain."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cascade.errors import DataError
from cascade.metrics import Metric, Outcome
from cascade.metrics.bootstrap import metric_draws, percentiles
from cascade.metrics.metric import weighted_mean
from cascade.utils.types import Floats

Transform = Callable[[Floats], Floats]

SMALLEST_RATIO = 1e-3
"""Smallest ratio of which a log is taken, so that a label that is never predicted has a finite distance from 1."""


def higher_is_better(metric: Metric) -> Transform:
    """Return a scale on which more is better: a score unchanged, a loss with its sign reversed."""
    return np.positive if metric.perfect == 1.0 else np.negative


def nearness_to_one(ratio: Floats) -> Floats:
    """Return minus the distance of a ratio from 1, as abs(log).

    Examples
    --------
    >>> nearness_to_one(np.array([1.0, 2.0, 0.5])).round(2).tolist()
    [-0.0, -0.69, -0.69]
    """
    return np.asarray(-np.abs(np.log(np.maximum(ratio, SMALLEST_RATIO))))


class Compared(NamedTuple):
    """One figure of both models, the challenger's gain, and the ends of its interval."""

    champion: float
    challenger: float
    difference: float
    low: float
    high: float

    def __str__(self) -> str:
        figures = f"{self.champion:.3f} to {self.challenger:.3f}"
        interval = f"({self.low:+.3f} to {self.high:+.3f}; above 0 is better)"
        return f"{figures}, a difference of {self.difference:+.3f} {interval}"

    def plain(self) -> tuple[float | None, float | None, float | None, float | None, float | None]:
        """Return the same values, with None for those that are undefined."""
        # NaN is no JSON, and decisions are stored as JSON.
        first, second, difference, low, high = (value if math.isfinite(value) else None for value in self)
        return first, second, difference, low, high


@dataclass(frozen=True)
class Gain:
    """A metric of champion and challenger, and the challenger's gain on a scale on which more is better.

    Attributes
    ----------
    champion, challenger, gain, low, high : ndarray of float, shape (K,)
        One value per label, or a single one.
    """

    champion: Floats
    challenger: Floats
    gain: Floats
    low: Floats
    high: Floats

    def of(self, k: int = 0) -> Compared:
        """Return the figures of label `k`, or the only ones."""
        return Compared(*(float(each[k]) for each in (self.champion, self.challenger, self.gain, self.low, self.high)))


class Pair:
    """Champion and challenger on the same rows, resampled by the same draws of groups.

    Parameters
    ----------
    champion, challenger : Outcome
        Of the same n rows in the same order.
    group : ndarray of int, shape (n,)
        Number of each row's group, from 0.
    draws : int
        Number of bootstrap draws.
    confidence : float
    seed : int
        The same for both models, so that their draws are paired.

    Examples
    --------
    >>> from cascade.metrics import AVERAGE_PRECISION
    >>> rng = np.random.default_rng(0)
    >>> Y = (rng.random((500, 1)) < 0.1).astype(np.uint8)
    >>> poor, good = (Outcome(Y, p, Y, np.ones(500, bool)) for p in (rng.random(Y.shape), 0.1 + 0.8 * Y))
    >>> found = Pair(poor, good, np.arange(500) // 5, draws=100).gain(AVERAGE_PRECISION)
    >>> bool(found.low[0] > 0.5)
    True
    """

    def __init__(
        self,
        champion: Outcome,
        challenger: Outcome,
        group: NDArray[np.intp],
        draws: int,
        confidence: float = 0.95,
        seed: int = 0,
    ) -> None:
        # Equal labels do not prove equal rows, but they detect a shift or another order of the rows.
        if not np.array_equal(champion.Y, challenger.Y):
            raise DataError("`champion` and `challenger` must predict the same rows in the same order; labels differ.")
        self.outcomes = (champion, challenger)
        self.group = group
        self.draws = draws
        self.confidence = confidence
        self.seed = seed
        self._drawn: dict[Any, tuple[Floats, Floats]] = {}

    def gain(self, metric: Metric, scale: Transform | None = None) -> Gain:
        """Compare a metric of both models.

        Parameters
        ----------
        metric : Metric
        scale : callable, optional
            From values of the metric to values of which more is better. Default: `higher_is_better`.
        """
        better = scale or higher_is_better(metric)
        champion, challenger = (metric(outcome) for outcome in self.outcomes)
        # The scale comes after the mean: it need not be linear, and the figure to judge is the mean.
        before, after = (better(_mean(draws, metric)) for draws in self._draws_of(metric))
        # Percentiles of the differences within draws: what makes a drawn group hard for both models cancels.
        low, high = percentiles(after - before, self.confidence)
        return Gain(champion, challenger, better(challenger) - better(champion), low, high)

    def _draws_of(self, metric: Metric) -> tuple[Floats, Floats]:
        # A mean over labels is made from the draws of the labels. These take the time, so metrics that differ
        # in their weights only share them.
        key = (metric.columns, metric.formula)
        if key not in self._drawn:
            each = replace(metric, importance=None)
            first, second = (
                metric_draws(each, outcome, self.group, self.draws, self.seed) for outcome in self.outcomes
            )
            self._drawn[key] = (first, second)
        return self._drawn[key]


def _mean(draws: Floats, metric: Metric) -> Floats:
    # Draws have labels in columns, the mean takes them in rows.
    return draws if metric.importance is None else weighted_mean(draws.T, metric.importance).T
