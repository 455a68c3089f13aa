"""From a user's words to a loss for a given label matrix."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from cascade.data.label_matrix import LabelMatrix
from cascade.errors import ConfigError
from cascade.estimators.label_weights import METHODS, label_weights
from cascade.estimators.losses import (
    AsymmetricLoss,
    DistributionBalancedLoss,
    FocalLoss,
    LogitAdjustedLoss,
    Loss,
    SoftmaxLoss,
    WeightedLoss,
)
from cascade.utils.checks import as_numbers, is_number
from cascade.utils.types import Floats

LossOption = str | Mapping[str, Any]

DEFAULTS: dict[str, dict[str, Any]] = {
    "bce": {},
    "weighted": {"weights": None, "method": "balanced", "temper": 1.0, "beta": 0.9999, "importance": None},
    "focal": {"gamma": 2.0, "alpha": 0.5},
    "asymmetric": {"gamma_negative": 4.0, "gamma_positive": 1.0, "clip": 0.05},
    "logit_adjusted": {"temper": 1.0},
    "distribution_balanced": {"kappa": 0.05, "tolerance": 2.0, "alpha": 0.1, "beta": 10.0, "mu": 0.2},
    "softmax": {},
}
"""Options of each kind. Focal loss has no tilt (its paper's alpha of 0.25 belongs to its own data); the others are what
their authors' code uses."""


RANGES: dict[str, tuple[float, float]] = {
    "temper": (0.0, 1.0),
    "gamma": (0.0, 100.0),
    "gamma_negative": (0.0, 100.0),
    "gamma_positive": (0.0, 100.0),
    "clip": (0.0, 0.5),
    "kappa": (0.0, 100.0),
    "tolerance": (1.0, 100.0),
    "alpha": (0.0, 100.0),
    "beta": (0.0, 100.0),
    "mu": (0.0, 100.0),
}


def check_loss(option: Any) -> tuple[str, dict[str, Any]]:
    """Take a loss option apart into its kind and all of its options, or refuse it."""
    given = {"kind": option} if isinstance(option, str) else option
    kind = given.get("kind") if isinstance(given, Mapping) else None
    if not isinstance(kind, str) or kind not in DEFAULTS:
        raise ConfigError(
            f"`loss` must be one of {sorted(DEFAULTS)}, or a mapping with its `kind`. Received {option!r}."
        )
    own = {name: value for name, value in given.items() if name != "kind"}
    unknown = sorted(set(own) - set(DEFAULTS[kind]), key=str)
    if unknown:
        raise ConfigError(f"`loss` {kind!r} must have options of {sorted(DEFAULTS[kind])}. Received {unknown[0]!r}.")
    if own.get("weights") is not None and len(own) > 1:
        raise ConfigError(f"`loss.weights` must stand alone: it says all. Received {sorted(own)} as well.")
    options = {**DEFAULTS[kind], **own}
    for name, value in options.items():
        _check_option(kind, name, value)
    return kind, options


def _check_option(kind: str, name: str, value: Any) -> None:
    if (kind, name) in ARRAYS:
        rule, holds = ARRAYS[kind, name]
        array = None if value is None else as_numbers(value)
        if not (name != "alpha" and value is None) and not (array is not None and holds(array)):
            raise ConfigError(f"`loss.{name}` must be {rule}. Received {value!r}.")
    elif name == "method":
        if not isinstance(value, str) or value not in METHODS:
            raise ConfigError(f"`loss.method` must be one of {list(METHODS)}. Received {value!r}.")
    else:
        low, high = (0.0, 1 - 1e-12) if (kind, name) == ("weighted", "beta") else RANGES[name]
        if not (is_number(value) and low <= value <= high):
            raise ConfigError(f"`loss.{name}` must lie in [{low:g}, {high:g}]. Received {value!r}.")
        if name == "gamma_negative" and 0 < value < 1:
            raise ConfigError(
                f"`loss.gamma_negative` must be 0 or at least 1: its slope has no end between. Received {value!r}."
            )


def _positive(array: Floats) -> bool:
    # Weights further apart than this leave nothing of one class in float32.
    return bool(((array > 1e-6) & (array < 1e6)).all())


ARRAYS: dict[tuple[str, str], tuple[str, Callable[[Floats], bool]]] = {
    ("weighted", "weights"): (
        "a negative's and a positive's weight for each label, shape (labels, 2), each positive",
        lambda array: array.ndim == 2 and array.shape[1] == 2 and _positive(array),
    ),
    ("weighted", "importance"): (
        "one positive number per label",
        lambda array: array.ndim == 1 and _positive(array),
    ),
    ("focal", "alpha"): (
        "between 0 and 1, both excluded, as one number or one per label",
        lambda array: array.ndim < 2 and bool(((array > 0) & (array < 1)).all()),
    ),
}
"""Options that are, or may be, arrays: what they must be."""


def make_loss(option: LossOption, labels: LabelMatrix) -> Loss:
    """Make the loss that `option` names for some labels.

    Parameters
    ----------
    option : str or mapping
        A kind, or {"kind": kind, option: value}; see `DEFAULTS`.
    labels : LabelMatrix
        Of n rows and L labels. Only the counts of known entries are used.

    Examples
    --------
    >>> Y = np.array([[1, 0], [0, 0], [0, 0], [0, 1]], np.uint8)
    >>> make_loss({"kind": "weighted", "temper": 0.5}, LabelMatrix(Y)).weights.round(3).tolist()
    [[0.845, 1.464], [0.845, 1.464]]
    """
    kind, options = check_loss(option)
    n, n_labels = labels.rows_per_label(), labels.shape[1]
    count = np.asarray(labels.values.sum(axis=0), dtype=np.float64).ravel()
    # Half a row more on either side keeps the prior of a label that never, or always, occurs finite.
    prior = np.log((count + 0.5) / (n - count + 0.5))
    if kind == "bce":
        return WeightedLoss(np.ones((n_labels, 2)))
    if kind == "weighted":
        given = options.pop("weights")
        return WeightedLoss(label_weights(labels, **options) if given is None else _given_weights(given, n_labels))
    if kind == "focal":
        return FocalLoss(float(options["gamma"]), _per_label(options["alpha"], n_labels))
    if kind == "asymmetric":
        return AsymmetricLoss(**options)
    if kind == "logit_adjusted":
        return LogitAdjustedLoss(options["temper"] * prior)
    if kind == "softmax":
        return SoftmaxLoss(float(max(count.sum(), 1) / max(len(labels), 1)))
    kappa = options.pop("kappa")
    return DistributionBalancedLoss(np.maximum(count, 1.0), -kappa * prior, **options)


def _given_weights(given: Any, n_labels: int) -> Floats:
    weights = np.asarray(given, dtype=np.float64)
    if len(weights) != n_labels:
        raise ConfigError(f"`loss.weights` must have one pair per label ({n_labels}). Received {len(weights)}.")
    return weights


def _per_label(alpha: Any, n_labels: int) -> Floats:
    values = np.asarray(alpha, dtype=np.float64)
    if values.shape not in ((), (n_labels,)):
        raise ConfigError(f"`loss.alpha` must be one number, or one per label ({n_labels}). Received {alpha!r}.")
    return np.broadcast_to(values, (n_labels,)).copy()
