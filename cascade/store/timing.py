"""Rows per second of a network in each runtime, by batch size, on this machine."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

from numpy.typing import NDArray

from cascade.data.rows import BLOCK
from cascade.estimators.runtime import measure
from cascade.estimators.runtime.exported import exported_from
from cascade.estimators.runtime.measure import BATCH_SIZES, rehearsal_rows, rows_per_second
from cascade.estimators.runtime.runtimes import FLOAT32, KERAS

logger = logging.getLogger("cascade.export")

Timed = tuple[Callable[[NDArray[Any]], Any], NDArray[Any]]
"""The function that is timed, and its batch of rows."""

ROUNDS = 3

AS_FAST = 0.97
"""Share of the fastest rate above which rates differ only by noise. There, the smallest batch is padded least, and is
spread most evenly over threads: a cascade's labeler often gets a few hundred rows."""

KERAS_WORTH = 1.25
"""How many times as fast Keras must be to rank before an exported network, because importing it delays the start."""


class Timer:
    """Time networks, each architecture only once.

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
        """Return the rates of each runtime, ranked by `worth`; Keras is first only if it is much faster."""
        network = estimator.network_
        # A balanced model has one network per bag and label, all alike; timing each would take minutes.
        layers = [(type(layer).__name__, str(layer.output.shape)) for layer in network.layers]
        key = f"{layers} {network.count_params()} {estimator.batch_size} {sorted(contents)} {precision}"
        if key not in self._timed:
            self._timed[key] = self._time(estimator, contents)
            rates = ", ".join(f"{one['runtime']} {one['rows_per_second']:,.0f}" for one in self._timed[key])
            logger.info("%s, %s: rows per second: %s", name, precision, rates)
        return self._timed[key]

    def _time(self, estimator: Any, contents: Mapping[str, bytes]) -> list[dict[str, Any]]:
        network, batch_size = estimator.network_, int(estimator.batch_size)
        rows = rehearsal_rows(tuple(network.input_shape[1:]), str(network.inputs[0].dtype), max(batch_size, BLOCK))
        runs: dict[tuple[str, int], Timed] = {(KERAS, batch_size): (network.predict_on_batch, rows[:batch_size])}
        for runtime, content in contents.items():
            for size in BATCH_SIZES:
                # As many rows as a block offers at once, so that all threads work as they do when predicting.
                exported = exported_from(estimator, content, runtime, size, self.threads, rows)
                runs[runtime, size] = exported.logits, rows[: self._together(size)]
        rates: dict[str, dict[int, float]] = {KERAS: {}, **{runtime: {} for runtime in contents}}
        # Round robin, so that other load on the machine affects all candidates alike.
        for (runtime, size), (run, batch) in list(runs.items()) * ROUNDS:
            if not self._is_slow(rates[runtime], size):
                rate = rows_per_second(run, batch, measure.SECONDS / ROUNDS)
                # The best round counts: other load can only make a round slower.
                rates[runtime][size] = max(rate, rates[runtime].get(size, 0.0))
        return sorted((self._entry(*one) for one in rates.items()), key=worth, reverse=True)

    def _together(self, size: int) -> int:
        """Return the rows of a block that are computed at the same time in batches of `size`."""
        return min(size * self.threads, BLOCK)

    def _is_slow(self, rates: Mapping[int, float], size: int) -> bool:
        """Return whether a smaller batch already takes so long that a larger one gains nothing."""
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
    """Return the figure that ranks runtimes: rows per second, for Keras divided by `KERAS_WORTH`.

    Examples
    --------
    >>> worth({"runtime": "keras", "rows_per_second": 100.0}) < worth({"runtime": "litert", "rows_per_second": 90.0})
    True
    """
    rate: float = timed["rows_per_second"]
    return rate / KERAS_WORTH if timed["runtime"] == KERAS else rate


def suited_size(rates: Mapping[int, float]) -> int:
    """Return the smallest batch size that is about as fast as the fastest one.

    Examples
    --------
    >>> suited_size({8: 50.0, 32: 100.0, 128: 98.0, 512: 90.0})
    32
    """
    enough = AS_FAST * max(rates.values())
    return min(size for size, rate in rates.items() if rate >= enough)
