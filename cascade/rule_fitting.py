"""Fit a cascade's rules on held-out rows of natural prevalence, in the order that keeps each step honest."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import expit
from scipy.stats import beta

from cascade.calibration import AnyCalibration, Calibration, check_method, fit_calibration
from cascade.coherence import coherent
from cascade.decisions import Decision, decision_thresholds, each_decision
from cascade.errors import ConfigError
from cascade.gate_policy import GatePolicy
from cascade.gate_threshold import SUREST_REJECTED, GateThreshold, at_threshold, gate_threshold
from cascade.labels import LabelPlan, Labels
from cascade.merge import check_pool, pool_rows
from cascade.priors import log_odds
from cascade.rules import Rules, check_coherence

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]
LabelerScores = Callable[[NDArray[np.intp]], Floats]

REJECTED = ("share", "zero")

MOST_SETTLED = 2.0
"""Log-odds by which the calibration of `any` may be shifted."""


@dataclass(frozen=True)
class Wishes:
    """What is asked of a cascade's rules; see `CascadeClassifier` for each.

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
    decision: Decision = "f1"
    label_decisions: Mapping[str, Decision] | None = None
    coherence: str = "lift"
    rejected: str = "share"
    gate_policy: GatePolicy | None = None

    def check(self, names: tuple[str, ...]) -> None:
        """Refuse a wish that cannot be granted."""
        check_pool(self.negative_pool)
        check_method(self.calibration)
        check_coherence(self.coherence)
        each_decision(self.decision, self.label_decisions, names)
        if not 0 < self.gate_recall <= 1:
            raise ConfigError(f"`gate_recall` must lie in (0, 1]. Received {self.gate_recall}.")
        if self.rejected not in REJECTED:
            raise ConfigError(f"`rejected` must be one of {list(REJECTED)}. Received {self.rejected!r}.")


