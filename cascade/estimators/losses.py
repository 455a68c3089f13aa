"""Losses on logits, each with the correction from the logits that minimise it to log-odds.

A margin loss has one value for a positive and one for a negative at each logit z. At the best z for a row of
probability p, p times the slope of the first and (1 - p) times the slope of the second cancel. So the log-odds of p are
ln(slope of the negative's loss) - ln(-slope of the positive's loss). For plain cross-entropy this is z, for weights
(w0, w1) it is z - ln(w1 / w0), for focal loss a curve. `log_odds` is this correction. It holds for the minimiser over a
population; `proper` is False where probabilities also need calibration.

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
from scipy.special import expit, log_softmax

from cascade.errors import ConfigError
from cascade.utils.checks import as_numbers
from cascade.utils.types import Floats

FURTHEST = 30.0
"""Logits are clipped to this range; in float32, expit(30) is 1."""


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
        """Return corrected log-odds: z - ln(w1 / w0)."""
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
        """Return corrected log-odds, from the ratio of the two slopes."""
        # Clipped, since `odds_for` would overflow and a far logit carries no more information.
        x = np.clip(np.asarray(z, dtype=np.float64), -FURTHEST, FURTHEST)
        odds_against = np.exp(-x)
        # The slopes are (1 - p)^g p times `falling` and p^g (1 - p) times `rising`; the ratio of these factors is the
        # term in x. The product form avoids powers that underflow.
        falling = self.gamma * np.log1p(odds_against) + odds_against
        odds_for = 1 / odds_against
        rising = self.gamma * np.log1p(odds_for) + odds_for
        odds = (self.gamma - 1) * x + np.log(rising) - np.log(falling)
        return np.asarray(odds - np.log(self.alpha / (1 - self.alpha)), dtype=np.float64)


@dataclass(frozen=True)
class AsymmetricLoss:
    """Focal loss with a power per class, which ignores negatives below a probability (Ridnik et al. 2021).

    Attributes
    ----------
    gamma_negative, gamma_positive : float >= 0
    clip : float in [0, 1)
        Subtracted from a negative's probability. Negatives below it have no loss, so their log-odds
        are only known to be low.
    """

    proper: ClassVar[bool] = False
    gamma_negative: float
    gamma_positive: float
    clip: float

    def log_odds(self, z: Floats) -> Floats:
        """Return corrected log-odds; the lower bound where the probability is below the clip."""
        x = np.clip(np.asarray(z, dtype=np.float64), -FURTHEST, FURTHEST)
        odds_against = np.exp(-x)
        surprise = np.log1p(odds_against)
        # Logarithms, since powers of a small probability underflow; ln p = -surprise.
        falling = np.log(self.gamma_positive * surprise + odds_against)
        # Below the clip the slope is 0 and its logarithm -inf, which the last line clips.
        with np.errstate(divide="ignore"):
            rising = self._log_negative_slope(np.maximum(1 / (1 + odds_against) - self.clip, 0.0))
        odds = rising - falling + (self.gamma_positive - 1) * (surprise + x)
        return np.asarray(np.clip(odds, -FURTHEST, FURTHEST), dtype=np.float64)

    def _log_negative_slope(self, shown: Floats) -> Floats:
        """Return the logarithm of the slope of -q^g ln(1 - q) in q = `shown`; -inf where the clip makes q zero."""
        # q stays below 1 by the smallest step of float64, so that ln(1 - q) is finite.
        gamma, log_rest = self.gamma_negative, np.log1p(-np.minimum(shown, 1 - 1e-16))
        if gamma == 0:
            return np.where((shown > 0) | (self.clip == 0), -log_rest, -np.inf)
        # d/dq of -q^g ln(1 - q) is q^(g - 1) (q / (1 - q) - g ln(1 - q)); the power is added as a logarithm.
        slope = np.log(shown / np.maximum(1 - shown, 1e-16) - gamma * log_rest)
        if gamma != 1:
            slope += (gamma - 1) * np.where(shown > 0, np.log(shown), 0.0)
        return np.asarray(slope, dtype=np.float64)


@dataclass(frozen=True)
class LogitAdjustedLoss:
    """Cross-entropy of z + offset, where the offset is the label's prior, so that z is a logit for balanced data.

    Attributes
    ----------
    offset : ndarray of float, shape (L,)
        temper * ln(prevalence / (1 - prevalence)) (Menon et al. 2021).
    """

    proper: ClassVar[bool] = True
    offset: Floats

    def log_odds(self, z: Floats) -> Floats:
        """Return corrected log-odds: z + offset."""
        return np.asarray(z + self.offset, dtype=np.float64)


@dataclass(frozen=True)
class SmoothedLoss:
    """Cross-entropy with targets s / 2 and 1 - s / 2 instead of 0 and 1 (Szegedy et al. 2016).

    Attributes
    ----------
    smoothing : float in [0, 0.5]
        s. Probabilities beyond the targets are clipped, so the rarest labels are hardly ranked with a large s.
    """

    proper: ClassVar[bool] = False
    smoothing: float

    def log_odds(self, z: Floats) -> Floats:
        """Return the log-odds of p, where the smoothed probability is p (1 - s) + s / 2."""
        x = np.clip(np.asarray(z, dtype=np.float64), -FURTHEST, FURTHEST)
        edge, least = self.smoothing / 2, np.exp(-FURTHEST)
        shown = np.log(np.maximum(expit(x) - edge, least)) - np.log(np.maximum(expit(-x) - edge, least))
        return np.asarray(np.clip(shown, -FURTHEST, FURTHEST), dtype=np.float64)


@dataclass(frozen=True)
class DistributionBalancedLoss:
    """Cross-entropy of z - offset with tolerant negatives, rebalanced for labels on the same row (Wu et al. 2020).

    A label's weight on a row is alpha + expit(beta (r - mu)). Its share r of the row's rarity is 1 / n_k over the sum
    of 1 / n_j of the row's labels. An empty row has no such share, and its weights are 1.

    Attributes
    ----------
    count : ndarray of float > 0, shape (L,)
        Positives of each label.
    offset : ndarray of float, shape (L,)
        kappa * ln((1 - prevalence) / prevalence).
    tolerance : float >= 1
        lambda in the paper: factor of a negative's logit, which gives easy negatives smaller gradients.
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
        """Return log-odds corrected for offset and tolerance."""
        # The rebalancing depends on a row's other labels, so no function of one logit can correct it.
        u = z - self.offset
        return np.asarray(np.logaddexp(0, u) - np.logaddexp(0, -self.tolerance * u), dtype=np.float64)


