"""Options of a cascade besides its two models."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from cascade.errors import ConfigError
from cascade.fitting.gate_policy import GatePolicy
from cascade.rules.probability.calibration import check_method
from cascade.rules.probability.merge import FLAT, check_pool
from cascade.rules.probability.stack import check_merge
from cascade.rules.rules import check_coherence
from cascade.rules.thresholds.decisions import DecisionOption, each_decision
from cascade.rules.thresholds.gate_recall import DEFAULT_RECALL, GateRecallOption, gate_recalls

REJECTED = ("gate", "share", "zero")
"""Probabilities of rejected rows: from the gate's label outputs where it has them, the gate's probability times the
label's share among these rows, or 0."""


@dataclass(frozen=True)
class RuleOptions:
    """Options of a cascade's rules; `CascadeClassifier` describes each.

    Attributes
    ----------
    negative_pool, calibration, rejected, coherence, merge : str
    gate_recall : float, or mapping from label name to float
    decision : decision
    label_decisions : mapping from label name to decision, or None
    gate_policy : GatePolicy, or None
    """

    negative_pool: str = "positives"
    calibration: str = "platt"
    gate_recall: GateRecallOption = DEFAULT_RECALL
    decision: DecisionOption = "f1"
    label_decisions: Mapping[str, DecisionOption] | None = None
    coherence: str = "lift"
    rejected: str = "gate"
    gate_policy: GatePolicy | None = None
    merge: str = "stacked"

    def check(self, names: tuple[str, ...]) -> None:
        """Raise an error for an invalid option, before anything is trained."""
        if self.negative_pool == FLAT:
            self._check_flat()
        else:
            check_pool(self.negative_pool)
        check_method(self.calibration)
        check_coherence(self.coherence)
        check_merge(self.merge)
        each_decision(self.decision, self.label_decisions, names)
        gate_recalls(self.gate_recall, names)
        if self.gate_policy is not None and isinstance(self.gate_recall, Mapping):
            raise ConfigError(
                "`gate_recall` must not be a mapping with `gate_policy`, which proves one recall for all labels; omit "
                "one of them."
            )
        if self.rejected not in REJECTED:
            raise ConfigError(f"`rejected` must be one of {list(REJECTED)}. Received {self.rejected!r}.")

    def without_gate(self) -> RuleOptions:
        """Return the options of a model of all rows: there is no pool, and nothing to merge."""
        return replace(self, negative_pool=FLAT, merge="pool")

    def _check_flat(self) -> None:
        if self.gate_policy is not None:
            raise ConfigError("`gate_policy` needs a gate, and `gate` is 'none'; leave `gate_policy` out.")
