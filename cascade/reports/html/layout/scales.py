"""Scales of charts: they map values to positions between 0 and 1 and provide ticks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

Ticks = tuple[tuple[float, str], ...]

MOST_STEPS = 5
"""Steps of a scale over given values, before its ends are rounded outwards."""


class Scale(Protocol):
    """A map from values to positions on an axis."""

    @property
    def ticks(self) -> Ticks:
        """Values of the ticks, with their texts."""

    def __call__(self, value: float) -> float:
        """Return the position of a value, 0 at the lower and 1 at the upper end; values beyond are clipped."""


@dataclass(frozen=True)
class Linear:
    """Linear scale of shares from 0 to this many quarters.

    Examples
    --------
    >>> Linear()(0.25), [name for _, name in Linear().ticks]
    (0.25, ['0', '25', '50', '75', '100 %'])
    """

    quarters: int = 4

    @property
    def ticks(self) -> Ticks:
        """Every quarter; above 200 %, every whole only."""
        step = 1 if self.quarters <= 8 else 4
        return tuple((k / 4, "100 %" if k == 4 else f"{25 * k}") for k in range(0, self.quarters + 1, step))

    def __call__(self, value: float) -> float:
        """Return the position in proportion to the value."""
        return min(max(value / self.quarters * 4, 0.0), 1.0)


@dataclass(frozen=True)
class Span:
    """Linear scale from `low` to `high` with a tick at every `step`.

    Examples
    --------
    >>> Span(0.5, 1.0, 0.25)(0.625), [name for _, name in Span(0.5, 1.0, 0.25).ticks]
    (0.25, ['0.5', '0.75', '1'])
    """

    low: float
    high: float
    step: float

    @property
    def ticks(self) -> Ticks:
        """Every step, both ends included."""
        values = (self.low + k * self.step for k in range(round((self.high - self.low) / self.step) + 1))
        return tuple((value, f"{value:.6g}") for value in values)

    def __call__(self, value: float) -> float:
        """Return the position in proportion to the value."""
        return min(max((value - self.low) / (self.high - self.low), 0.0), 1.0)


def span_over(values: Sequence[float]) -> Span:
    """Return the scale that includes all values, with at most six steps of 1, 2 or 5 times a power of ten.

    Examples
    --------
    >>> span_over([0.7361, 0.8142])
    Span(low=0.72, high=0.82, step=0.02)
    """
    low, high = min(values), max(values)
    # Equal values still need a scale of some width.
    width = (high - low) or abs(high) or 1.0
    power = 10.0 ** math.floor(math.log10(width))
    steps = (factor * power for factor in (0.1, 0.2, 0.5, 1, 2, 5))
    step = next(each for each in steps if width / each <= MOST_STEPS)
    # Whole numbers of steps, and rounded, so that ticks have few digits.
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return Span(round(first * step, 12), round(max(last, first + 1) * step, 12), round(step, 12))


@dataclass(frozen=True)
class LogOdds:
    """Log-odds scale of probabilities from `low` to `high`.

    Probabilities near 0 and 1 get as much space as those near 0.5, so that rare labels are readable.

    Examples
    --------
    >>> round(LogOdds(0.01, 0.99)(0.5), 6), [name for _, name in LogOdds(0.01, 0.99).ticks]
    (0.5, ['0.01', '0.1', '0.5', '0.9', '0.99'])
    """

    low: float
    high: float

    @property
    def ticks(self) -> Ticks:
        """Powers of ten, their complements, and 0.5."""
        named = ((10.0**-k, f"{10.0**-k:g}") for k in range(6, 0, -1))
        upper = ((1 - 10.0**-k, f"{1 - 10.0**-k:g}") for k in range(1, 7))
        return tuple((value, name) for value, name in (*named, (0.5, "0.5"), *upper) if self.low <= value <= self.high)

    def __call__(self, value: float) -> float:
        """Return the position in proportion to the log-odds."""
        # Clipped before the logarithm, which is infinite at 0 and 1.
        low, high = _log_odds(self.low), _log_odds(self.high)
        return (_log_odds(min(max(value, self.low), self.high)) - low) / (high - low)


@dataclass(frozen=True)
class Ratios:
    """Logarithmic scale of ratios from 0.1 to 10, with 1 in the middle.

    Examples
    --------
    >>> Ratios()(1.0), Ratios()(1000.0)
    (0.5, 1.0)
    """

    ticks: Ticks = ((0.1, "0.1"), (0.2, "0.2"), (0.5, "0.5"), (1.0, "1"), (2.0, "2"), (5.0, "5"), (10.0, "10"))

    def __call__(self, value: float) -> float:
        """Return the position in proportion to the logarithm."""
        return (math.log10(min(max(value, 0.1), 10.0)) + 1) / 2


@dataclass(frozen=True)
class Powers:
    """Logarithmic scale of numbers from 1 to 10 to the power of `highest`.

    Examples
    --------
    >>> Powers(2)(10.0), Powers(2).ticks
    (0.5, ((1.0, '1'), (10.0, '10'), (100.0, '100')))
    """

    highest: int

    @property
    def ticks(self) -> Ticks:
        """Every power of ten."""
        return tuple((10.0**power, f"{10**power:,}") for power in range(self.highest + 1))

    def __call__(self, value: float) -> float:
        """Return the position in proportion to the logarithm."""
        return min(max(math.log10(max(value, 1.0)) / self.highest, 0.0), 1.0)


def log_odds_over(values: Sequence[float], widest: int = 4) -> LogOdds:
    """Return the log-odds scale that includes all given probabilities.

    Its ends are 10^-i and 1 - 10^-j, with i and j of at most `widest`; probabilities beyond are clipped.

    Examples
    --------
    >>> log_odds_over([0.004, 0.97])
    LogOdds(low=0.001, high=0.99)
    """
    # 0 and 1 have infinite log-odds; the scale clips them to its ends.
    inside = [value for value in values if 0 < value < 1]
    down = max((-math.log10(value) for value in inside), default=1.0)
    up = max((-math.log10(1 - value) for value in inside), default=1.0)
    # At least one digit, so that the scale always contains 0.1 to 0.9.
    low, high = (10.0 ** -min(max(math.ceil(digits), 1), widest) for digits in (down, up))
    return LogOdds(low, 1 - high)


def _log_odds(value: float) -> float:
    return math.log(value / (1 - value))
