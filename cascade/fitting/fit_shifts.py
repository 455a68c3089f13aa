"""Make fitted rules ready for other shares of rows with a label, while the held-out rows are there."""

from __future__ import annotations

import warnings
from dataclasses import replace

import numpy as np
from scipy.special import expit

from cascade.fitting.gate import HeldOut
from cascade.rules.probability.prior_shift import SHIFTS, ByShift, PriorShift
from cascade.rules.rules import Rules
from cascade.rules.thresholds.decisions import DecisionOption, decision_thresholds
from cascade.utils.log_odds import log_odds
from cascade.utils.types import Floats, Mask

NEWTON_STEPS = 8
FURTHEST_OFFSET = 2.0


def ready_to_shift(
    rules: Rules, decisions: list[DecisionOption], gate: Floats, proba: Floats, passed: Mask, held: HeldOut
) -> Rules:
    """Note the share of rows with a label, and what other shares ask for.

    Parameters
    ----------
    rules : Rules
    decisions : list of decisions, length L
    gate : ndarray of float, shape (n,)
    proba : ndarray of float, shape (n, L)
        What the rules say of the held-out rows.
    passed : ndarray of bool, shape (n,)
    held : HeldOut

    Returns
    -------
    Rules
        As they were where not both classes are among the held-out rows.
    """
    some = held.Y.any(axis=1)
    counted = held.weight if held.any_known is None else held.weight * held.any_known
    source = float(counted @ some / counted.sum()) if counted.any() else 0.0
    if not 0 < source < 1:
        return rules
    still = PriorShift(source, source)
    found = ByShift(np.tile(rules.thresholds, (len(SHIFTS), 1)), np.zeros((len(SHIFTS), len(rules.label_names))))
    for k, offset in enumerate(SHIFTS):
        shift = PriorShift(source, float(expit(log_odds(source) + offset)))
        weight = held.weight * np.where(some, *shift.weights)
        if offset:
            wanted = shift.weights[0] * (held.weight[passed] @ proba[passed])
            moved = shift.label_proba(proba, rules.any_of(proba, gate))
            found.offsets[k] = _offsets(moved[passed], weight[passed], wanted)
            shifted = replace(rules, shift=shift, by_shift=found).proba_at(proba, gate, passed)
            found.thresholds[k] = _thresholds(decisions, shifted, passed, weight, held, rules.label_names)
    return replace(rules, shift=still, by_shift=found)


def _offsets(proba: Floats, weight: Floats, wanted: Floats) -> Floats:
    """Log-odds (L,) to add to probabilities (m, L) so that they sum to `wanted` (L,)."""
    z, offset = log_odds(proba), np.zeros(proba.shape[1])
    for _ in range(NEWTON_STEPS):
        moved = expit(z + offset)
        slope = np.maximum(weight @ (moved * (1 - moved)), np.finfo(np.float64).tiny)
        step = np.clip((wanted - weight @ moved) / slope, -0.5, 0.5)
        offset = np.clip(offset + step, -FURTHEST_OFFSET, FURTHEST_OFFSET)
    return offset


def _thresholds(
    decisions: list[DecisionOption], proba: Floats, passed: Mask, weight: Floats, held: HeldOut, names: tuple[str, ...]
) -> Floats:
    with warnings.catch_warnings():
        # The training's share has warned about these already.
        warnings.simplefilter("ignore")
        return decision_thresholds(decisions, names, proba, passed, held.labels, weight)
