"""Average precision under many draws of groups at once: each draw weighs a row by how often its group was drawn."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cascade.labels import Labels

Floats = NDArray[np.float64]


def draw_multiplicities(group: NDArray[np.intp], draws: int, seed: Any) -> NDArray[np.float32]:
    """How often each row counts, float of shape (1 + draws, n): once, then in each draw of groups with replacement.

    Examples
    --------
    >>> times = draw_multiplicities(np.array([0, 0, 1]), 2, seed=0)
    >>> times.shape, bool((times[:, 0] == times[:, 1]).all())
    ((3, 3), True)
    """
    numbers, inverse = np.unique(group, return_inverse=True)
    rng = np.random.default_rng(seed)
    times = rng.multinomial(len(numbers), np.full(len(numbers), 1 / len(numbers)), size=draws)
    return np.vstack([np.ones(len(group)), times[:, inverse]]).astype(np.float32)


def weighted_average_precision(Y: Labels, proba: Floats, times: NDArray[np.float32]) -> Floats:
    """Average precision of each label under each weighing of the rows.

    Parameters
    ----------
    Y : ndarray of 0/1, shape (n, L)
    proba : ndarray of float, shape (n, L)
    times : ndarray of float, shape (d, n)

    Returns
    -------
    ndarray of float, shape (d, L)
        NaN where a label has no positive with weight.
    """
    columns = [_one_label(y, p, times) for y, p in zip(Y.T, proba.T, strict=True)]
    return np.column_stack(columns) if columns else np.empty((len(times), 0))


def _one_label(y: NDArray[np.uint8], proba: Floats, times: NDArray[np.float32]) -> Floats:
    order = np.argsort(-proba, kind="stable")
    last = np.append(np.flatnonzero(np.diff(proba[order])), len(order) - 1)
    positive = y[order].astype(np.float64)
    # A block of equal scores adds to precision only where it holds a positive of the sample itself.
    held = np.flatnonzero(np.diff(np.cumsum(positive)[last], prepend=0.0))
    answer = np.full(len(times), np.nan)
    for draw, row_times in enumerate(times):
        weight = row_times[order].astype(np.float64)
        seen, found = np.cumsum(weight)[last], np.cumsum(weight * positive)[last]
        if found[-1] > 0:
            gained = np.diff(found, prepend=0.0)[held]
            answer[draw] = float(gained @ (found[held] / np.maximum(seen[held], 1e-12)) / found[-1])
    return answer
