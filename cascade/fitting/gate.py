"""What is fitted on the gate alone: its calibration, and who is examined."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from cascade.data.labels import Labels
from cascade.data.missing import Known, Mask, known_part
from cascade.data.rows import Rows
from cascade.data.splits import group_numbers
from cascade.fitting.gate_threshold import SUREST_REJECTED, GateThreshold, at_threshold, gate_threshold
from cascade.fitting.options import Wishes
from cascade.fitting.training_set import Examples
from cascade.rules.probability.calibration import AnyCalibration, calibrated_proba, fit_calibration

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class HeldOut:
    """Rows of natural prevalence, and what a gate that has not seen them says.

    Attributes
    ----------
    Y : ndarray of 0/1, shape (n, L)
    weight : ndarray of float, shape (n,)
    group : ndarray of int, shape (n,)
        Number of each row's group; rows without groups are one each.
    gate_z : ndarray of float, shape (n,)
        The gate's log-odds.
    known : ndarray of bool, shape (n, L), or None
        Which labels are known; `Y` is 0 elsewhere.
    settled : ndarray of bool, shape (n,), or None
        Rows of which it is known, whatever the answer, whether they have a label: only among them has `any` its
        natural prevalence. None where all are.
    """

    Y: Labels
    weight: Floats
    group: Rows
    gate_z: Floats
    known: Known = None
    settled: Mask | None = None

    @classmethod
    def of(cls, examples: Examples, rows: Rows, gate_z: Floats) -> HeldOut:
        """Take some rows of the examples."""
        weight = np.ones(len(rows)) if examples.weight is None else examples.weight[rows]
        groups = None if examples.groups is None else examples.groups[rows]
        group = group_numbers(groups, len(rows))
        known = known_part(examples.known, rows)
        return cls(examples.Y[rows], weight, group, gate_z, known, examples.settled(rows))


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
        """Calibrated p(a | x) from log-odds; float of shape (n,)."""
        return calibrated_proba(self.calibration, gate_z)

    def at(self, certified: float, held: HeldOut, recall: float) -> GateRules:
        """Take a certified threshold, lowered to the surest probability that may be rejected, which keeps the claim."""
        value = min(certified, SUREST_REJECTED)
        return replace(self, threshold=at_threshold(value, self.proba(held.gate_z), held.Y, recall))


def fit_gate_rules(held: HeldOut, wishes: Wishes) -> GateRules:
    """Calibrate the gate and choose who is examined."""
    target = held.Y.max(axis=1, keepdims=True)
    settled = None if held.settled is None else held.settled[:, None]
    calibration = fit_calibration(held.gate_z[:, None], target, held.weight, wishes.calibration, settled)
    gate = calibrated_proba(calibration, held.gate_z)
    return GateRules(calibration, gate_threshold(gate, held.Y, wishes.gate_recall, held.weight))
