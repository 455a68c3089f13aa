"""Thresholds that a caller gives instead of the fitted ones."""

from __future__ import annotations

import warnings
from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike

from cascade.errors import ConfigError
from cascade.rules.rules import Rules
from cascade.rules.thresholds.certificate import Certificate
from cascade.utils.checks import is_number
from cascade.utils.types import Floats

Thresholds = ArrayLike | Mapping[str, float] | None


def fitted_threshold(given: float | None, rules: Rules, certificate: Certificate | None) -> float:
    """Threshold on the gate's probability as fitted, so that an adapted cascade examines the very same rows.

    Parameters
    ----------
    given : float or None
        On the probability where the model is used; None for the fitted threshold.
    rules : Rules
    certificate : Certificate or None

    Raises
    ------
    ConfigError
        If it is no probability, or lower than the labeler can follow.
    """
    if given is None:
        return rules.gate_threshold
    if not (is_number(given) and 0 <= given <= 1):
        raise ConfigError(f"`gate_threshold` must lie between 0 and 1. Received {given!r}.")
    threshold = given if rules.shift is None else rules.shift.undo(given)
    if rules.negative_pool == "gated" and threshold < rules.gate_threshold:
        raise ConfigError(
            f"`gate_threshold` must be at least {rules.served_threshold:.6g}: the labeler was trained on rows past it "
            f"(negative_pool='gated'). Received {given:.6g}."
        )
    if certificate is not None and not certificate.holds_at(threshold):
        certified = float(rules.served(np.array(certificate.threshold)))
        warnings.warn(
            f"`gate_threshold` {given:.6g} is above the certified {certified:.6g}: the gate's certificate does not "
            "hold for these predictions.",
            stacklevel=4,
        )
    return threshold


def decision_limits(given: Thresholds, rules: Rules) -> Floats:
    """Decision thresholds (L,): those fitted, with those given in their place.

    Raises
    ------
    ConfigError
        If they are not one number, one a label, or a mapping from labels.
    """
    if given is None:
        return rules.thresholds
    if isinstance(given, Mapping):
        unknown = sorted(set(given) - set(rules.label_names))
        if unknown:
            raise ConfigError(f"`thresholds` must name labels of {list(rules.label_names)}. Received {unknown[0]!r}.")
        given = [given.get(label, own) for label, own in zip(rules.label_names, rules.thresholds, strict=True)]
    wrong = [value for value in np.ravel(np.asarray(given, dtype=object)) if not is_number(value) or value < 0]
    if wrong:
        raise ConfigError(f"`thresholds` must be numbers of 0 or more; above 1 is never. Received {wrong[0]!r}.")
    values, n_labels = np.asarray(given, dtype=np.float64), len(rules.label_names)
    if values.ndim and values.shape != (n_labels,):
        raise ConfigError(f"`thresholds` must have one value per label ({n_labels}). Received {values.size}.")
    return np.broadcast_to(values, (n_labels,)).copy()
