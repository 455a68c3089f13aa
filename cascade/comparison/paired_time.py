"""Measured time of two computations on the same rows, in alternation."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

PAIRS = 7
"""Measurements of each; an uneven number, so that the median is one of them."""

SECONDS = 2.0
"""About how long one measurement takes; more rows would not make the median more certain."""


def paired_seconds(
    first: Callable[[], object],
    second: Callable[[], object],
    pairs: int = PAIRS,
    clock: Callable[[], float] = time.perf_counter,
) -> tuple[float, float]:
    """Return the median seconds of two computations, measured in alternation.

    Both are run once before the first measurement, so that opened files, compiled functions and caches count for
    neither. The order changes from pair to pair.

    Parameters
    ----------
    first, second : callable without arguments
    pairs : int
    clock : callable
        Returns seconds.

    Returns
    -------
    first, second : float

    Examples
    --------
    >>> quick, slow = paired_seconds(lambda: sum(range(10)), lambda: sum(range(100_000)))
    >>> quick < slow
    True
    """
    both = (first, second)
    for run in both:
        run()
    seconds: tuple[list[float], list[float]] = ([], [])
    for pair in range(pairs):
        # Other load on the machine changes slowly, so both members of a pair are affected alike. The alternating order
        # removes what remains of a trend.
        for which in (0, 1) if pair % 2 == 0 else (1, 0):
            started = clock()
            both[which]()
            seconds[which].append(clock() - started)
    return float(np.median(seconds[0])), float(np.median(seconds[1]))
