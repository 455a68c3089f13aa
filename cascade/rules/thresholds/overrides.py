"""Thresholds that a caller passes instead of the fitted ones."""

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
    """Return the threshold on the gate's probability as fitted, so that an adapted cascade examines the same rows.

    Parameters
    ----------
    given : float or None
        On the probability where the model is used; None for the fitted threshold.
    rules : Rules
    certificate : Certificate or None

    Raises
    ------
    ConfigError
        If it is not a probability, or too low for a labeler that was trained on rows past the gate.

    Warns
    -----
    UserWarning
        If the certificate does not hold at this threshold.
    """
    if given is None:
        return rules.gate_threshold
    if not (is_number(given) and 0 <= given <= 1):
        raise ConfigError(f"`gate_threshold` must lie between 0 and 1. Received {given!r}.")
    # Fitted and certified thresholds are on the scale before a prior shift; the comparisons below need that scale too.
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
    """Return the decision thresholds (L,): the given ones, and the fitted ones for labels that a mapping leaves out.

    Raises
    ------
    ConfigError
        If they are not one number, one per label, or a mapping from label names.
    """
    if given is None:
        return rules.thresholds
    if isinstance(given, Mapping):
        unknown = sorted(set(given) - set(rules.label_names))
        if unknown:
            raise ConfigError(f"`thresholds` must name labels of {list(rules.label_names)}. Received {unknown[0]!r}.")
        given = [given.get(name, fitted) for name, fitted in zip(rules.label_names, rules.thresholds, strict=True)]
    # As objects, since an array of mixed values would turn numbers and booleans into one type before they are checked.
    wrong = [value for value in np.ravel(np.asarray(given, dtype=object)) if not is_number(value) or value < 0]
    if wrong:
        raise ConfigError(f"`thresholds` must be numbers of 0 or more; above 1 is never. Received {wrong[0]!r}.")
    values, n_labels = np.asarray(given, dtype=np.float64), len(rules.label_names)
    if values.ndim and values.shape != (n_labels,):
        raise ConfigError(f"`thresholds` must have one value per label ({n_labels}). Received {values.size}.")
    # Values above 1 are allowed and mean never, as in fitted thresholds. A copy, since a broadcast view is read-only.
    return np.broadcast_to(values, (n_labels,)).copy()
