"""Make a loss for a label matrix from a user's option."""

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
    SmoothedLoss,
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
    "smoothed": {"smoothing": 0.1},
    "distribution_balanced": {"kappa": 0.05, "tolerance": 2.0, "alpha": 0.1, "beta": 10.0, "mu": 0.2},
    "softmax": {},
}
"""Options of each kind. Focal loss treats both classes alike, since its paper's alpha of 0.25 was tuned on the paper's
data. The other defaults are those of the authors' code."""


RANGES: dict[str, tuple[float, float]] = {
    "temper": (0.0, 1.0),
    "gamma": (0.0, 100.0),
    "gamma_negative": (0.0, 100.0),
    "gamma_positive": (0.0, 100.0),
    "clip": (0.0, 0.5),
    "smoothing": (0.0, 0.5),
    "kappa": (0.0, 100.0),
    "tolerance": (1.0, 100.0),
    "alpha": (0.0, 100.0),
    "beta": (0.0, 100.0),
    "mu": (0.0, 100.0),
}


def check_loss(option: Any) -> tuple[str, dict[str, Any]]:
    """Validate a loss option; return its kind and all of its options."""
    mapping = {"kind": option} if isinstance(option, str) else option
    kind = mapping.get("kind") if isinstance(mapping, Mapping) else None
    if not isinstance(kind, str) or kind not in DEFAULTS:
        raise ConfigError(
            f"`loss` must be one of {sorted(DEFAULTS)}, or a mapping with its `kind`. Received {option!r}."
        )
    given = {name: value for name, value in mapping.items() if name != "kind"}
    # Keys of a config may be of any type, which cannot be sorted without `key`.
    unknown = sorted(set(given) - set(DEFAULTS[kind]), key=str)
    if unknown:
        raise ConfigError(f"`loss` {kind!r} must have options of {sorted(DEFAULTS[kind])}. Received {unknown[0]!r}.")
    if given.get("weights") is not None and len(given) > 1:
        raise ConfigError(f"`loss.weights` must be the only option, as it gives all weights. Received {sorted(given)}.")
    options = {**DEFAULTS[kind], **given}
    for name, value in options.items():
        _check_option(kind, name, value)
    return kind, options


def _check_option(kind: str, name: str, value: Any) -> None:
    if (kind, name) in ARRAYS:
        rule, holds = ARRAYS[kind, name]
        # None is the default of `weights` and `importance`; `alpha` needs numbers.
        array = None if value is None else as_numbers(value)
        if not (name != "alpha" and value is None) and not (array is not None and holds(array)):
            raise ConfigError(f"`loss.{name}` must be {rule}. Received {value!r}.")
    elif name == "method":
        if not isinstance(value, str) or value not in METHODS:
            raise ConfigError(f"`loss.method` must be one of {list(METHODS)}. Received {value!r}.")
    else:
        # `beta` has another meaning, and range, in the distribution-balanced loss.
        low, high = (0.0, 1 - 1e-12) if (kind, name) == ("weighted", "beta") else RANGES[name]
        if not (is_number(value) and low <= value <= high):
            raise ConfigError(f"`loss.{name}` must be in [{low:g}, {high:g}]. Received {value!r}.")
        if name == "gamma_negative" and 0 < value < 1:
            raise ConfigError(
                f"`loss.gamma_negative` must be 0, or at least 1 for a finite gradient. Received {value!r}."
            )


def _positive(array: Floats) -> bool:
    # With weights further apart than this, the smaller class vanishes in the rounding of a float32 loss.
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
"""Rule and check of the options that are, or may be, arrays."""


def make_loss(option: LossOption, labels: LabelMatrix) -> Loss:
    """Make the loss of an option, with the counts of some labels.

    Parameters
    ----------
    option : str or mapping
        A kind, or {"kind": kind, option: value}; see `DEFAULTS`.
    labels : LabelMatrix
        Of n rows and L labels. Only known entries are counted.

    Examples
    --------
    >>> Y = np.array([[1, 0], [0, 0], [0, 0], [0, 1]], np.uint8)
    >>> make_loss({"kind": "weighted", "temper": 0.5}, LabelMatrix(Y)).weights.round(3).tolist()
    [[0.845, 1.464], [0.845, 1.464]]
    """
    kind, options = check_loss(option)
    n, n_labels = labels.rows_per_label(), labels.shape[1]
    count = np.asarray(labels.values.sum(axis=0), dtype=np.float64).ravel()
    # Half a row more of each class keeps the prior of a constant label finite.
    prior = np.log((count + 0.5) / (n - count + 0.5))
    if kind == "bce":
        return WeightedLoss(np.ones((n_labels, 2)))
    if kind == "weighted":
        weights = options.pop("weights")
        return WeightedLoss(label_weights(labels, **options) if weights is None else _given_weights(weights, n_labels))
    if kind == "focal":
        return FocalLoss(float(options["gamma"]), _per_label(options["alpha"], n_labels))
    if kind == "asymmetric":
        return AsymmetricLoss(**options)
    if kind == "logit_adjusted":
        return LogitAdjustedLoss(options["temper"] * prior)
    if kind == "smoothed":
        return SmoothedLoss(float(options["smoothing"]))
    if kind == "softmax":
        # The mean number of labels per row turns softmax shares, which sum to 1, into probabilities.
        return SoftmaxLoss(float(max(count.sum(), 1) / max(len(labels), 1)))
    # The loss stores the offset that kappa scales, not kappa itself.
    kappa = options.pop("kappa")
    return DistributionBalancedLoss(np.maximum(count, 1.0), -kappa * prior, **options)


def _given_weights(weights: Any, n_labels: int) -> Floats:
    pairs = np.asarray(weights, dtype=np.float64)
    if len(pairs) != n_labels:
        raise ConfigError(f"`loss.weights` must have one pair per label ({n_labels}). Received {len(pairs)}.")
    return pairs


def _per_label(alpha: Any, n_labels: int) -> Floats:
    values = np.asarray(alpha, dtype=np.float64)
    if values.shape not in ((), (n_labels,)):
        raise ConfigError(f"`loss.alpha` must be one number, or one per label ({n_labels}). Received {alpha!r}.")
    # A broadcast array is read-only, so the loss gets a copy.
    return np.broadcast_to(values, (n_labels,)).copy()
