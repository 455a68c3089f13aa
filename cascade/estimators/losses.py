"""Losses on logits by name: what each one's minimiser stands for, so that predictions are corrected.

A margin loss has one value for a positive and one for a negative at each logit z. At the z that is best for a row of
probability p, p times the slope of the first and (1 - p) times that of the second cancel; so the log-odds of p are
ln(slope of the negative's loss) - ln(-slope of the positive's loss). For plain cross-entropy that is z, for weights
(w0, w1) it is z - ln(w1 / w0), for focal loss a curve. `log_odds` is this correction; it holds for the minimiser over a
population, so `proper` says whether that is all, or whether the loss also needs calibration.

References
----------
Reid & Williamson (2010), Composite binary losses, corollary 12. Elkan (2001), The foundations of cost-sensitive
learning. Charoenphakdee et al. (2021), On focal loss for class-posterior probability estimation, CVPR.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, ClassVar

import numpy as np
from scipy.special import log_softmax

from cascade.errors import ConfigError
from cascade.utils.checks import as_numbers
from cascade.utils.types import Floats

FURTHEST = 30.0
"""Logits beyond this are taken as this: no probability of float32 lies further out."""


@dataclass(frozen=True)
class WeightedLoss:
    """Cross-entropy with a weight for each label's negatives and positives.

    Attributes
    ----------
    weights : ndarray of float > 0, shape (L, 2)
        Negatives first.
    """

    proper: ClassVar[bool] = True
    weights: Floats

    def log_odds(self, z: Floats) -> Floats:
        """Corrected log-odds: z - ln(w1 / w0)."""
        return np.asarray(z - np.log(self.weights[:, 1] / self.weights[:, 0]), dtype=np.float64)


@dataclass(frozen=True)
class FocalLoss:
    """-a (1 - p)^g ln p for a positive, -(1 - a) p^g ln(1 - p) for a negative (Lin et al. 2017).

    Attributes
    ----------
    gamma : float >= 0
    alpha : ndarray of float in (0, 1), shape (L,)
    """

    proper: ClassVar[bool] = False
    gamma: float
    alpha: Floats

    def log_odds(self, z: Floats) -> Floats:
        """Corrected log-odds, from the ratio of the two slopes."""
        x = np.clip(np.asarray(z, dtype=np.float64), -FURTHEST, FURTHEST)
        odds_against = np.exp(-x)
        falling = self.gamma * np.log1p(odds_against) + odds_against
        odds_for = 1 / odds_against
        rising = self.gamma * np.log1p(odds_for) + odds_for
        odds = (self.gamma - 1) * x + np.log(rising) - np.log(falling)
        return np.asarray(odds - np.log(self.alpha / (1 - self.alpha)), dtype=np.float64)


@dataclass(frozen=True)
class AsymmetricLoss:
    """Focal loss with a power for each class, which drops negatives below a probability (Ridnik et al. 2021).

    Attributes
    ----------
    gamma_negative, gamma_positive : float >= 0
    clip : float in [0, 1)
        Taken off a negative's probability; negatives below it are not learned from, and say no more than that.
    """

    proper: ClassVar[bool] = False
    gamma_negative: float
    gamma_positive: float
    clip: float

    def log_odds(self, z: Floats) -> Floats:
        """Corrected log-odds; as small as can be where the probability lies below the clip."""
        x = np.clip(np.asarray(z, dtype=np.float64), -FURTHEST, FURTHEST)
        odds_against = np.exp(-x)
        surprise = np.log1p(odds_against)
        # In logarithms: powers of a small probability would leave the range of numbers. ln p = -surprise.
        falling = np.log(self.gamma_positive * surprise + odds_against)
        with np.errstate(divide="ignore"):
            rising = self._log_negative_slope(np.maximum(1 / (1 + odds_against) - self.clip, 0.0))
        odds = rising - falling + (self.gamma_positive - 1) * (surprise + x)
        return np.asarray(np.clip(odds, -FURTHEST, FURTHEST), dtype=np.float64)

    def _log_negative_slope(self, shown: Floats) -> Floats:
        """Logarithm of the slope of -q^g ln(1 - q) in q; -inf where nothing is shown, if the clip hides something."""
        gamma, log_rest = self.gamma_negative, np.log1p(-np.minimum(shown, 1 - 1e-16))
        if gamma == 0:
            return np.where((shown > 0) | (self.clip == 0), -log_rest, -np.inf)
        slope = np.log(shown / np.maximum(1 - shown, 1e-16) - gamma * log_rest)
        if gamma != 1:
            slope += (gamma - 1) * np.where(shown > 0, np.log(shown), 0.0)
        return np.asarray(slope, dtype=np.float64)


@dataclass(frozen=True)
class LogitAdjustedLoss:
    """Cross-entropy of z + offset, where the offset is the label's prior: z itself is what balanced data would give.

    Attributes
    ----------
    offset : ndarray of float, shape (L,)
        temper * ln(prevalence / (1 - prevalence)) (Menon et al. 2021).
    """

    proper: ClassVar[bool] = True
    offset: Floats

    def log_odds(self, z: Floats) -> Floats:
        """Corrected log-odds: z + offset."""
        return np.asarray(z + self.offset, dtype=np.float64)


@dataclass(frozen=True)
class DistributionBalancedLoss:
    """Cross-entropy of z - offset with tolerant negatives, rebalanced for labels that meet (Wu et al. 2020).

    A label's weight on a row is alpha + expit(beta (r - mu)), r its share of the row's rarity: 1 / n_k over the sum of
    1 / n_j of the row's labels. An empty row has no such share, and weighs 1.

    Attributes
    ----------
    count : ndarray of float > 0, shape (L,)
        Positives of each label.
    offset : ndarray of float, shape (L,)
        kappa * ln((1 - prevalence) / prevalence).
    tolerance : float >= 1
        lambda: negatives count less steeply.
    alpha, beta, mu : float
    """

    proper: ClassVar[bool] = False
    count: Floats
    offset: Floats
    tolerance: float
    alpha: float
    beta: float
    mu: float

    def log_odds(self, z: Floats) -> Floats:
        """Corrected log-odds but for the rebalancing, which depends on a row's other labels."""
        u = z - self.offset
        return np.asarray(np.logaddexp(0, u) - np.logaddexp(0, -self.tolerance * u), dtype=np.float64)


