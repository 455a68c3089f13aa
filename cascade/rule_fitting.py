"""Fit a cascade's rules on held-out rows of natural prevalence, in the order that keeps each step honest."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from cascade.calibration import Calibration, fit_calibration
from cascade.labels import LabelPlan, Labels
from cascade.merge import pool_rows
from cascade.priors import log_odds
from cascade.rules import Rules
from cascade.thresholds import GateThreshold, decision_thresholds, gate_threshold

Floats = NDArray[np.float64]
LabelerScores = Callable[[NDArray[np.intp]], Floats]


def fit_rules(
    names: tuple[str, ...],
    plan: LabelPlan,
    negative_pool: str,
    gate_z: Floats,
    labeler_scores: LabelerScores,
    Y: Labels,
    weight: Floats | None,
    recall: float,
    decision: str | float,
) -> tuple[Rules, GateThreshold]:
    """Fit the rules.

    Parameters
    ----------
    names : tuple of str, length L
    plan : LabelPlan
    negative_pool : str
    gate_z : ndarray of float, shape (n,)
        The gate's log-odds on the held-out rows.
    labeler_scores : callable
        The labeler's log-odds (m, K) for an array of m held-out row numbers; only those needed are asked for.
    Y : ndarray of 0/1, shape (n, L)
    weight : ndarray of float, shape (n,), optional
    recall : float
        Recall of every label wanted at the gate.
    decision : "f1" or float
        How bits are set.

    Returns
    -------
    rules : Rules
    threshold : GateThreshold
    """
    has_label: Labels = Y.max(axis=1, keepdims=True)
    gate_calibration = fit_calibration(gate_z[:, None], has_label, weight)
    gate = np.asarray(expit(gate_calibration(gate_z[:, None])[:, 0]))
    threshold = gate_threshold(gate, Y, recall, weight)
    passed = gate >= threshold.value

    scored = np.flatnonzero(passed | pool_rows(Y, negative_pool))
    labeler_z = labeler_scores(scored)
    in_pool = pool_rows(Y[scored], negative_pool)
    learned = Y[np.ix_(scored, plan.learned)]
    rules = Rules(
        names,
        plan,
        negative_pool,
        gate_calibration,
        fit_calibration(labeler_z[in_pool], learned[in_pool], _part(weight, scored[in_pool])),
        Calibration.identity(len(plan.learned) + (plan.any_index is not None)),
        threshold.value,
        _rejected_share(Y[~passed], plan, _part(weight, np.flatnonzero(~passed))),
        np.full(len(names), 0.5),
    )
    examined = passed[scored]
    merged = log_odds(rules.merge(gate[passed], labeler_z[examined]))
    calibration = fit_calibration(
        merged, Y[np.ix_(passed, rules.merged_columns)], _part(weight, np.flatnonzero(passed))
    )
    rules = replace(rules, merged_calibration=calibration)
    proba = rules.proba(gate, passed, labeler_z[examined])
    return replace(rules, thresholds=decision_thresholds(decision, proba, passed, Y, weight)), threshold


def _part(weight: Floats | None, rows: NDArray[np.intp]) -> Floats | None:
    return None if weight is None else weight[rows]


def _rejected_share(Y: Labels, plan: LabelPlan, weight: Floats | None) -> Floats:
    """Share of each label among rejected rows with a label, with one such row added at the training's shares."""
    counted = Y.any(axis=1) * (np.ones(len(Y)) if weight is None else weight)
    share = (counted @ Y + plan.share) / (counted.sum() + 1.0)
    if plan.any_index is not None:
        share[plan.any_index] = 1.0
    return np.asarray(share, dtype=np.float64)
