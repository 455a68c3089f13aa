"""What is fitted on the gate alone: its calibration, and who is examined."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from cascade.calibration import AnyCalibration, fit_calibration
from cascade.examples import Examples
from cascade.gate_threshold import SUREST_REJECTED, GateThreshold, at_threshold, gate_threshold
from cascade.labels import Labels
from cascade.rows import Rows
from cascade.wishes import Wishes

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class HeldOut:
    """Rows of natural prevalence, and what a gate that has not seen them says.

    Attributes
    ----------
    Y : ndarray of 0/1, shape (n, L)
    weight : ndarray of float, shape (n,)
    gate_z : ndarray of float, shape (n,)
        The gate's log-odds.
    """

    Y: Labels
    weight: Floats
    gate_z: Floats

    @classmethod
    def of(cls, examples: Examples, rows: Rows, gate_z: Floats) -> HeldOut:
        """Take some rows of the examples."""
        weight = np.ones(len(rows)) if examples.weight is None else examples.weight[rows]
        return cls(examples.Y[rows], weight, gate_z)


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
        return np.asarray(expit(self.calibration(gate_z[:, None])[:, 0]), dtype=np.float64)

    def at(self, certified: float, held: HeldOut, recall: float) -> GateRules:
        """Take a certified threshold, lowered to the surest probability that may be rejected, which keeps the claim."""
        value = min(certified, SUREST_REJECTED)
        return replace(self, threshold=at_threshold(value, self.proba(held.gate_z), held.Y, recall))


def fit_gate_rules(held: HeldOut, wishes: Wishes) -> GateRules:
    """Calibrate the gate and choose who is examined."""
    z = held.gate_z[:, None]
    calibration = fit_calibration(z, held.Y.max(axis=1, keepdims=True), held.weight, wishes.calibration)
    gate = np.asarray(expit(calibration(z)[:, 0]))
    return GateRules(calibration, gate_threshold(gate, held.Y, wishes.gate_recall, held.weight))
