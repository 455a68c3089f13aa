"""Triage: three outcomes per label, namely negative, positive, or referred to a human."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cascade.errors import ConfigError
from cascade.utils.checks import as_numbers
from cascade.utils.types import Floats

NEGATIVE, REFER, POSITIVE = 0, -1, 1


def refer_band(false_positive: float, false_negative: float, refer: float) -> tuple[float, float]:
    """Return the probabilities between which a human look costs less than the expected cost of either mistake.

    Parameters
    ----------
    false_positive, false_negative, refer : float > 0
        Costs of the two mistakes, and of one human look.

    Returns
    -------
    low, high : float
        Below `low` is negative, from `high` on positive. Both are the cost threshold if a look costs more than the
        mistakes; then nothing is referred.

    References
    ----------
    Chow (1970), On optimum recognition error and reject tradeoff.

    Examples
    --------
    >>> refer_band(false_positive=1, false_negative=10, refer=0.5)
    (0.05, 0.5)
    """
    for name, cost in (("false_positive", false_positive), ("false_negative", false_negative), ("refer", refer)):
        if not (cost > 0 and np.isfinite(cost)):
            raise ConfigError(f"`{name}` must be a positive cost. Received {cost!r}.")
    # A 0 has the expected cost p * false_negative, a 1 has (1 - p) * false_positive; at its limit each equals `refer`.
    low, high = refer / false_negative, 1 - refer / false_positive
    # No probability is left at which a look is cheapest: decide between the two mistakes alone.
    if low >= high:
        low = high = false_positive / (false_positive + false_negative)
    return low, high


def triage(proba: Floats, low: ArrayLike, high: ArrayLike) -> NDArray[np.int8]:
    """Return 0 for probabilities below `low`, 1 from `high` on, and -1, for a human, in between.

    Parameters
    ----------
    proba : ndarray of float, shape (n, L)
    low, high : float or array-like, shape (L,)

    Returns
    -------
    ndarray of int8, shape (n, L)

    Examples
    --------
    >>> triage(np.array([[0.01, 0.2, 0.9]]), 0.05, 0.5)
    array([[ 0, -1,  1]], dtype=int8)
    """
    lowest, highest = _bound("low", low, proba.shape[1]), _bound("high", high, proba.shape[1])
    if not (lowest <= highest).all():
        raise ConfigError(f"`low` must be at most `high` for every label. Received {low!r} and {high!r}.")
    outcome = np.where(proba >= highest, POSITIVE, np.where(proba < lowest, NEGATIVE, REFER))
    return outcome.astype(np.int8)


def _bound(name: str, given: ArrayLike, n_labels: int) -> Floats:
    bound = as_numbers(given)
    if bound is None or not ((bound >= 0) & (bound <= 1)).all():
        raise ConfigError(f"`{name}` must be a probability, or one per label. Received {given!r}.")
    if bound.shape not in ((), (n_labels,)):
        raise ConfigError(f"`{name}` must be one number, or one per label ({n_labels}). Received shape {bound.shape}.")
    return bound
