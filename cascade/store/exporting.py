"""Exported networks beside their Keras file: converted, compared with it, and timed."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from cascade.errors import ConfigError
from cascade.runtime.exported import ExportedNetwork
from cascade.runtime.kinds import RUNTIMES, check_threads
from cascade.runtime.measure import BATCH_SIZES, CHECKED_ROWS, TOLERANCE, largest_difference, rehearsal_rows
from cascade.store.timing import Timer

logger = logging.getLogger("cascade.export")


class Exporter:
    """Converts fitted Keras networks for some runtimes.

    Parameters
    ----------
    runtimes : sequence of {"litert", "onnx"}
    threads : int, optional
        To time with; default all cores.
    """

    def __init__(self, runtimes: Sequence[str], threads: int | None = None) -> None:
        self.runtimes = tuple(runtimes)
        self.threads = check_threads(threads)
        self.timer = Timer(self.threads)
        for name in self.runtimes:
            if name not in RUNTIMES:
                raise ConfigError(f"`runtimes` must be among {', '.join(RUNTIMES)}. Received {name!r}.")
            if not RUNTIMES[name].exports():
                raise ConfigError(f"exporting to {name} needs `pip install cascade-multilabel[keras,{name}]`.")

    def export(self, estimator: Any, folder: Path, name: str) -> dict[str, Any]:
        """Write `name.<suffix>` for each runtime that answers as Keras does; return what `open_export` reads."""
        network = estimator.network_
        row_shape, dtype = tuple(network.input_shape[1:]), str(network.inputs[0].dtype)
        rows = rehearsal_rows(row_shape, dtype, CHECKED_ROWS)
        reference = np.asarray(network.predict_on_batch(rows))
        contents, kept = {}, {}
        for runtime in self.runtimes:
            content, difference = self._converted(estimator, runtime, rows, reference, name)
            if difference <= TOLERANCE:
                file = f"{name}{RUNTIMES[runtime].suffix}"
                (folder / file).write_bytes(content)
                contents[runtime], kept[runtime] = content, {"file": file, "largest_difference": difference}
        ranked = self.timer.ranked(estimator, contents, name)
        networks = [one | kept.get(one["runtime"], {}) for one in ranked]
        return {"row_shape": list(row_shape), "dtype": dtype, "networks": networks}

    def _converted(self, estimator: Any, runtime: str, rows: Any, reference: Any, name: str) -> tuple[bytes, float]:
        """A network in a runtime, and how far it is from Keras; infinitely where it cannot be had."""
        from cascade.runtime.convert import convert

        try:
            content = convert(estimator.network_, runtime)
            difference = self._difference(estimator, runtime, content, rows, reference)
        except Exception as error:
            # The network itself is trained and safe; what one converter makes of it must not lose it.
            logger.warning("%s: cannot be exported to %s (%s); it is left out", name, runtime, error)
            return b"", np.inf
        if difference > TOLERANCE:
            logger.warning("%s: %s differs by %.2g in probability and is left out", name, runtime, difference)
        return content, difference

    def _difference(self, estimator: Any, runtime: str, content: bytes, rows: Any, reference: Any) -> float:
        """Largest difference in probability, in batches and of a row alone."""
        exported = ExportedNetwork(content, runtime, BATCH_SIZES[0], self.threads, rows.shape[1:], str(rows.dtype))
        exported.answers_like(estimator.loss_, estimator.sampling_shift_, estimator.target_form_)
        parts = (rows, rows[:1])
        return max(largest_difference(exported.logits(part), reference[: len(part)]) for part in parts)
