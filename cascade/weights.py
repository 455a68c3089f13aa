"""Sample weights: how many rows of the population each row stands for."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cascade.errors import DataError

Floats = NDArray[np.float64]


def check_weight(sample_weight: ArrayLike | None, n_rows: int) -> Floats:
    """Validate sample weights and scale them to a mean of 1 over the rows that have any.

    Parameters
    ----------
    sample_weight : array-like of float >= 0, shape (n,), or None
        None counts each row once.
    n_rows : int

    Returns
    -------
    ndarray of float, shape (n,)

    Raises
    ------
    DataError

    Examples
    --------
    >>> check_weight([2, 4], 2).tolist()
    [0.6666666666666666, 1.3333333333333333]
    """
    if sample_weight is None:
        return np.ones(n_rows)
    weight = np.asarray(sample_weight, dtype=np.float64)
    if weight.shape != (n_rows,):
        raise DataError(f"`sample_weight` must have one value per row ({n_rows}). Received shape {weight.shape}.")
    if not np.isfinite(weight).all() or (weight < 0).any():
        raise DataError("`sample_weight` must be finite and not negative.")
    if not weight.any():
        raise DataError("`sample_weight` must be positive on some row. Received only zeros.")
    # Only the ratios count: a mean of 1 keeps counts and priors on the scale of rows.
    scaled: Floats = weight / weight[weight > 0].mean()
    return scaled
