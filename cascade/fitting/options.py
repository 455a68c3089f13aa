"""Options of a cascade besides its two models."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from cascade.errors import ConfigError
from cascade.fitting.gate_policy import GatePolicy
from cascade.rules.probability.calibration import check_method
from cascade.rules.probability.merge import check_pool
from cascade.rules.rules import check_coherence
from cascade.rules.thresholds.decisions import DecisionOption, each_decision

REJECTED = ("share", "zero")
"""Probabilities of rejected rows: the gate's times the label's share among them, or 0."""


@dataclass(frozen=True)
class RuleOptions:
    """Options of a cascade's rules; `CascadeClassifier` describes each.

    Attributes
    ----------
    negative_pool, calibration, rejected, coherence : str
    gate_recall : float
    decision : decision
    label_decisions : mapping from label name to decision, or None
    gate_policy : GatePolicy, or None
    """

    negative_pool: str = "positives"
    calibration: str = "platt"
    gate_recall: float = 0.95
    decision: DecisionOption = "f1"
    label_decisions: Mapping[str, DecisionOption] | None = None
    coherence: str = "lift"
    rejected: str = "share"
    gate_policy: GatePolicy | None = None

    def check(self, names: tuple[str, ...]) -> None:
        """Raise an error for an invalid option, before anything is trained."""
        check_pool(self.negative_pool)
        check_method(self.calibration)
        check_coherence(self.coherence)
        each_decision(self.decision, self.label_decisions, names)
        if not 0 < self.gate_recall <= 1:
            raise ConfigError(f"`gate_recall` must lie in (0, 1]. Received {self.gate_recall}.")
        if self.rejected not in REJECTED:
            raise ConfigError(f"`rejected` must be one of {list(REJECTED)}. Received {self.rejected!r}.")
