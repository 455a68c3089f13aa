"""Bootstrap intervals over groups, since rows of a patient are not independent."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cascade.metrics import ratio

Floats = NDArray[np.float64]

DRAWS = 2000


def ratio_interval(
    above: Floats, below: Floats, group: NDArray[np.intp], confidence: float = 0.95, seed: int = 0
) -> tuple[Floats, Floats]:
    """Percentile interval of sum(above) / sum(below) for each column, drawing groups with replacement.

    Parameters
    ----------
    above, below : ndarray of float, shape (n, L)
    group : ndarray of int, shape (n,)
        Number of the group of each row, from 0.
    confidence : float
    seed : int

    Returns
    -------
    low, high : ndarray of float, shape (L,)
        NaN where no draw has a positive divisor.

    References
    ----------
    Davison & Hinkley (1997), Bootstrap methods and their application, section 3.8 (resampling clusters).

    Examples
    --------
    >>> low, high = ratio_interval(np.ones((50, 1)), np.ones((50, 1)), np.arange(50))
    >>> float(low[0]), float(high[0])
    (1.0, 1.0)
    """
    n_groups = int(group.max()) + 1
    sums = np.zeros((2, n_groups, above.shape[1]))
    np.add.at(sums[0], group, above)
    np.add.at(sums[1], group, below)
    rng = np.random.default_rng(seed)
    draws = np.array([_one_draw(sums, rng) for _ in range(DRAWS)])
    outside = (1 - confidence) / 2
    low, high = np.full((2, above.shape[1]), np.nan)
    defined = np.isfinite(draws).any(axis=0)
    if defined.any():
        low[defined], high[defined] = np.nanquantile(draws[:, defined], [outside, 1 - outside], axis=0)
    return low, high


def _one_draw(sums: Floats, rng: np.random.Generator) -> Floats:
    n_groups = sums.shape[1]
    times = np.bincount(rng.integers(n_groups, size=n_groups), minlength=n_groups).astype(np.float64)
    above, below = times @ sums[0], times @ sums[1]
    return ratio(above, below)
