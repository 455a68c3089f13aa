"""Log-odds of probabilities, finite at 0 and 1."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit

from cascade.utils.types import Floats

SMALLEST = 1e-7


def log_odds(p: ArrayLike) -> Floats:
    """Return the log-odds of probabilities, clipped to 1e-7 from 0 and 1 so that the result is finite."""
    inside = np.clip(np.asarray(p, dtype=np.float64), SMALLEST, 1.0 - SMALLEST)
    # `log1p` keeps the digits of a small p that 1 - p would round off.
    return np.asarray(np.log(inside) - np.log1p(-inside), dtype=np.float64)


def shift_proba(p: ArrayLike, shift: ArrayLike) -> Floats:
    """Add `shift` to the log-odds of `p`."""
    return np.asarray(expit(log_odds(p) + np.asarray(shift, dtype=np.float64)), dtype=np.float64)
