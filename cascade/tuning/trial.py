"""Settings, and what a trial of one found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from cascade.utils.keys import key_of
from cascade.utils.types import Floats

FLAT, CASCADE, EXIT = "flat", "cascade", "exit"
"""Kinds of models: without a gate, with a gate of its own, and with an exit of the labeler's network as gate."""

Values = dict[str, Any]
"""Values by config key; plain data."""


@dataclass(frozen=True)
class Setting:
    """What a trial fits, and the values that it changes in the config.

    Attributes
    ----------
    kind : {"flat", "cascade", "exit"}
    values : dict
        Values by config key.
    """

    kind: str
    values: Values

    @property
    def key(self) -> str:
        """A key by which equal settings are recognised, whatever the order of their values."""
        return key_of(self.kind, self.values)


@dataclass(frozen=True)
class Judgement:
    """Figures of a fitted model on rows that it was not fitted on.

    Attributes
    ----------
    quality : float
        The metric, mean over the parts of judged rows.
    draws : ndarray of float, shape (D,)
        The same in bootstrap draws of groups. The draws of all models are of the same groups, so they are paired.
    operations : float
        Arithmetic per row: of the gate, and of the labeler times the share of rows that pass.
    passed : float
        Share of rows past the gate.
    recalls : ndarray of float, shape (L,)
        Recall of each label at the gate; NaN for a label without positives.
    """

    quality: float
    draws: Floats
    operations: float
    passed: float
    recalls: Floats

    @property
    def lowest_recall(self) -> float:
        """Recall at the gate of the label that loses most there; NaN if no label has positives."""
        return float(np.nanmin(self.recalls)) if np.isfinite(self.recalls).any() else float("nan")


@dataclass(frozen=True)
class Trial:
    """A finished trial.

    Attributes
    ----------
    number : int
        From 0, without gaps.
    setting : Setting
    judgement : Judgement or None
        None where the trial was pruned.
    first : Judgement or None
        Of a cascade, with a labeler of all rows: what is known before the labeler is fitted on its own pool.
    pruned : str or None
        Why the trial ended early.
    seconds : float
    """

    number: int
    setting: Setting
    judgement: Judgement | None
    first: Judgement | None = None
    pruned: str | None = None
    seconds: float = 0.0
