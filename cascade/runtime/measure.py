"""How fast a network answers, and how closely as its reference: measured on this machine before anything is chosen."""

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
"""Spent on each batch size; its best run counts, since others only add what else the machine did."""
TOLERANCE = 1e-4
"""Largest difference in probability between a runtime and Keras."""


def rehearsal_rows(row_shape: tuple[int, ...], dtype: str, n: int) -> NDArray[Any]:
    """Rows of noise like those that a network takes, the same each time."""
    rng = np.random.default_rng(0)
    if dtype == "uint8":
        return rng.integers(0, 256, (n, *row_shape), dtype=np.uint8)
    return rng.normal(size=(n, *row_shape)).astype(np.float32)


def rows_per_second(run: Callable[[NDArray[Any]], Any], batch: NDArray[Any], seconds: float) -> float:
    """Rate of the best of the runs of one batch that so many seconds have room for, after one to warm up."""
    run(batch)
    best, until = np.inf, time.perf_counter() + seconds
    while time.perf_counter() < until:
        started = time.perf_counter()
        run(batch)
        best = min(best, time.perf_counter() - started)
    return len(batch) / best


def probability_differences(logits: NDArray[Any], reference: NDArray[Any]) -> tuple[float, float]:
    """Largest and mean difference of two networks' probabilities; infinite where one says NaN."""
    far = np.abs(expit(logits.astype(np.float64)) - expit(reference.astype(np.float64)))
    if not np.isfinite(far).all():
        return float("inf"), float("inf")
    return float(far.max()), float(far.mean())
