"""Measure the speed of a network, and its difference from a reference, before a runtime is chosen."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

BATCH_SIZES = (8, 32, 128, 512)
CHECKED_ROWS = 64
SECONDS = 0.3
"""Time per batch size. The fastest run counts, since the others only add what else the machine did."""
TOLERANCE = 1e-4
"""Largest difference in probability between a runtime and Keras."""


def rehearsal_rows(row_shape: tuple[int, ...], dtype: str, n: int) -> NDArray[Any]:
    """Return rows of noise of a network's shape and type, the same in each call."""
    rng = np.random.default_rng(0)
    if dtype == "uint8":
        return rng.integers(0, 256, (n, *row_shape), dtype=np.uint8)
    return rng.normal(size=(n, *row_shape)).astype(np.float32)


def rows_per_second(run: Callable[[NDArray[Any]], Any], batch: NDArray[Any], seconds: float) -> float:
    """Return the rate of the fastest run of one batch within `seconds`, after one run to warm up."""
    # The first run allocates memory and fills the caches.
    run(batch)
    best, until = np.inf, time.perf_counter() + seconds
    while time.perf_counter() < until:
        started = time.perf_counter()
        run(batch)
        best = min(best, time.perf_counter() - started)
    return len(batch) / best


def probability_differences(logits: NDArray[Any], reference: NDArray[Any]) -> tuple[float, float]:
    """Return the largest and the mean difference of two networks' probabilities; infinite if one is NaN."""
    # Probabilities, not logits: beyond 15 or so, logits differ by much and mean the same.
    difference = np.abs(expit(logits.astype(np.float64)) - expit(reference.astype(np.float64)))
    if not np.isfinite(difference).all():
        return float("inf"), float("inf")
    return float(difference.max()), float(difference.mean())
