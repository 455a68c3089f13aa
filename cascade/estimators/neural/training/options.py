"""Options of the optimisation of a network, beyond epochs, batches and the learning rate."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any, Self

import keras

from cascade.errors import ConfigError
from cascade.estimators.neural.training.precision import PLAIN, PRECISIONS
from cascade.utils.checks import is_number

UNDECAYED = ("bias", "gamma", "beta")
"""Variables without weight decay: offsets and scales have no size that should be small."""


@dataclass(frozen=True)
class TrainingOptions:
    """How a network is optimised.

    Attributes
    ----------
    weight_decay : float >= 0
        Decay of the weights per step, times the learning rate (AdamW [1]_); 0 is Adam.
    warm_up : float >= 0
        Epochs in which the learning rate rises from 0.
    averaging : float in [0, 1)
        Share of the former average in an exponential moving average of the weights, which is updated after each step
        and is the trained network. 0 means no average. It needs `validation_size` 0, since the validation loss is that
        of the last weights.
    frozen_epochs : int >= 0
        Epochs in which only the head is trained, before those in which all layers are: a pretrained trunk is not
        changed by the large gradients of a new head.
    unfrozen_rate : float > 0
        Learning rate of all layers after the frozen epochs, as a share of `learning_rate`. Without frozen epochs it has
        no effect.
    precision : {"float32", "auto", "mixed"}
        Precision in which a network by name is trained. "mixed" computes in bfloat16 and keeps weights and logits in
        float32; "auto" does so where GPU or processor have instructions for it. The trained network is float32.
    tensorboard : str or None
        Folder to which losses, metrics and learning rate of each epoch are written for TensorBoard.

    References
    ----------
    .. [1] Loshchilov & Hutter (2019), Decoupled weight decay regularization, ICLR.

    Examples
    --------
    >>> TrainingOptions.of({"weight_decay": 0.01}).weight_decay
    0.01
    """

    weight_decay: float = 0.0
    warm_up: float = 0.0
    averaging: float = 0.0
    frozen_epochs: int = 0
    unfrozen_rate: float = 0.1
    precision: str = PLAIN
    tensorboard: str | None = None

    @classmethod
    def of(cls, option: Mapping[str, Any] | None) -> Self:
        """Validate a mapping of options; None means the defaults.

        Raises
        ------
        ConfigError
            If an option is not known, or its value is not valid.
        """
        if option is not None and not isinstance(option, Mapping):
            raise ConfigError(f"`training` must be a mapping of options. Received {option!r}.")
        given = dict(option or {})
        known = [field.name for field in fields(cls)]
        unknown = sorted(set(given) - set(known), key=str)
        if unknown:
            raise ConfigError(f"`training` must have options of {known}. Received {unknown[0]!r}.")
        options = cls(**given)
        options._check()
        return options

    def _check(self) -> None:
        rules: list[tuple[str, str, Callable[[Any], bool]]] = [
            ("weight_decay", "a number of 0 or more", lambda value: value >= 0),
            ("warm_up", "a number of epochs of 0 or more", lambda value: value >= 0),
            ("averaging", "a number of 0 or more, and less than 1", lambda value: 0 <= value < 1),
            ("frozen_epochs", "a whole number of 0 or more", lambda value: isinstance(value, int) and value >= 0),
            ("unfrozen_rate", "a positive number", lambda value: value > 0),
        ]
        for name, rule, holds in rules:
            value = getattr(self, name)
            if not (is_number(value) and holds(value)):
                raise ConfigError(f"`training.{name}` must be {rule}. Received {value!r}.")
        if self.precision not in PRECISIONS:
            raise ConfigError(f"`training.precision` must be one of {list(PRECISIONS)}. Received {self.precision!r}.")
        if self.tensorboard is not None and not (isinstance(self.tensorboard, str) and self.tensorboard):
            raise ConfigError(f"`training.tensorboard` must be the path of a folder. Received {self.tensorboard!r}.")

    def schedule(
        self, learning_rate: float, epochs: int, steps_per_epoch: int
    ) -> keras.optimizers.schedules.LearningRateSchedule:
        """Return a learning rate that rises over the warm-up and then falls to zero along a cosine."""
        rising = round(self.warm_up * steps_per_epoch)
        falling = max(epochs * steps_per_epoch - rising, 1)
        cosine = keras.optimizers.schedules.CosineDecay
        return (
            cosine(0.0, falling, warmup_target=learning_rate, warmup_steps=rising)
            if rising
            else cosine(learning_rate, falling)
        )

    def optimizer(self, rate: keras.optimizers.schedules.LearningRateSchedule) -> keras.optimizers.Optimizer:
        """Return the optimizer with a learning rate."""
        average: dict[str, Any] = {"use_ema": True, "ema_momentum": self.averaging} if self.averaging else {}
        if not self.weight_decay:
            return keras.optimizers.Adam(rate, **average)
        optimizer = keras.optimizers.AdamW(rate, weight_decay=self.weight_decay, **average)
        optimizer.exclude_from_weight_decay(var_names=list(UNDECAYED))
        return optimizer
