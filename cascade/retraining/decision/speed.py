"""Speed of challenger and champion, measured in turns on the same rows after a warm-up, with an interval."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from cascade.utils.types import Floats

ROUNDS = 9
"""Rounds of one measurement of each model. The second smallest and the second largest of nine are the ends of a
96 % interval of the median, whatever the distribution: 1 - 2 (1 + 9) / 2^9."""
SHORTEST = 0.02
"""Seconds that a measurement takes at least; shorter ones measure the clock and the scheduler."""

Clock = Callable[[], float]


@dataclass(frozen=True)
class SpeedChange:
    """Rows per second of both models, and the challenger's relative gain with a 96 % interval.

    Attributes
    ----------
    champion, challenger : float
        Median rows per second.
    change, low, high : float
        Median over rounds of challenger / champion - 1, and the ends of its interval.
    """

    champion: float
    challenger: float
    change: float
    low: float
    high: float


def measure_in_turns(
    champion: Callable[[], Any], challenger: Callable[[], Any], rows: int, clock: Clock = time.perf_counter
) -> SpeedChange:
    """Measure two models in turns.

    Both are called before anything is measured, since the first call loads and compiles. The order changes from round
    to round, so that neither profits from what the other left in a cache, and a machine that becomes slower or faster
    changes both. The ratio is formed within rounds.

    Parameters
    ----------
    champion, challenger : callable
        Predict the same rows.
    rows : int
        Number of rows that one call predicts.
    clock : callable
        Returns seconds.

    References
    ----------
    David & Nagaraja (2003), Order statistics, section 7.1 (interval of a median).

    Examples
    --------
    >>> seconds = [0.0]
    >>> def taking(amount):
    ...     def call():
    ...         seconds[0] += amount
    ...
    ...     return call
    >>> speed = measure_in_turns(taking(1.0), taking(2.0), 100, lambda: seconds[0])
    >>> speed.champion, speed.challenger, speed.change, speed.low, speed.high
    (100.0, 50.0, -0.5, -0.5, -0.5)
    """
    models = (champion, challenger)
    # The second call counts, since the first one may have loaded and compiled.
    for model in models:
        model()
    times = [max(1, int(np.ceil(SHORTEST / max(_seconds(model, 1, clock), 1e-9)))) for model in models]
    taken = np.empty((ROUNDS, 2))
    for turn in range(ROUNDS):
        for which in (0, 1) if turn % 2 else (1, 0):
            taken[turn, which] = _seconds(models[which], times[which], clock) / times[which]
    return _change(taken, rows)


def _seconds(model: Callable[[], Any], times: int, clock: Clock) -> float:
    started = clock()
    for _ in range(times):
        model()
    return clock() - started


def _change(taken: Floats, rows: int) -> SpeedChange:
    changes = np.sort(taken[:, 0] / taken[:, 1]) - 1
    first, second = (rows / np.median(taken, axis=0)).tolist()
    return SpeedChange(first, second, float(np.median(changes)), float(changes[1]), float(changes[-2]))
