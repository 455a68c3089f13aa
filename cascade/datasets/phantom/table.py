"""Problem A's table: how many of the 54,214 images have each of the 32 label combinations."""

from __future__ import annotations

import csv
from importlib import resources

import numpy as np
from numpy.typing import NDArray

from cascade.data.readers.rsna import LABELS
from cascade.errors import ConfigError

FULL_ROWS = 54_214


def full_table() -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Read the combinations (32, 6) and their counts (32,) as published."""
    text = (
        resources.files("cascade.datasets.phantom").joinpath("problem_a_combinations.csv").read_text(encoding="utf-8")
    )
    rows = list(csv.DictReader(text.splitlines()))
    combinations = np.array([[int(row[name]) for name in LABELS] for row in rows], dtype=np.uint8)
    return combinations, np.array([int(row["count"]) for row in rows], dtype=np.int64)


def combination_counts(n_rows: int = FULL_ROWS) -> tuple[NDArray[np.uint8], NDArray[np.int64], bool]:
    """Scale the table to `n_rows`, with at least one row of each combination.

    Parameters
    ----------
    n_rows : int
        Number of rows, at least 32. 54,214 gives the table itself.

    Returns
    -------
    combinations : ndarray of uint8, shape (32, 6)
    counts : ndarray of int64, shape (32,)
        They sum to `n_rows`.
    natural : bool
        False if a combination has a row only because of the minimum of one.

    Examples
    --------
    >>> combinations, counts, natural = combination_counts()
    >>> counts @ combinations
    array([ 233, 2607, 1893, 2574, 3403, 7783])
    >>> combination_counts(1000)[2]
    False
    """
    combinations, counts = full_table()
    if n_rows < len(counts):
        raise ConfigError(f"`rows` must be at least {len(counts)}, one per combination. Received {n_rows}.")
    exact = counts * (n_rows / counts.sum())
    floored = np.maximum(np.floor(exact).astype(np.int64), 1)
    # Missing rows go to the largest remainders; surplus ones, due to the minimum of one row, are taken from the most
    # frequent combination.
    missing = n_rows - int(floored.sum())
    if missing > 0:
        floored[np.argsort(floored - exact, kind="stable")[:missing]] += 1
    else:
        floored[np.argmax(floored)] += missing
    # Below half a row, rounding would have dropped the combination.
    natural = bool(np.all(exact >= 0.5))
    return combinations, floored, natural
