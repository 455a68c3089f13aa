"""A guarantee wanted of the gate: how much recall, how surely, and on which rows it is proven."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import fields as fields_of
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from cascade.data.splits import random_groups
from cascade.errors import ConfigError
from cascade.fitting.training_set import TrainingSet
from cascade.rules.thresholds.certificate import Certificate, Claim, check_provable
from cascade.rules.thresholds.certify import certify
from cascade.utils.checks import is_number
from cascade.utils.types import Floats, Rows


@dataclass(frozen=True)
class GatePolicy:
    """What `gate_policy` asks for.

    Attributes
    ----------
    recall, confidence : float in (0, 1)
    claim : {"joint", "per_label"}
        One statement on all certified labels, or a bound for each that hold at once.
    accept_bound : bool
        Go on where a label has too few positives to prove the recall; False refuses, with the table.
    size : float in (0, 1)
        Share of the rows, whole groups, kept apart from everything else to prove it on.
    """

    recall: float = 0.95
    confidence: float = 0.95
    claim: Claim = "joint"
    accept_bound: bool = False
    size: float = 0.2

    @classmethod
    def read(cls, given: Mapping[str, Any] | GatePolicy | None) -> GatePolicy | None:
        """Check what a user gave."""
        if given is None or isinstance(given, GatePolicy):
            policy = given
        elif not isinstance(given, Mapping):
            raise ConfigError(f"`gate_policy` must be a mapping such as {{'recall': 0.95}}. Received {given!r}.")
        else:
            known = [field.name for field in fields_of(cls)]
            unknown = sorted(set(given) - set(known), key=str)
            if unknown:
                raise ConfigError(f"`gate_policy` must have keys of {known}. Received {unknown[0]!r}.")
            # NumPy's numbers do not go into a manifest.
            policy = cls(
                **{name: value.item() if isinstance(value, np.generic) else value for name, value in given.items()}
            )
        if policy is not None:
            policy._check()
        return policy

    def _check(self) -> None:
        for name in ("recall", "confidence", "size"):
            value = getattr(self, name)
            if not is_number(value):
                raise ConfigError(f"`gate_policy.{name}` must be a number. Received {value!r}.")
        check_provable(self.recall, self.confidence)
        if not isinstance(self.claim, str) or self.claim not in get_args(Claim):
            raise ConfigError(f"`gate_policy.claim` must be 'joint' or 'per_label'. Received {self.claim!r}.")
        if not isinstance(self.accept_bound, bool):
            raise ConfigError(f"`gate_policy.accept_bound` must be true or false. Received {self.accept_bound!r}.")
        if not 0 < self.size < 1:
            raise ConfigError(f"`gate_policy.size` must lie between 0 and 1, both excluded. Received {self.size!r}.")

    def rows(self, examples: TrainingSet, rows: Rows, seed: int) -> NDArray[np.bool_]:
        """Mark those of some rows that are kept apart; refuse now what they cannot prove whatever the gate will be."""
        if examples.weight is not None:
            raise ConfigError("`gate_policy` counts rows as they are; it cannot be had with `sample_weight`.")
        held = random_groups(examples.extra(rows)["groups"], len(rows), self.size, seed)
        # Which labels can be certified follows from counts alone: a gate that passes everything shows it.
        self.certify(np.ones(int(held.sum())), examples, rows[held])
        return held

    def certify(self, gate: Floats, examples: TrainingSet, rows: Rows) -> Certificate:
        """Prove what can be proven on the gate's probabilities of the rows kept apart."""
        groups = None if examples.groups is None else examples.groups[rows]
        return certify(
            gate,
            examples.Y[rows],
            examples.names,
            groups,
            self.recall,
            self.confidence,
            self.claim,
            self.accept_bound,
        )
