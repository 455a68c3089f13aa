"""The gate policy: the recall to prove, its confidence, and the rows that are kept apart to prove it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import fields as fields_of
from typing import Any, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cascade.data.splits import random_groups
from cascade.errors import ConfigError
from cascade.fitting.training_set import TrainingSet
from cascade.rules.thresholds.certificate import Certificate, Claim, check_provable
from cascade.rules.thresholds.certify import certified_thresholds, certify
from cascade.utils.checks import is_number
from cascade.utils.types import Floats, Rows


@dataclass(frozen=True)
class GatePolicy:
    """The options of `gate_policy`.

    Attributes
    ----------
    recall, confidence : float in (0, 1)
    claim : {"joint", "per_label"}
        One statement about all certified labels, or a bound for each label, all of which hold at once.
    accept_bound : bool
        Continue where a label has too few positives to prove the recall. False raises an error with the table.
    size : float in (0, 1)
        Share of the rows, in whole groups, that only the proof uses.
    """

    recall: float = 0.95
    confidence: float = 0.95
    claim: Claim = "joint"
    accept_bound: bool = False
    size: float = 0.2

    @classmethod
    def read(cls, given: Mapping[str, Any] | GatePolicy | None) -> GatePolicy | None:
        """Validate the value of the option and return the policy, None without one."""
        if given is None or isinstance(given, GatePolicy):
            policy = given
        elif not isinstance(given, Mapping):
            raise ConfigError(f"`gate_policy` must be a mapping such as {{'recall': 0.95}}. Received {given!r}.")
        else:
            known = [field.name for field in fields_of(cls)]
            unknown = sorted(set(given) - set(known), key=str)
            if unknown:
                raise ConfigError(f"`gate_policy` must have keys of {known}. Received {unknown[0]!r}.")
            # As Python numbers, since the manifest of a saved model is JSON, which has no NumPy types.
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
        """Mark those of `rows` that are kept apart for the proof.

        Raises an error before any training if these rows cannot prove the recall with any gate.
        """
        # The binomial law counts independent units, which weighted rows are not.
        if examples.weight is not None:
            raise ConfigError(
                "`gate_policy` counts rows and cannot be combined with `sample_weight`; omit one of them."
            )
        # At random, not balanced by label like other splits: the proof needs groups drawn like those to come.
        held = random_groups(examples.extra(rows)["groups"], len(rows), self.size, seed)
        # Whether a label can be certified follows from counts alone, so a gate that passes every row shows it.
        self.certify(np.ones(int(held.sum())), examples, rows[held])
        return held

    def certify(self, gate: Floats, examples: TrainingSet, rows: Rows, other_scores: ArrayLike = ()) -> Certificate:
        """Make the certificate from the gate's probabilities of the rows that were kept apart, and of other rows."""
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
            other_scores,
        )

    def thresholds(self, gate: Floats, examples: TrainingSet, rows: Rows) -> Floats:
        """Return the highest threshold that each label's proof allows, shape (L,); the certificate has the lowest."""
        groups = None if examples.groups is None else examples.groups[rows]
        return certified_thresholds(gate, examples.Y[rows], groups, self.recall, self.confidence, self.claim)
