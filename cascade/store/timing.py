"""How many rows a second a network answers in each runtime, by batch size, on this machine."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from cascade.runtime.kinds import FLOAT32, KERAS, RUNTIMES
from cascade.runtime.measure import BATCH_SIZES, rehearsal_rows, rows_per_second

logger = logging.getLogger("cascade.export")

AS_FAST = 0.97
"""Of the fastest rate: what is within it differs by noise, and the largest batches are the fewest calls."""


class Timer:
    """Times networks; equal architectures once.

    Parameters
    ----------
    threads : int
    """

    def __init__(self, threads: int) -> None:
        self.threads = threads
        self._timed: dict[str, list[dict[str, Any]]] = {}

    def ranked(
        self, estimator: Any, contents: Mapping[str, bytes], name: str, precision: str = FLOAT32
    ) -> list[dict[str, Any]]:
        """Each runtime's rates, the fastest first, Keras among them."""
        network = estimator.network_
        layers = [(type(layer).__name__, str(layer.output.shape)) for layer in network.layers]
        key = f"{layers} {network.count_params()} {estimator.batch_size} {sorted(contents)} {precision}"
        if key not in self._timed:
            self._timed[key] = self._time(estimator, contents)
            rates = ", ".join(f"{one['runtime']} {one['rows_per_second']:,.0f}" for one in self._timed[key])
            logger.info("%s, %s: rows per second: %s", name, precision, rates)
        return self._timed[key]

    def _time(self, estimator: Any, contents: Mapping[str, bytes]) -> list[dict[str, Any]]:
        network, own = estimator.network_, int(estimator.batch_size)
        rows = rehearsal_rows(tuple(network.input_shape[1:]), str(network.inputs[0].dtype), max(own, *BATCH_SIZES))
        timed = [self._entry(KERAS, {own: rows_per_second(network.predict_on_batch, rows[:own])})]
        for runtime, content in contents.items():
            sessions = {size: RUNTIMES[runtime].open(content, size, self.threads) for size in BATCH_SIZES}
            rates = {size: rows_per_second(run, rows[:size]) for size, run in sessions.items()}
            timed.append(self._entry(runtime, rates))
        return sorted(timed, key=lambda one: -one["rows_per_second"])

    def _entry(self, runtime: str, rates: dict[int, float]) -> dict[str, Any]:
        size = suited_size(rates)
        by_size = {str(one): round(rate, 1) for one, rate in rates.items()}
        return {
            "runtime": runtime,
            "batch_size": size,
            "rows_per_second": by_size[str(size)],
            "rates": by_size,
            "threads": self.threads,
        }


def suited_size(rates: Mapping[int, float]) -> int:
    """The largest batch size that is as fast as the fastest.

    Examples
    --------
    >>> suited_size({8: 50.0, 32: 100.0, 128: 98.0, 512: 90.0})
    128
    """
    enough = AS_FAST * max(rates.values())
    return max(size for size, rate in rates.items() if rate >= enough)
