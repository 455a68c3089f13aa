"""Exported networks beside their Keras file: converted, compared with it, and timed."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from cascade.errors import ConfigError
from cascade.runtime.exported import ExportedNetwork
from cascade.runtime.kinds import KERAS, RUNTIMES, check_threads
from cascade.runtime.measure import (
    BATCH_SIZES,
    CHECKED_ROWS,
    TOLERANCE,
    largest_difference,
    rehearsal_rows,
    rows_per_second,
)

logger = logging.getLogger("cascade.export")


class Exporter:
    """Converts fitted Keras networks for some runtimes; equal architectures are timed once.

    Parameters
    ----------
    runtimes : sequence of {"litert", "onnx"}
    threads : int, optional
        To time with; default all cores.
    """

    def __init__(self, runtimes: Sequence[str], threads: int | None = None) -> None:
        self.runtimes = tuple(runtimes)
        self.threads = check_threads(threads)
        self._timed: dict[str, list[dict[str, Any]]] = {}
        for name in self.runtimes:
            if name not in RUNTIMES:
                raise ConfigError(f"`runtimes` must be among {', '.join(RUNTIMES)}. Received {name!r}.")
            if not RUNTIMES[name].exports():
                raise ConfigError(f"exporting to {name} needs `pip install cascade-multilabel[keras,{name}]`.")

    def export(self, estimator: Any, folder: Path, name: str) -> dict[str, Any]:
        """Write `name.<suffix>` for each runtime that answers as Keras does; return what `open_export` reads."""
        from cascade.runtime.convert import convert

        network = estimator.network_
        row_shape, dtype = tuple(network.input_shape[1:]), str(network.inputs[0].dtype)
        rows = rehearsal_rows(row_shape, dtype, CHECKED_ROWS)
        reference, found = np.asarray(network.predict_on_batch(rows)), {}
        for runtime in self.runtimes:
            try:
                content = convert(network, runtime)
                exported = ExportedNetwork(content, runtime, BATCH_SIZES[0], self.threads, row_shape, dtype)
                exported.answers_like(estimator.loss_, estimator.sampling_shift_, estimator.target_form_)
                difference = _difference(exported, rows, reference)
            except Exception as error:
                # The network itself is trained and safe; what one converter makes of it must not lose it.
                logger.warning("%s: cannot be exported to %s (%s); it is left out", name, runtime, error)
                continue
            if difference > TOLERANCE:
                logger.warning("%s: %s differs by %.2g in probability and is left out", name, runtime, difference)
                continue
            (folder / f"{name}{RUNTIMES[runtime].suffix}").write_bytes(content)
            found[runtime] = (content, difference)
        return {"row_shape": list(row_shape), "dtype": dtype, "networks": self._ranked(estimator, found, name)}

    def _ranked(self, estimator: Any, found: dict[str, tuple[bytes, float]], name: str) -> list[dict[str, Any]]:
        network = estimator.network_
        layers = [(type(layer).__name__, str(layer.output.shape)) for layer in network.layers]
        key = f"{layers} {network.count_params()} {estimator.batch_size} {sorted(found)}"
        if key not in self._timed:
            self._timed[key] = self._time(estimator, {runtime: content for runtime, (content, _) in found.items()})
            rates = ", ".join(f"{one['runtime']} {one['rows_per_second']:,.0f}" for one in self._timed[key])
            logger.info("%s: rows per second: %s", name, rates)
        return [
            one
            if one["runtime"] == KERAS
            else {
                **one,
                "file": f"{name}{RUNTIMES[one['runtime']].suffix}",
                "largest_difference": found[one["runtime"]][1],
            }
            for one in self._timed[key]
        ]

    def _time(self, estimator: Any, contents: dict[str, bytes]) -> list[dict[str, Any]]:
        """Rates by batch size, the fastest runtime first, Keras among them."""
        network = estimator.network_
        own = int(estimator.batch_size)
        most = max(own, *BATCH_SIZES)
        rows = rehearsal_rows(tuple(network.input_shape[1:]), str(network.inputs[0].dtype), most)
        timed = [_entry(KERAS, {own: rows_per_second(network.predict_on_batch, rows[:own])}, self.threads)]
        for runtime, content in contents.items():
            sessions = {size: RUNTIMES[runtime].open(content, size, self.threads) for size in BATCH_SIZES}
            rates = {size: rows_per_second(run, rows[:size]) for size, run in sessions.items()}
            timed.append(_entry(runtime, rates, self.threads))
        return sorted(timed, key=lambda one: -one["rows_per_second"])


def _difference(exported: ExportedNetwork, rows: Any, reference: Any) -> float:
    """Largest difference in probability, in batches and of a row alone."""
    parts = (rows, rows[:1])
    return max(largest_difference(exported.logits(part), reference[: len(part)]) for part in parts)


def _entry(runtime: str, rates: dict[int, float], threads: int) -> dict[str, Any]:
    size = max(rates, key=lambda one: rates[one])
    by_size = {str(one): round(rate, 1) for one, rate in rates.items()}
    return {
        "runtime": runtime,
        "batch_size": size,
        "rows_per_second": by_size[str(size)],
        "rates": by_size,
        "threads": threads,
    }