@dataclass(frozen=True)
class SoftmaxLoss:
    """Cross-entropy of softmax shares with targets 1 / k on a row's k labels; an empty row has none and counts 0.

    Attributes
    ----------
    cardinality : float > 0
        Mean number of labels on a row.
    """

    proper: ClassVar[bool] = False
    cardinality: float

    def log_odds(self, z: Floats) -> Floats:
        """Log-odds of the mean number of labels times each label's share."""
        share = np.minimum(np.log(self.cardinality) + log_softmax(z, axis=1), -1e-7)
        return np.asarray(share - np.log(-np.expm1(share)), dtype=np.float64)


Loss = WeightedLoss | FocalLoss | AsymmetricLoss | LogitAdjustedLoss | DistributionBalancedLoss | SoftmaxLoss

KINDS: dict[str, type[Any]] = {
    "weighted": WeightedLoss,
    "focal": FocalLoss,
    "asymmetric": AsymmetricLoss,
    "logit_adjusted": LogitAdjustedLoss,
    "distribution_balanced": DistributionBalancedLoss,
    "softmax": SoftmaxLoss,
}


def loss_to_json(loss: Loss) -> dict[str, Any]:
    """Plain data, from which `loss_from_json` makes an equal loss."""
    kind = next(name for name, known in KINDS.items() if isinstance(loss, known))
    return {"kind": kind, **{f.name: np.asarray(getattr(loss, f.name)).tolist() for f in fields(loss)}}


def loss_from_json(body: Mapping[str, Any], n_labels: int) -> Loss:
    """Make a loss of what `loss_to_json` gave; refuses what does not fit `n_labels` labels."""
    known = KINDS.get(str(body.get("kind"))) if isinstance(body, Mapping) else None
    names = set() if known is None else {f.name for f in fields(known)}
    if known is None or names != set(body) - {"kind"}:
        raise ConfigError(f"`loss` must be one that was saved. Received {body!r}.")
    values: dict[str, Any] = {name: as_numbers(body[name]) for name in names}
    shapes = {"weights": (n_labels, 2), "alpha": (n_labels,), "offset": (n_labels,), "count": (n_labels,)}
    for name, value in values.items():
        one = known is DistributionBalancedLoss and name == "alpha"
        low, high = (0.0, 100.0) if one else BOUNDS[name]
        fits = value is not None and value.shape == (() if one else shapes.get(name, ()))
        if not fits or not ((value >= low) & (value <= high)).all():
            raise ConfigError(f"`loss.{name}` must be what was saved for {n_labels} labels. Received {body[name]!r}.")
    loss: Loss = known(**{name: float(value) if value.ndim == 0 else value for name, value in values.items()})
    return loss


BOUNDS: dict[str, tuple[float, float]] = {
    "weights": (1e-9, 1e9),
    "gamma": (0.0, 100.0),
    "alpha": (1e-9, 1 - 1e-9),
    "gamma_negative": (0.0, 100.0),
    "gamma_positive": (0.0, 100.0),
    "clip": (0.0, 0.5),
    "offset": (-1e4, 1e4),
    "count": (1.0, 1e15),
    "tolerance": (1.0, 100.0),
    "beta": (0.0, 100.0),
    "mu": (0.0, 100.0),
    "cardinality": (1e-9, 1e9),
}
"""Between which a saved number lies, so that no prediction is NaN."""
