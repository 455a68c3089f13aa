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
    # Compared where the model is used: undoing a prior shift rounds, and would refuse the model's own threshold.
    if rules.negative_pool == "gated" and given < rules.served_threshold:
        raise ConfigError(
            f"`gate_threshold` must be at least {rules.served_threshold!r}: the labeler was trained on rows past it "
            f"(negative_pool='gated'). Received {float(given)!r}."
        )
    certified = None if certificate is None else float(rules.served(np.array(certificate.threshold)))
    if certified is not None and given > certified:
        warnings.warn(
            f"`gate_threshold` {float(given)!r} is above the certified {certified!r}: the gate's certificate does not "
            "hold for these predictions.",
            stacklevel=4,
        )
    return _as_fitted(float(given), rules)


def _as_fitted(given: float, rules: Rules) -> float:
    """Return a threshold on the scale before a prior shift, on the same side of the fitted one as it was given."""
    if given == rules.served_threshold or rules.shift is None:
        return rules.gate_threshold if given == rules.served_threshold else given
    threshold = rules.shift.undo(given)
    nearest = max if given > rules.served_threshold else min
    return nearest(threshold, rules.gate_threshold)


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
