"""How much recall a number of independent positives can prove."""

from __future__ import annotations

import math

from scipy.stats import beta

from cascade.errors import ConfigError


def recall_bound(kept: int, positives: int, confidence: float = 0.95) -> float:
    """Lower bound of the recall of which `kept` of `positives` independent positives were kept.

    Parameters
    ----------
    kept, positives : int
    confidence : float in (0, 1)

    Returns
    -------
    float
        Clopper and Pearson's one-sided bound; 0 without a positive.

    References
    ----------
    Clopper & Pearson (1934), The use of confidence or fiducial limits, Biometrika 26.

    Examples
    --------
    >>> round(recall_bound(47, 47), 3)
    0.938
    """
    if not 0 <= kept <= positives:
        raise ConfigError(f"`kept` must lie between 0 and `positives` ({positives}). Received {kept}.")
    return float(beta.ppf(1 - confidence, kept, positives - kept + 1)) if kept else 0.0


def positives_needed(recall: float, confidence: float = 0.95) -> int:
    """Fewest independent positives, all of them kept, that prove a recall.

    Examples
    --------
    >>> positives_needed(0.99)
    299
    """
    return math.ceil(math.log(1 - confidence) / math.log(recall))
