"""Rules of the gate alone: its calibration, and the threshold from which rows are examined."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from cascade.data.label_matrix import LabelMatrix
from cascade.data.labels import Labels
from cascade.data.missing import Known
from cascade.data.splits import group_numbers
from cascade.fitting.options import RuleOptions
from cascade.fitting.training_set import TrainingSet
from cascade.rules.probability.calibration import AnyCalibration, calibrated_proba, fit_calibration
from cascade.rules.probability.merge import FLAT
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

    def at(self, certified: float, held: HeldOut, recall: float) -> GateRules:
        """Return the same rules at a certified threshold, or at `HIGHEST_GATE_THRESHOLD` if that is lower."""
        # A certificate covers every lower threshold, so the cap keeps the claim.
        value = min(certified, HIGHEST_GATE_THRESHOLD)
        return replace(self, threshold=at_threshold(value, self.proba(held.gate_z), held.Y, recall))


def fit_gate_rules(held: HeldOut, rule_options: RuleOptions) -> GateRules:
    """Calibrate the gate and choose its threshold."""
    target = LabelMatrix(held.Y.max(axis=1, keepdims=True))
    if held.any_known is not None:
        # Rows known only for a positive have a target because of it; counting them would raise the prevalence.
        any_known = held.any_known[:, None]
        target = LabelMatrix(target.values * any_known, any_known)
    calibration = fit_calibration(held.gate_z[:, None], target, held.weight, rule_options.calibration)
    gate = calibrated_proba(calibration, held.gate_z)
    if rule_options.negative_pool == FLAT:
        return GateRules(calibration, at_threshold(0.0, gate, held.Y, 1.0))
    # On calibrated probabilities: on others the upper limit of 0.5 would have no meaning.
    return GateRules(calibration, gate_threshold(gate, held.Y, rule_options.gate_recall, held.weight))


HIGHEST_GATE_THRESHOLD = 0.5
"""A row that is more likely than not to have a label is always examined."""


@dataclass(frozen=True)
class GateThreshold:
    """The gate's threshold, and the positives of each label that it keeps on the rows on which it was chosen.

    Attributes
    ----------
    value : float
        Rows with a gate probability of at least this are examined.
    wanted : float
        Requested recall.
    positives, kept : ndarray of int, shape (L,)
        Positives of each label among these rows, and those past the gate.
    """

    value: float
    wanted: float
    positives: NDArray[np.int64]
    kept: NDArray[np.int64]


def at_threshold(value: float, gate: Floats, Y: Labels, recall: float) -> GateThreshold:
    """Return a given threshold with the positives that it keeps on these rows."""
    return GateThreshold(value, recall, Y.sum(axis=0, dtype=np.int64), Y[gate >= value].sum(axis=0, dtype=np.int64))


def gate_threshold(gate: Floats, Y: Labels, recall: float, weight: Floats | None = None) -> GateThreshold:
    """Return the highest threshold that keeps `recall` of the positives of every label.

    Parameters
    ----------
    gate : ndarray of float, shape (n,)
        Gate probabilities of held-out rows.
    Y : ndarray of 0/1, shape (n, L)
        Only positives count, so a missing label may be 0.
    recall : float in (0, 1]
    weight : ndarray of float, shape (n,), optional
        How many rows of the population each row represents.

    Returns
    -------
    GateThreshold
        Without any positive the threshold is 0, and every row is examined. It is at most 0.5, so that a row that is
        more likely than not to have a label is always examined.

    Examples
    --------
    >>> gate_threshold(np.array([0.9, 0.4, 0.1]), np.array([[1, 0], [0, 1], [0, 0]]), recall=1.0).value
    0.4
    """
    weights = np.ones(len(gate)) if weight is None else weight
    # Label by label: on the recall of `any` alone, the gate could reject all rows of a rare label.
    highest = [_keep(gate[Y[:, k] > 0], weights[Y[:, k] > 0], recall) for k in np.flatnonzero(Y.any(axis=0))]
    value = min([*highest, HIGHEST_GATE_THRESHOLD]) if highest else 0.0
    return at_threshold(value, gate, Y, recall)


def _keep(scores: Floats, weight: Floats, recall: float) -> float:
    order = np.argsort(-scores, kind="stable")
    kept = np.cumsum(weight[order])
    # The small slack keeps a product such as 0.55 * 100 = 55.00000000000001 from requiring one positive more.
    last = int(np.searchsorted(kept, recall * kept[-1] - 1e-9))
    return float(scores[order][min(last, len(scores) - 1)])
