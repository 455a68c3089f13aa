"""Exported networks beside their Keras file: converted, compared with it, and timed."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cascade.errors import ConfigError
from cascade.runtime.exported import exported_from
from cascade.runtime.measure import BATCH_SIZES, CHECKED_ROWS, TOLERANCE, probability_differences, rehearsal_rows
from cascade.runtime.runtimes import FLOAT32, INT8, KERAS, RUNTIMES, check_threads
from cascade.store.int8_rows import Int8Rows
from cascade.store.timing import Timer

logger = logging.getLogger("cascade.export")

Entry = dict[str, Any]


@dataclass(frozen=True)
class Converted:
    """A network in a runtime, and the largest and the mean difference of its probabilities from Keras'."""

    content: bytes
    largest: float
    mean: float


class Exporter:
    """Converts fitted Keras networks for some runtimes.

    Parameters
    ----------
    runtimes : sequence of {"litert", "onnx"}
    threads : int, optional
        To time with; default all cores.
    int8 : Int8Rows, optional
        Networks are quantised to INT8 with these rows, and may then differ from Keras by any amount, which is recorded.
    """

    def __init__(self, runtimes: Sequence[str], threads: int | None = None, int8: Int8Rows | None = None) -> None:
        self.runtimes = tuple(runtimes)
        self.threads = check_threads(threads)
        self.int8 = int8
        self.precision = FLOAT32 if int8 is None else INT8
        self.timer = Timer(self.threads)
        if int8 is not None and not self.runtimes:
            raise ConfigError("`int8` quantises exported networks; name their `runtimes`, such as 'litert'.")
        for name in self.runtimes:
            if name not in RUNTIMES:
                raise ConfigError(f"`runtimes` must be among {', '.join(RUNTIMES)}. Received {name!r}.")
            if not RUNTIMES[name].exports():
                raise ConfigError(f"exporting to {name} needs `pip install cascade-multilabel[keras,{name}]`.")

    def export(self, estimator: Any, folder: Path, name: str) -> dict[str, Any]:
        """Write a file for each runtime that answers as Keras does; return what `open_export` reads."""
        network = estimator.network_
        row_shape, dtype = tuple(network.input_shape[1:]), str(network.inputs[0].dtype)
        if self.int8 is None:
            rows, ranges = rehearsal_rows(row_shape, dtype, CHECKED_ROWS), None
        else:
            rows = self.int8.compared(dtype, estimator.image_size)
            ranges = self.int8.ranges(dtype, estimator.image_size)
        found = {}
        for runtime in self.runtimes:
            converted = self._converted(estimator, runtime, rows, ranges, name)
            if converted is not None:
                (folder / self._file(name, runtime)).write_bytes(converted.content)
                found[runtime] = converted
        networks = self._float32(estimator, found, name) if self.int8 is None else self._int8(estimator, found, name)
        return {"row_shape": list(row_shape), "dtype": dtype, "networks": networks}

    def _file(self, name: str, runtime: str) -> str:
        return f"{name}{'' if self.int8 is None else '_int8'}{RUNTIMES[runtime].suffix}"

    def _converted(
        self, estimator: Any, runtime: str, rows: NDArray[Any], ranges: NDArray[Any] | None, name: str
    ) -> Converted | None:
        """A network in a runtime; None where it cannot be had or answers otherwise."""
        from cascade.runtime.convert import convert

        try:
            content = convert(estimator.network_, runtime, ranges)
            converted = self._compared(estimator, runtime, content, rows)
        except Exception as error:
            # The network itself is trained and safe; what one converter makes of it must not lose it.
            logger.warning("%s: cannot be exported to %s (%s); it is left out", name, runtime, error)
            return None
        # Of INT8 only what is not finite is left out: what it loses is for its user to weigh.
        if not converted.largest <= (TOLERANCE if self.int8 is None else 1.0):
            far = converted.largest
            logger.warning("%s: %s differs by %.2g in probability and is left out", name, runtime, far)
            return None
        return converted

    def _compared(self, estimator: Any, runtime: str, content: bytes, rows: NDArray[Any]) -> Converted:
        """Differences from Keras, in batches and of a row alone."""
        exported = exported_from(estimator, content, runtime, BATCH_SIZES[0], self.threads, rows)
        reference = np.asarray(estimator.network_.predict_on_batch(rows))
        largest, mean = probability_differences(exported.logits(rows), reference)
        alone, _ = probability_differences(exported.logits(rows[:1]), reference[:1])
        return Converted(content, max(largest, alone), mean)

    def _float32(self, estimator: Any, found: dict[str, Converted], name: str) -> list[Entry]:
        """Entries of the manifest, the fastest first, Keras among them."""
        contents = {runtime: one.content for runtime, one in found.items()}
        ranked = self.timer.ranked(estimator, contents, name)
        return [one | self._about(one["runtime"], found, name) for one in ranked]

    def _int8(self, estimator: Any, found: dict[str, Converted], name: str) -> list[Entry]:
        """Entries of the manifest, the fastest first; Keras last however fast, since INT8 was asked for."""
        from cascade.runtime.convert import convert

        contents = {runtime: one.content for runtime, one in found.items()}
        full = {runtime: convert(estimator.network_, runtime) for runtime in found}
        float32 = {one["runtime"]: one for one in self.timer.ranked(estimator, full, name)}
        ranked = self.timer.ranked(estimator, contents, name, INT8)
        return [
            one
            | self._about(one["runtime"], found, name)
            | {"float32_rows_per_second": float32[one["runtime"]]["rows_per_second"]}
            for one in ranked
            if one["runtime"] != KERAS
        ] + [float32[KERAS]]

    def _about(self, runtime: str, found: dict[str, Converted], name: str) -> Entry:
        if runtime == KERAS:
            return {}
        return {
            "file": self._file(name, runtime),
            "precision": self.precision,
            "largest_difference": found[runtime].largest,
            "mean_difference": found[runtime].mean,
        }
