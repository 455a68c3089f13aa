"""The losses of `cascade.estimators.losses` for Keras: on logits, and finite on empty rows.

All but softmax have one value per row and label, so `sample_weight` may have one weight per row, or per row and label.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops

from cascade.errors import ConfigError
from cascade.estimators.loss_options import LossOption
from cascade.estimators.losses import (
    AsymmetricLoss,
    DistributionBalancedLoss,
    FocalLoss,
    LogitAdjustedLoss,
    Loss,
    SmoothedLoss,
    SoftmaxLoss,
    WeightedLoss,
)

MOST_FACTORS = 8


class LogitLoss(keras.losses.Loss):  # type: ignore[misc]
    """A loss for training. Networks are saved without it, since inference needs only its numbers.

    Parameters
    ----------
    loss : Loss
    """

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        """Return the weighted mean of the losses; a vector has one weight per row."""
        # Keras would broadcast a vector along the labels, not the rows.
        if sample_weight is not None and not isinstance(self.loss, SoftmaxLoss):
            weight = ops.convert_to_tensor(sample_weight)
            sample_weight = ops.expand_dims(weight, -1) if len(weight.shape) == 1 else weight
        return super().__call__(y_true, y_pred, sample_weight)

    def __init__(self, loss: Loss) -> None:
        super().__init__(name=type(loss).__name__)
        self.loss = loss

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Return losses of shape (batch, L), or (batch,) for softmax."""
        return FORMULAS[type(self.loss)](self.loss, y_true, y_pred)


def training_loss(option: LossOption, loss: Loss, label_weights: bool = False) -> keras.losses.Loss:
    """Return the Keras loss of a loss option.

    Plain cross-entropy is that of Keras. It has only one value per row, so it is not used with one weight per label.
    """
    if label_weights and isinstance(loss, SoftmaxLoss):
        raise ConfigError("`loss` 'softmax' shares a row among all labels; missing or weighted labels need another.")
    is_builtin = option == "bce" and not label_weights
    return keras.losses.BinaryCrossentropy(from_logits=True) if is_builtin else LogitLoss(loss)


def constant(values: Any) -> Any:
    """Return numbers as a float32 tensor, the type to which mixed precision casts logits."""
    return ops.convert_to_tensor(np.asarray(values, dtype=np.float32))


def _weighted(loss: WeightedLoss, y: Any, z: Any) -> Any:
    negative, positive = constant(loss.weights[:, 0]), constant(loss.weights[:, 1])
    return positive * y * ops.softplus(-z) + negative * (1 - y) * ops.softplus(z)


def _focal(loss: FocalLoss, y: Any, z: Any) -> Any:
    alpha = constant(loss.alpha)
    # expit(-z) ** gamma as an exponential, whose gradient is finite everywhere.
    positive = ops.exp(-loss.gamma * ops.softplus(z)) * ops.softplus(-z)
    negative = ops.exp(-loss.gamma * ops.softplus(-z)) * ops.softplus(z)
    return alpha * y * positive + (1 - alpha) * (1 - y) * negative


def _asymmetric(loss: AsymmetricLoss, y: Any, z: Any) -> Any:
    positive = ops.softplus(-z)
    if loss.gamma_positive > 0:
        positive = ops.exp(-loss.gamma_positive * ops.softplus(z)) * positive
    if loss.clip == 0:
        negative = ops.exp(-loss.gamma_negative * ops.softplus(-z)) * ops.softplus(z)
    else:
        # Not in log space as above: the clip is subtracted from the probability itself.
        shown = ops.relu(ops.sigmoid(z) - loss.clip)
        negative = -ops.log1p(-shown)
        if loss.gamma_negative > 0:
            negative = _power(shown, loss.gamma_negative) * negative
    return y * positive + (1 - y) * negative


def _power(x: Any, exponent: float) -> Any:
    """Return x ** exponent."""
    # Products for small whole exponents, which takes a fraction of the time of a power.
    if exponent != round(exponent) or exponent > MOST_FACTORS:
        return ops.power(x, exponent)
    product = x
    for _ in range(round(exponent) - 1):
        product = product * x
    return product


def _logit_adjusted(loss: LogitAdjustedLoss, y: Any, z: Any) -> Any:
    u = z + constant(loss.offset)
    return y * ops.softplus(-u) + (1 - y) * ops.softplus(u)


def _distribution_balanced(loss: DistributionBalancedLoss, y: Any, z: Any) -> Any:
    rarity = constant(1 / loss.count)
    total = ops.sum(y * rarity, axis=-1, keepdims=True)
    # An empty row has a total of 0; both branches of `where` are differentiated, so it must not be divided by.
    filled = ops.where(total > 0, total, ops.ones_like(total))
    weight = loss.alpha + ops.sigmoid(loss.beta * (rarity / filled - loss.mu))
    weight = ops.where(total > 0, weight, ops.ones_like(weight))
    u = z - constant(loss.offset)
    return weight * (y * ops.softplus(-u) + (1 - y) * ops.softplus(loss.tolerance * u) / loss.tolerance)


def _smoothed(loss: SmoothedLoss, y: Any, z: Any) -> Any:
    target = y * (1 - loss.smoothing) + loss.smoothing / 2
    return target * ops.softplus(-z) + (1 - target) * ops.softplus(z)


def _softmax(loss: SoftmaxLoss, y: Any, z: Any) -> Any:
    # An empty row has no targets, so its loss is 0 instead of 0 / 0.
    share = y / ops.maximum(ops.sum(y, axis=-1, keepdims=True), 1)
    return -ops.sum(share * ops.log_softmax(z, axis=-1), axis=-1)


FORMULAS: dict[type[Any], Any] = {
    WeightedLoss: _weighted,
    FocalLoss: _focal,
    AsymmetricLoss: _asymmetric,
    LogitAdjustedLoss: _logit_adjusted,
    SmoothedLoss: _smoothed,
    DistributionBalancedLoss: _distribution_balanced,
    SoftmaxLoss: _softmax,
}


def refuse_softmax_of_one(loss: Loss, n_outputs: int) -> None:
    """Refuse softmax for a single label, whose share is 1 on every row."""
    if isinstance(loss, SoftmaxLoss) and n_outputs < 2:
        raise ConfigError("`loss` 'softmax' needs two labels or more. Received one.")
