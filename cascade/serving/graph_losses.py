"""Logits to log-odds inside a graph: the corrections of `cascade.estimators.losses`, in operations that ONNX has.

ONNX has neither log1p nor expm1. In float64 the difference is far below the rounding of a network's float32.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from cascade.estimators.losses import (
    FURTHEST,
    AsymmetricLoss,
    DistributionBalancedLoss,
    FocalLoss,
    LogitAdjustedLoss,
    SmoothedLoss,
    SoftmaxLoss,
    WeightedLoss,
)


def corrected(estimator: Any, logits: Any) -> Any:
    """Return log-odds in float64, corrected for the loss and for sampling."""
    loss, z = estimator.loss_, tf.cast(logits, tf.float64)
    return CORRECTIONS[type(loss)](loss, z) + tf.constant(np.asarray(estimator.sampling_shift_, dtype=np.float64))


def _weighted(loss: WeightedLoss, z: Any) -> Any:
    return z - np.log(loss.weights[:, 1] / loss.weights[:, 0])


def _logit_adjusted(loss: LogitAdjustedLoss, z: Any) -> Any:
    return z + loss.offset


def _smoothed(loss: SmoothedLoss, z: Any) -> Any:
    x = tf.clip_by_value(z, -FURTHEST, FURTHEST)
    edge, least = loss.smoothing / 2, np.exp(-FURTHEST)
    odds_for, odds_against = (tf.maximum(tf.sigmoid(side) - edge, least) for side in (x, -x))
    return tf.clip_by_value(tf.math.log(odds_for) - tf.math.log(odds_against), -FURTHEST, FURTHEST)


def _focal(loss: FocalLoss, z: Any) -> Any:
    x = tf.clip_by_value(z, -FURTHEST, FURTHEST)
    # Slopes of the loss of a positive and of a negative, without their powers of p and 1 - p: those give the term in x.
    falling = loss.gamma * tf.math.softplus(-x) + tf.exp(-x)
    rising = loss.gamma * tf.math.softplus(x) + tf.exp(x)
    odds = (loss.gamma - 1) * x + tf.math.log(rising) - tf.math.log(falling)
    return odds - np.log(loss.alpha / (1 - loss.alpha))


def _asymmetric(loss: AsymmetricLoss, z: Any) -> Any:
    x = tf.clip_by_value(z, -FURTHEST, FURTHEST)
    falling = tf.math.log(loss.gamma_positive * tf.math.softplus(-x) + tf.exp(-x))
    # Below the clip the loss is flat: 1e-300 keeps the logarithm finite, and `rising` is replaced further down.
    shown = tf.maximum(tf.sigmoid(x) - loss.clip, 1e-300)
    # The largest float64 below 1 keeps this logarithm finite.
    log_rest = tf.math.log(1 - tf.minimum(shown, 1 - 1e-16))
    gamma = loss.gamma_negative
    rising = -log_rest
    if gamma > 0:
        rising = tf.math.log(shown * tf.exp(-log_rest) - gamma * log_rest) + (gamma - 1) * tf.math.log(shown)
    if loss.clip > 0:
        # Far enough below that the clipping of `odds` ends at the lower bound, whatever `falling` is.
        rising = tf.where(shown > 1e-300, rising, tf.constant(-4 * FURTHEST, tf.float64))
    odds = rising - falling + (loss.gamma_positive - 1) * tf.math.softplus(x)
    return tf.clip_by_value(odds, -FURTHEST, FURTHEST)


def _distribution_balanced(loss: DistributionBalancedLoss, z: Any) -> Any:
    u = z - loss.offset
    return tf.math.softplus(u) - tf.math.softplus(-loss.tolerance * u)


def _softmax(loss: SoftmaxLoss, z: Any) -> Any:
    # Cardinality times share may reach 1, whose log-odds are infinite.
    share = tf.minimum(np.log(loss.cardinality) + tf.nn.log_softmax(z, axis=1), -1e-7)
    return share - tf.math.log(1 - tf.exp(share))


CORRECTIONS: dict[type[Any], Callable[[Any, Any], Any]] = {
    WeightedLoss: _weighted,
    LogitAdjustedLoss: _logit_adjusted,
    SmoothedLoss: _smoothed,
    FocalLoss: _focal,
    AsymmetricLoss: _asymmetric,
    DistributionBalancedLoss: _distribution_balanced,
    SoftmaxLoss: _softmax,
}
