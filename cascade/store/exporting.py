"""Export of Keras networks: convert, compare with Keras, and time."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from cascade.errors import ConfigError
from cascade.estimators.runtime.exported import exported_from
from cascade.estimators.runtime.measure import (
    BATCH_SIZES,
    CHECKED_ROWS,
    TOLERANCE,
    probability_differences,
    rehearsal_rows,
)
from cascade.estimators.runtime.runtimes import FLOAT32, INT8, KERAS, RUNTIMES, check_threads
from cascade.rules.stability import MOST_CHANGED, Stability
from cascade.store.int8_rows import Int8Rows
from cascade.store.networks.graph import check_operators
from cascade.store.timing import Timer
from cascade.utils.log_odds import log_odds

logger = logging.getLogger("cascade.export")

Entry = dict[str, Any]


@dataclass(frozen=True)
class Converted:
    """A network in a runtime, with the differences of its outputs from those of Keras.

    Attributes
    ----------
    content : bytes
    largest, mean : float
        Of probabilities.
    log_odds : float
        The largest of log-odds.
    """

    content: bytes
    largest: float
    mean: float
    log_odds: float


class Exporter:
    """Convert fitted Keras networks for some runtimes.

    Parameters
    ----------
    runtimes : sequence of {"litert", "onnx"}
    threads : int, optional
        Threads for timing; default all cores.
    int8 : Int8Rows, optional
        Rows to quantise networks to INT8 with. Quantised networks may differ from Keras by any amount, which is
        recorded.
    stability : Stability, optional
        Calibration rows that change where scores differ a little. None where they were not counted.
    """

    def __init__(
        self,
        runtimes: Sequence[str],
        threads: int | None = None,
        int8: Int8Rows | None = None,
        stability: Stability | None = None,
    ) -> None:
        self.runtimes = tuple(runtimes)
        self.stability = stability
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
        """Write a file per runtime that predicts as Keras does; return the spec that `open_export` reads."""
        network = estimator.network_
        row_shape, dtype = tuple(network.input_shape[1:]), str(network.inputs[0].dtype)
        # INT8 networks are compared on real rows, since noise would be outside of the ranges they were made for.
        if self.int8 is None:
            rows, ranges = rehearsal_rows(row_shape, dtype, CHECKED_ROWS), None
        else:
            rows = self.int8.compared(dtype, estimator.image_size)
            ranges = self.int8.ranges(dtype, estimator.image_size)
        exports = {}
        for runtime in self.runtimes:
            converted = self._converted(estimator, runtime, rows, ranges, name)
            if converted is not None:
                (folder / self._file(name, runtime)).write_bytes(converted.content)
                exports[runtime] = converted
        ranked = self._float32 if self.int8 is None else self._int8
        return {"row_shape": list(row_shape), "dtype": dtype, "networks": ranked(estimator, exports, name)}

    def _file(self, name: str, runtime: str) -> str:
        return f"{name}{'' if self.int8 is None else '_int8'}{RUNTIMES[runtime].suffix}"

    def _converted(
        self, estimator: Any, runtime: str, rows: NDArray[Any], ranges: NDArray[Any] | None, name: str
    ) -> Converted | None:
        """Convert a network to a runtime; return None if it cannot be converted or predicts differently."""
        from cascade.estimators.runtime.convert import convert

        try:
            content = convert(estimator.network_, runtime, ranges)
            # What would be refused when it is loaded is left out now.
            check_operators(Path(self._file(name, runtime)), content, runtime)
            converted = self._compared(estimator, runtime, content, rows)
        except Exception as error:
            # Converters fail with errors of any type; a failed export must not lose the trained network.
            logger.warning("%s: cannot be exported to %s (%s); it is left out", name, runtime, error)
            return None
        # Probabilities never differ by more than 1, so INT8 is left out only if it is not finite; users judge its loss.
        if not converted.largest <= (TOLERANCE if self.int8 is None else 1.0):
            far = converted.largest
            logger.warning("%s: %s differs by %.2g in probability and is left out", name, runtime, far)
            return None
        changed = self._changed(converted)
        if changed is not None and changed > MOST_CHANGED:
            sentence = "%s: rounding in %s would change %.2g of the calibration rows, at the gate or in a bit; left out"
            logger.warning(sentence, name, runtime, changed)
            return None
        return converted

    def _changed(self, converted: Converted) -> float | None:
        """Return the share of calibration rows that change; None for INT8, whose loss is measured on labelled rows."""
        return None if self.int8 is not None or self.stability is None else self.stability.share(converted.log_odds)

    def _compared(self, estimator: Any, runtime: str, content: bytes, rows: NDArray[Any]) -> Converted:
        """Compare with Keras, in batches and for a single row, which is computed by a separate session."""
        exported = exported_from(estimator, content, runtime, BATCH_SIZES[0], self.threads, rows)
        reference = np.asarray(estimator.network_.predict_on_batch(rows))
        largest, mean = probability_differences(exported.logits(rows), reference)
        alone, _ = probability_differences(exported.logits(rows[:1]), reference[:1])
        # Clipped as the rules see them; beyond, the last digits of large logits would count as a difference.
        logits = (exported.logits(rows), reference)
        z, other = (log_odds(expit(estimator.loss_.log_odds(np.asarray(one, np.float64)))) for one in logits)
        return Converted(content, max(largest, alone), mean, float(np.abs(z - other).max()))

    def _float32(self, estimator: Any, exports: dict[str, Converted], name: str) -> list[Entry]:
        """Return the entries of the manifest, fastest first, including Keras."""
        contents = {runtime: one.content for runtime, one in exports.items()}
        ranked = self.timer.ranked(estimator, contents, name)
        return [one | self._about(one["runtime"], exports, name) for one in ranked]

    def _int8(self, estimator: Any, exports: dict[str, Converted], name: str) -> list[Entry]:
        """Return the entries of the manifest, fastest first; Keras is last at any speed, since INT8 was requested."""
        from cascade.estimators.runtime.convert import convert

        contents = {runtime: one.content for runtime, one in exports.items()}
        # Float32 networks are only timed, so that the manifest shows what INT8 gains; they are not saved.
        full = {runtime: convert(estimator.network_, runtime) for runtime in exports}
        float32 = {one["runtime"]: one for one in self.timer.ranked(estimator, full, name)}
        ranked = self.timer.ranked(estimator, contents, name, INT8)
        return [
            one
            | self._about(one["runtime"], exports, name)
            | {"float32_rows_per_second": float32[one["runtime"]]["rows_per_second"]}
            for one in ranked
            if one["runtime"] != KERAS
        ] + [float32[KERAS]]

    def _about(self, runtime: str, exports: dict[str, Converted], name: str) -> Entry:
        if runtime == KERAS:
            return {}
        return {
            "file": self._file(name, runtime),
            "precision": self.precision,
            "largest_difference": exports[runtime].largest,
            "mean_difference": exports[runtime].mean,
            "rows_changed": self._changed(exports[runtime]),
        }
