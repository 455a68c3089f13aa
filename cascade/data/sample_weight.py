"""Validate sample weights and scale them."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from cascade.errors import DataError
from cascade.utils.types import Floats


def check_weight(sample_weight: ArrayLike | None, n_rows: int, n_labels: int | None = None) -> Floats:
    """Validate sample weights and scale them to a mean of 1 over the positive ones.

    Parameters
    ----------
    sample_weight : array-like of float >= 0, shape (n,), or None
        None counts each row once.
    n_rows : int
    n_labels : int, optional
        Where given, one weight per row and label, shape (n, L), is taken as well.

    Returns
    -------
    ndarray of float, of the shape given, or (n,)

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
    if weight.shape != (n_rows,) and (n_labels is None or weight.shape != (n_rows, n_labels)):
        more = "" if n_labels is None else f", or per row and label ({n_labels})"
        raise DataError(f"`sample_weight` must have one value per row ({n_rows}){more}. Received shape {weight.shape}.")
    if not np.isfinite(weight).all() or (weight < 0).any():
        raise DataError("`sample_weight` must be finite and not negative.")
    if not weight.any():
        raise DataError("`sample_weight` must be positive on some row. Received only zeros.")
    # Only ratios matter. A mean of 1 keeps weighted counts and priors on the scale of rows.
    scaled: Floats = weight / weight[weight > 0].mean()
    return scaled
