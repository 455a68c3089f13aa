"""Three answers instead of two: certainly not, certainly, or let a human look."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cascade.errors import ConfigError
from cascade.utils.checks import as_numbers
from cascade.utils.types import Floats

NEGATIVE, REFER, POSITIVE = 0, -1, 1


def refer_band(false_positive: float, false_negative: float, refer: float) -> tuple[float, float]:
    """Probabilities between which a human costs less than either mistake is expected to.

    Parameters
    ----------
    false_positive, false_negative, refer : float > 0
        Costs of the two mistakes, and of one human look.

    Returns
    -------
    low, high : float
        Below `low` is certainly negative, from `high` on certainly positive. Equal, at the cost threshold, where a
        look costs more than the mistakes: then nothing is referred.

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
    low, high = refer / false_negative, 1 - refer / false_positive
    if low >= high:
        low = high = false_positive / (false_positive + false_negative)
    return low, high


def triage(proba: Floats, low: ArrayLike, high: ArrayLike) -> NDArray[np.int8]:
    """Answer each probability: 0 below `low`, 1 from `high` on, -1 between, for a human.

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
        raise ConfigError(f"`low` must be at most `high`, label by label. Received {low!r} and {high!r}.")
    answer = np.where(proba >= highest, POSITIVE, np.where(proba < lowest, NEGATIVE, REFER))
    return answer.astype(np.int8)


def _bound(name: str, given: ArrayLike, n_labels: int) -> Floats:
    bound = as_numbers(given)
    if bound is None or not ((bound >= 0) & (bound <= 1)).all():
        raise ConfigError(f"`{name}` must be a probability, or one per label. Received {given!r}.")
    if bound.shape not in ((), (n_labels,)):
        raise ConfigError(f"`{name}` must be one number, or one per label ({n_labels}). Received shape {bound.shape}.")
    return bound
