"""From a user's words to a loss for a given label matrix."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cascade.errors import ConfigError
from cascade.losses import (
    AsymmetricLoss,
    DistributionBalancedLoss,
    FocalLoss,
    LogitAdjustedLoss,
    Loss,
    SoftmaxLoss,
    WeightedLoss,
)
from cascade.weights import label_weights

Floats = NDArray[np.float64]
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
"""Options of each kind; those of the losses from papers are the papers' own."""


def check_loss(option: Any) -> tuple[str, dict[str, Any]]:
    """Take a loss option apart into its kind and all of its options, or refuse it."""
    given = {"kind": option} if isinstance(option, str) else option
    if not isinstance(given, Mapping) or given.get("kind") not in DEFAULTS:
        raise ConfigError(
            f"`loss` must be one of {sorted(DEFAULTS)}, or a mapping with such a `kind`. Received {option!r}."
        )
    kind = str(given["kind"])
    own = {name: value for name, value in given.items() if name != "kind"}
    unknown = sorted(set(own) - set(DEFAULTS[kind]))
    if unknown:
        raise ConfigError(
            f"`loss` of kind {kind!r} must have options of {sorted(DEFAULTS[kind])}. Received {unknown[0]!r}."
        )
    options = {**DEFAULTS[kind], **own}
    _check_ranges(kind, options)
    return kind, options


def make_loss(option: LossOption, Y: Any) -> Loss:
    """Make the loss that `option` names for labels `Y`.

    Parameters
    ----------
    option : str or mapping
        A kind, or {"kind": kind, option: value}; see `DEFAULTS`.
    Y : ndarray or sparse matrix of 0/1, shape (n, L)
        Gives counts only.

    Examples
    --------
    >>> Y = np.array([[1, 0], [0, 0], [0, 0], [0, 1]], np.uint8)
    >>> make_loss({"kind": "weighted", "temper": 0.5}, Y).weights.round(3).tolist()
    [[0.845, 1.464], [0.845, 1.464]]
    """
    kind, options = check_loss(option)
    n, n_labels = Y.shape
    count = np.asarray(Y.sum(axis=0), dtype=np.float64).ravel()
    # Half a row more on either side keeps the prior of a label that never, or always, occurs finite.
    prior = np.log((count + 0.5) / (n - count + 0.5))
    if kind == "bce":
        return WeightedLoss(np.ones((n_labels, 2)))
    if kind == "weighted":
        given = options.pop("weights")
        return WeightedLoss(label_weights(Y, **options) if given is None else _given_weights(given, n_labels))
    if kind == "focal":
        return FocalLoss(float(options["gamma"]), _per_label(options["alpha"], n_labels))
    if kind == "asymmetric":
        return AsymmetricLoss(**options)
    if kind == "logit_adjusted":
        return LogitAdjustedLoss(options["temper"] * prior)
    if kind == "softmax":
        return SoftmaxLoss(float(max(count.sum(), 1) / max(n, 1)))
    kappa = options.pop("kappa")
    return DistributionBalancedLoss(np.maximum(count, 1.0), -kappa * prior, **options)


def _given_weights(given: Any, n_labels: int) -> Floats:
    weights = np.asarray(given, dtype=np.float64)
    if weights.shape != (n_labels, 2) or not (np.isfinite(weights) & (weights > 0)).all():
        raise ConfigError(
            f"`loss.weights` must be a negative's and a positive's weight per label, shape ({n_labels}, 2), each "
            f"positive. Received {given!r}."
        )
    return weights


def _per_label(alpha: Any, n_labels: int) -> Floats:
    values = np.asarray(alpha, dtype=np.float64)
    if values.shape not in ((), (n_labels,)):
        raise ConfigError(f"`loss.alpha` must be one number, or one per label ({n_labels}). Received {alpha!r}.")
    return np.broadcast_to(values, (n_labels,)).copy()


def _check_ranges(kind: str, options: Mapping[str, Any]) -> None:
    for name, value in options.items():
        if name in ("weights", "method", "importance", "beta") and kind == "weighted":
            continue
        values = np.asarray(value)
        number = values.dtype.kind in "iuf" and bool(np.isfinite(values).all())
        low, high = _range(name)
        if not number or not bool(((values >= low) & (values <= high)).all()):
            raise ConfigError(f"`loss.{name}` must lie in [{low:g}, {high:g}]. Received {value!r}.")
    if kind == "focal" and not ((np.asarray(options["alpha"]) > 0) & (np.asarray(options["alpha"]) < 1)).all():
        raise ConfigError(f"`loss.alpha` must lie between 0 and 1, both excluded. Received {options['alpha']!r}.")
    if kind == "asymmetric" and 0 < options["gamma_negative"] < 1:
        raise ConfigError(
            f"`loss.gamma_negative` must be 0 or at least 1: its slope has no end between. Received "
            f"{options['gamma_negative']!r}."
        )


def _range(name: str) -> tuple[float, float]:
    ranges = {"temper": (0.0, 1.0), "alpha": (0.0, 1.0), "clip": (0.0, 0.5), "tolerance": (1.0, 100.0)}
    return ranges.get(name, (0.0, 100.0))
