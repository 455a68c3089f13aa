"""How many rows a second a network answers in each runtime, by batch size, on this machine."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

from numpy.typing import NDArray

from cascade.data.rows import BLOCK
from cascade.runtime import measure
from cascade.runtime.exported import exported_from
from cascade.runtime.measure import BATCH_SIZES, rehearsal_rows, rows_per_second
from cascade.runtime.runtimes import FLOAT32, KERAS

logger = logging.getLogger("cascade.export")

Timed = tuple[Callable[[NDArray[Any]], Any], NDArray[Any]]
"""What is timed, and the rows that it is given."""

ROUNDS = 3

AS_FAST = 0.97
"""Of the fastest rate: what is within it differs by noise, and the largest batches are the fewest calls."""

KERAS_WORTH = 1.25
"""How many times as fast Keras must be to be taken before an exported network: with it a process starts late."""


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
        """Each runtime's rates, the fastest first, Keras among them where it is by far."""
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
        rows = rehearsal_rows(tuple(network.input_shape[1:]), str(network.inputs[0].dtype), max(own, BLOCK))
        runs: dict[tuple[str, int], Timed] = {(KERAS, own): (network.predict_on_batch, rows[:own])}
        for runtime, content in contents.items():
            for size in BATCH_SIZES:
                exported = exported_from(estimator, content, runtime, size, self.threads, rows)
                runs[runtime, size] = exported.logits, rows[: self._together(size)]
        rates: dict[str, dict[int, float]] = {KERAS: {}, **{runtime: {} for runtime in contents}}
        # In turns, so that what else the machine does meets all of them.
        for (runtime, size), (run, batch) in list(runs.items()) * ROUNDS:
            if not self._is_slow(rates[runtime], size):
                found = rows_per_second(run, batch, measure.SECONDS / ROUNDS)
                rates[runtime][size] = max(found, rates[runtime].get(size, 0.0))
        return sorted((self._entry(*one) for one in rates.items()), key=worth, reverse=True)

    def _together(self, size: int) -> int:
        """Rows that are computed at the same time in batches of a size, of those that a block has."""
        return min(size * self.threads, BLOCK)

    def _is_slow(self, rates: Mapping[int, float], size: int) -> bool:
        """Whether a smaller batch takes so long that a larger one gains nothing."""
        return any(
            smaller < size and self._together(smaller) > measure.SECONDS * rate for smaller, rate in rates.items()
        )

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


def worth(timed: Mapping[str, Any]) -> float:
    """What a runtime is chosen by: its rows a second, Keras' divided by what its start costs.

    Examples
    --------
    >>> worth({"runtime": "keras", "rows_per_second": 100.0}) < worth({"runtime": "litert", "rows_per_second": 90.0})
    True
    """
    rate: float = timed["rows_per_second"]
    return rate / KERAS_WORTH if timed["runtime"] == KERAS else rate


def suited_size(rates: Mapping[int, float]) -> int:
    """The largest batch size that is as fast as the fastest.

    Examples
    --------
    >>> suited_size({8: 50.0, 32: 100.0, 128: 98.0, 512: 90.0})
    128
    """
    enough = AS_FAST * max(rates.values())
    return max(size for size, rate in rates.items() if rate >= enough)
