"""Rules of the gate alone: its calibration, and the threshold from which rows are examined."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from cascade.data.label_matrix import LabelMatrix
from cascade.data.labels import Labels
from cascade.data.missing import Known
from cascade.data.splits import group_numbers
from cascade.fitting.options import RuleOptions
from cascade.fitting.training_set import TrainingSet
from cascade.rules.probability.calibration import AnyCalibration, calibrated_proba, fit_calibration
from cascade.rules.probability.merge import FLAT
from cascade.rules.thresholds.gate_costs import GateCosts
from cascade.rules.thresholds.gate_recall import gate_recalls
from cascade.rules.thresholds.gate_threshold import GateThreshold, certified_threshold, gate_threshold, no_threshold
from cascade.utils.types import Floats, Mask, Rows


@dataclass(frozen=True)
class HeldOut:
    """Rows of natural prevalence, with the log-odds of a gate that has not seen them.

    Attributes
    ----------
    labels : LabelMatrix
        Dense, n rows and L labels.
    weight : ndarray of float, shape (n,)
    group : ndarray of int, shape (n,)
        Number of each row's group; without groups each row is one.
    gate_z : ndarray of float, shape (n,)
        The gate's log-odds.
    gate_label_z : ndarray of float, shape (n, K) or (n, 0)
        The gate's log-odds of the learned labels; without columns where it predicts `any` alone.
    any_known : ndarray of bool, shape (n,), or None
        Rows whose gate target would be known whatever its value. Only among these rows does `any` have its natural
        prevalence. None where all are.
    """

    labels: LabelMatrix
    weight: Floats
    group: Rows
    gate_z: Floats
    gate_label_z: Floats
    any_known: Mask | None = None

    @classmethod
    def of(cls, examples: TrainingSet, rows: Rows, outputs: Floats) -> HeldOut:
        """Select `rows` of the examples; `outputs` (n, G) are the gate's log-odds, `any` first."""
        weight = np.ones(len(rows)) if examples.weight is None else examples.weight[rows]
        groups = None if examples.groups is None else examples.groups[rows]
        group = group_numbers(groups, len(rows))
        return cls(examples.labels.part(rows), weight, group, outputs[:, 0], outputs[:, 1:], examples.any_known(rows))

    @property
    def Y(self) -> Labels:
        """Labels as 0/1, shape (n, L); 0 where not known."""
        return self.labels.values

    @property
    def known(self) -> Known:
        """Which labels are known, bool of shape (n, L); None where all are."""
        return self.labels.known


@dataclass(frozen=True)
class GateRules:
    """Calibration and threshold of a gate.

    Attributes
    ----------
    calibration : Calibration or IsotonicCalibration
    threshold : GateThreshold
    """

    calibration: AnyCalibration
    threshold: GateThreshold

    def proba(self, gate_z: Floats) -> Floats:
        """Return the calibrated p(a | x) from log-odds; float of shape (n,)."""
        return calibrated_proba(self.calibration, gate_z)

    def costs(self, held: HeldOut, names: tuple[str, ...]) -> GateCosts:
        """Return what each label costs at the gate, on the held-out rows."""
        return self.threshold.costs(names, self.proba(held.gate_z), held.weight)

    def certified_at(self, highest: Floats, certifying: Floats, held: HeldOut, recall: float) -> GateRules:
        """Return the same rules at the lowest of the labels' certified thresholds (L,), or at 0.5 if that is lower.

        `certifying` are the gate's probabilities of the rows of the certificate.
        """
        # A certificate covers every lower threshold, so the upper limit keeps the claim.
        threshold = certified_threshold(highest, certifying, self.proba(held.gate_z), held.Y, recall)
        return replace(self, threshold=threshold)


def fit_gate_rules(
    held: HeldOut, rule_options: RuleOptions, names: tuple[str, ...], any_index: int | None
) -> GateRules:
    """Calibrate the gate and choose its threshold."""
    target = LabelMatrix(held.Y.max(axis=1, keepdims=True))
    if held.any_known is not None:
        # Rows known only for a positive have a target because of it; counting them would raise the prevalence.
        any_known = held.any_known[:, None]
        target = LabelMatrix(target.values * any_known, any_known)
    calibration = fit_calibration(held.gate_z[:, None], target, held.weight, rule_options.calibration)
    if rule_options.negative_pool == FLAT:
        return GateRules(calibration, no_threshold(held.Y))
    gate = calibrated_proba(calibration, held.gate_z)
    # On calibrated probabilities: on others the upper limit of 0.5 would have no meaning.
    wanted = gate_recalls(rule_options.gate_recall, names)
    threshold = gate_threshold(gate, held.Y, wanted, held.weight, held.group, any_index)
    return GateRules(calibration, threshold)