@dataclass(frozen=True)
class GateRules:
    """What is fitted on the gate alone.

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


def fit_gate_rules(gate_z: Floats, Y: Labels, weight: Floats | None, wishes: Wishes) -> GateRules:
    """Calibrate the gate and choose who is examined, from log-odds (n,) on held-out rows."""
    calibration = fit_calibration(gate_z[:, None], Y.max(axis=1, keepdims=True), weight, wishes.calibration)
    gate = np.asarray(expit(calibration(gate_z[:, None])[:, 0]))
    return GateRules(calibration, gate_threshold(gate, Y, wishes.gate_recall, weight))


def with_threshold(gate_rules: GateRules, certified: float, gate_z: Floats, Y: Labels, recall: float) -> GateRules:
    """Take a certified threshold, lowered to the surest probability that may be rejected, which keeps the claim."""
    value = min(certified, SUREST_REJECTED)
    return replace(gate_rules, threshold=at_threshold(value, gate_rules.proba(gate_z), Y, recall))


def fit_rules(
    names: tuple[str, ...],
    plan: LabelPlan,
    gate_rules: GateRules,
    gate_z: Floats,
    labeler_scores: LabelerScores,
    Y: Labels,
    weight: Floats | None,
    wishes: Wishes,
) -> Rules:
    """Fit what comes after the gate.

    Parameters
    ----------
    names : tuple of str, length L
    plan : LabelPlan
    gate_rules : GateRules
    gate_z : ndarray of float, shape (n,)
        The gate's log-odds on the held-out rows.
    labeler_scores : callable
        The labeler's log-odds (m, K) for an array of m held-out row numbers; only those needed are asked for.
    Y : ndarray of 0/1, shape (n, L)
    weight : ndarray of float, shape (n,), optional
    wishes : Wishes

    Returns
    -------
    Rules
    """
    gate = gate_rules.proba(gate_z)
    passed = gate >= gate_rules.threshold.value
    scored = np.flatnonzero(passed | pool_rows(Y, wishes.negative_pool, passed))
    labeler_z = labeler_scores(scored)
    rules = _before_merging(names, plan, gate_rules, gate, labeler_z, Y, passed, scored, weight, wishes)

    examined = passed[scored]
    merged = log_odds(rules.merge(gate[passed], labeler_z[examined]))
    calibration = fit_calibration(
        merged,
        Y[np.ix_(passed, rules.merged_columns)],
        _part(weight, np.flatnonzero(passed)),
        wishes.calibration,
    )
    rules = replace(rules, merged_calibration=calibration)
    if plan.any_index is not None and wishes.calibration != "none":
        calibration = _settle_any(rules, merged, Y[passed, plan.any_index], _part(weight, np.flatnonzero(passed)))
        rules = replace(rules, merged_calibration=calibration)
    proba = rules.proba(gate, passed, labeler_z[examined])
    decisions = each_decision(wishes.decision, wishes.label_decisions, names)
    return replace(rules, thresholds=decision_thresholds(decisions, names, proba, passed, Y, weight))


def _before_merging(
    names: tuple[str, ...],
    plan: LabelPlan,
    gate_rules: GateRules,
    gate: Floats,
    labeler_z: Floats,
    Y: Labels,
    passed: Mask,
    scored: NDArray[np.intp],
    weight: Floats | None,
    wishes: Wishes,
) -> Rules:
    """Calibrate the labeler on its own population; merged probabilities and thresholds are still as they come."""
    in_pool = pool_rows(Y[scored], wishes.negative_pool, passed[scored])
    learned = Y[np.ix_(scored, plan.learned)]
    rejected = np.flatnonzero(~passed)
    return Rules(
        labels=names,
        plan=plan,
        negative_pool=wishes.negative_pool,
        gate_calibration=gate_rules.calibration,
        labeler_calibration=fit_calibration(
            labeler_z[in_pool], learned[in_pool], _part(weight, scored[in_pool]), wishes.calibration
        ),
        merged_calibration=Calibration.identity(len(plan.learned) + (plan.any_index is not None)),
        gate_threshold=gate_rules.threshold.value,
        rejected_share=_rejected_share(gate[rejected], Y[rejected], plan, _part(weight, rejected), wishes.rejected),
        rejected_interval=_rejected_interval(Y[rejected]),
        thresholds=np.full(len(names), 0.5),
        coherence=wishes.coherence,
    )


def _settle_any(rules: Rules, merged: Floats, y: NDArray[np.uint8], weight: Floats | None) -> AnyCalibration:
    """Shift the calibration of `any` so that its sum is right after it has met the labels, which mostly lift it."""
    weights = np.ones(len(y)) if weight is None else weight
    wanted, last = float(weights @ y), merged.shape[1] - 1

    def excess(offset: float) -> float:
        z = rules.merged_calibration(merged)
        z[:, last] += offset
        return float(weights @ coherent(expit(z), last)[:, last]) - wanted

    if not excess(-MOST_SETTLED) < 0 < excess(MOST_SETTLED):
        return rules.merged_calibration
    return rules.merged_calibration.shifted(last, float(brentq(excess, -MOST_SETTLED, MOST_SETTLED, xtol=1e-6)))


def _part(weight: Floats | None, rows: NDArray[np.intp]) -> Floats | None:
    return None if weight is None else weight[rows]


def _rejected_share(gate: Floats, Y: Labels, plan: LabelPlan, weight: Floats | None, rejected: str) -> Floats:
    """Positives over the gate's sum among rejected rows, with one row with a label added at the training's shares.

    Calibrated on all rows, a gate may still be off in the tail that it rejects: this takes the tail's own sums.
    """
    if rejected == "zero":
        return np.zeros(Y.shape[1])
    counted = np.ones(len(Y)) if weight is None else weight
    usual = plan.share.copy()
    if plan.any_index is not None:
        usual[plan.any_index] = 1.0
    share: Floats = (counted @ Y + usual) / (counted @ gate + 1.0)
    return share


def _rejected_interval(Y: Labels) -> Floats:
    """Clopper and Pearson's 95 % interval of each label's share among rejected rows; float of shape (2, L)."""
    found, n = Y.sum(axis=0, dtype=np.float64), len(Y)
    low = np.where(found > 0, beta.ppf(0.025, np.maximum(found, 1), n - found + 1), 0.0)
    high = np.where(found < n, beta.ppf(0.975, found + 1, np.maximum(n - found, 1)), 1.0)
    return np.array([low, high])