@dataclass(frozen=True)
class SoftmaxLoss:
    """Cross-entropy of softmax shares with targets 1 / k for a row's k labels; the loss of an empty row is 0.

    Attributes
    ----------
    cardinality : float > 0
        Mean number of labels per row.
    """

    proper: ClassVar[bool] = False
    cardinality: float

    def log_odds(self, z: Floats) -> Floats:
        """Return the log-odds of the mean number of labels times each label's share."""
        # This product may reach 1, where log-odds are infinite; the bound keeps them below 17.
        share = np.minimum(np.log(self.cardinality) + log_softmax(z, axis=1), -1e-7)
        return np.asarray(share - np.log(-np.expm1(share)), dtype=np.float64)


Loss = (
    WeightedLoss
    | FocalLoss
    | AsymmetricLoss
    | LogitAdjustedLoss
    | SmoothedLoss
    | DistributionBalancedLoss
    | SoftmaxLoss
)

KINDS: dict[str, type[Any]] = {
    "weighted": WeightedLoss,
    "focal": FocalLoss,
    "asymmetric": AsymmetricLoss,
    "logit_adjusted": LogitAdjustedLoss,
    "smoothed": SmoothedLoss,
    "distribution_balanced": DistributionBalancedLoss,
    "softmax": SoftmaxLoss,
}


def loss_to_json(loss: Loss) -> dict[str, Any]:
    """Return plain data from which `loss_from_json` makes an equal loss."""
    kind = next(name for name, known in KINDS.items() if isinstance(loss, known))
    return {"kind": kind, **{f.name: np.asarray(getattr(loss, f.name)).tolist() for f in fields(loss)}}


def loss_from_json(body: Mapping[str, Any], n_labels: int) -> Loss:
    """Make a loss from what `loss_to_json` returned; refuse what does not fit `n_labels` labels."""
    kind = KINDS.get(str(body.get("kind"))) if isinstance(body, Mapping) else None
    names = set() if kind is None else {f.name for f in fields(kind)}
    # The file may be from elsewhere: a missing or an additional field is refused, not ignored.
    if kind is None or names != set(body) - {"kind"}:
        raise ConfigError(f"`loss` must be one that was saved. Received {body!r}.")
    values: dict[str, Any] = {name: as_numbers(body[name]) for name in names}
    shapes = {"weights": (n_labels, 2), "alpha": (n_labels,), "offset": (n_labels,), "count": (n_labels,)}
    for name, value in values.items():
        # The alpha of the distribution-balanced loss is one number, that of focal loss one per label.
        is_single = kind is DistributionBalancedLoss and name == "alpha"
        low, high = (0.0, 100.0) if is_single else BOUNDS[name]
        fits = value is not None and value.shape == (() if is_single else shapes.get(name, ()))
        # Negated, so that a NaN is refused as well.
        if not fits or not ((value >= low) & (value <= high)).all():
            raise ConfigError(f"`loss.{name}` must be what was saved for {n_labels} labels. Received {body[name]!r}.")
    loss: Loss = kind(**{name: float(value) if value.ndim == 0 else value for name, value in values.items()})
    return loss


BOUNDS: dict[str, tuple[float, float]] = {
    "weights": (1e-9, 1e9),
    "gamma": (0.0, 100.0),
    "alpha": (1e-9, 1 - 1e-9),
    "gamma_negative": (0.0, 100.0),
    "gamma_positive": (0.0, 100.0),
    "clip": (0.0, 0.5),
    "smoothing": (0.0, 0.5),
    "offset": (-1e4, 1e4),
    "count": (1.0, 1e15),
    "tolerance": (1.0, 100.0),
    "beta": (0.0, 100.0),
    "mu": (0.0, 100.0),
    "cardinality": (1e-9, 1e9),
}
"""Range of each saved number, so that no prediction is NaN."""
