"""The option `gate_recall`: the recall of each label that the gate threshold has to keep."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from cascade.errors import ConfigError
from cascade.utils.checks import is_number
from cascade.utils.types import Floats

GateRecallOption = float | Mapping[str, float]

DEFAULT_RECALL = 0.95
"""Recall of the labels that a mapping does not name."""


def check_gate_recall(gate_recall: Any) -> None:
    """Raise an error if `gate_recall` is neither a recall nor a mapping to recalls."""
    if not isinstance(gate_recall, Mapping):
        if not (is_number(gate_recall) and 0 < gate_recall <= 1):
            raise ConfigError(
                f"`gate_recall` must be a number in (0, 1], or map label names to numbers. Received {gate_recall!r}."
            )
        return
    for value in gate_recall.values():
        if not (is_number(value) and 0 <= value <= 1):
            raise ConfigError(f"`gate_recall` must map label names to numbers in [0, 1]. Received {value!r}.")


def gate_recalls(gate_recall: GateRecallOption, names: Sequence[str]) -> Floats:
    """Return the validated recall of each label that the gate threshold has to keep, shape (L,).

    Parameters
    ----------
    gate_recall : float in (0, 1], or mapping from label name to float in [0, 1]
        A mapping may name any column, also `any`. Labels that it does not name keep 0.95. A label with 0 has no
        influence on the threshold.
    names : sequence of str, length L

    Raises
    ------
    ConfigError
        If a name is no label, a recall is out of range, or no label has a recall above 0.

    Examples
    --------
    >>> gate_recalls({"dent": 0}, ["crack", "dent"]).tolist()
    [0.95, 0.0]
    """
    check_gate_recall(gate_recall)
    if not isinstance(gate_recall, Mapping):
        return np.full(len(names), float(gate_recall))
    unknown = sorted(set(gate_recall) - set(names), key=str)
    if unknown:
        raise ConfigError(f"`gate_recall` must name labels of {list(names)}. Received {unknown[0]!r}.")
    recalls = np.array([gate_recall.get(name, DEFAULT_RECALL) for name in names], dtype=np.float64)
    if not recalls.any():
        raise ConfigError(f"`gate_recall` must be above 0 for at least one label. Received {dict(gate_recall)!r}.")
    return recalls
