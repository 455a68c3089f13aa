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
PAIRS = 20
"""Calls of each model per round at most; the shortest one counts, which other processes have disturbed least."""
SECONDS = 0.1
"""Seconds of the calls of a round; a call that takes as long is measured once per round."""
PROBES = 3

Clock = Callable[[], float]
Model = Callable[[], Any]


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

    Both are called before anything is measured, since the first call loads and compiles. Calls alternate, equally many
    of each, and their order changes from round to round. So neither profits from what the other left in a cache or in
    the scheduler, and a machine that becomes slower or faster changes both. The ratio is formed within rounds.

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
    # The calls after these count, since the first ones may have loaded and compiled.
    for model in models:
        model()
    probed = _shortest(models, (0, 1), PROBES, clock)
    # Equally many calls of both: a scheduler halts a process after a burst of one, which would be the other's loss.
    pairs = int(np.clip(np.ceil(SECONDS / max(float(probed.max()), 1e-9)), 1, PAIRS))
    taken = np.array([_shortest(models, (0, 1) if turn % 2 else (1, 0), pairs, clock) for turn in range(ROUNDS)])
    return _change(taken, rows)


def _shortest(models: tuple[Model, Model], order: tuple[int, int], pairs: int, clock: Clock) -> Floats:
    """Return the seconds of the shortest call of each model, called in turns; shape (2,)."""
    seconds = np.full(2, np.inf)
    for _ in range(pairs):
        for which in order:
            started = clock()
            models[which]()
            seconds[which] = min(seconds[which], clock() - started)
    # A clock may not advance during a call that is very short.
    return np.asarray(np.maximum(seconds, 1e-9))


def _change(taken: Floats, rows: int) -> SpeedChange:
    changes = np.sort(taken[:, 0] / taken[:, 1]) - 1
    first, second = (rows / np.median(taken, axis=0)).tolist()
    return SpeedChange(first, second, float(np.median(changes)), float(changes[1]), float(changes[-2]))
