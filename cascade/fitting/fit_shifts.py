"""Thresholds and offsets for other shares of rows with a label, fitted while the held-out rows are at hand."""

from __future__ import annotations

import warnings
from dataclasses import replace

import numpy as np
from scipy.special import expit

from cascade.fitting.gate import HeldOut
from cascade.rules.probability.prior_shift import SHIFTS, ByShift, PriorShift
from cascade.rules.rules import Rules
from cascade.rules.thresholds.chance import ChanceTest
from cascade.rules.thresholds.decisions import DecisionOption, decision_thresholds
from cascade.utils.log_odds import log_odds
from cascade.utils.types import Floats, Mask

NEWTON_STEPS = 8
"""With steps of at most 0.5, four of these reach any offset within the bounds."""

FURTHEST_OFFSET = 2.0
"""Largest offset of log-odds, up or down: 7.4 times the odds."""


def ready_to_shift(
    rules: Rules,
    decisions: list[DecisionOption],
    gate: Floats,
    proba: Floats,
    passed: Mask,
    held: HeldOut,
    chance: ChanceTest,
) -> Rules:
    """Add to the rules the share of rows with a label, and thresholds and offsets for other shares.

    Parameters
    ----------
    rules : Rules
    decisions : list of decisions, length L
    gate : ndarray of float, shape (n,)
    proba : ndarray of float, shape (n, L)
        Probabilities of the held-out rows by the rules.
    passed : ndarray of bool, shape (n,)
    held : HeldOut
    chance : ChanceTest
        A ranking does not depend on the share of rows with a label, so a label at chance is never set at any share.

    Returns
    -------
    Rules
        Unchanged where the held-out rows do not have both classes.
    """
    has_label = held.Y.any(axis=1)
    # A row known only for a positive would raise the share; see `LabelMatrix.any_known`.
    counted = held.weight if held.any_known is None else held.weight * held.any_known
    source = float(counted @ has_label / counted.sum()) if counted.any() else 0.0
    if not 0 < source < 1:
        return rules
    unshifted = PriorShift(source, source)
    by_shift = ByShift(np.tile(rules.thresholds, (len(SHIFTS), 1)), np.zeros((len(SHIFTS), len(rules.label_names))))
    for k, offset in enumerate(SHIFTS):
        shift = PriorShift(source, float(expit(log_odds(source) + offset)))
        # Importance weights turn the held-out rows into a sample of the target: rows with a label count w1, others w0.
        weight = held.weight * np.where(has_label, *shift.weights)
        # At a shift of 0 thresholds and offsets stay as fitted, so that nothing changes at the training's share.
        if offset:
            # All positives are in rows with a label, so a label's sum at the target is w1 times its calibrated sum.
            wanted = shift.weights[0] * (held.weight[passed] @ proba[passed])
            moved = shift.label_proba(proba, rules.any_of(proba, gate))
            by_shift.offsets[k] = _offsets(moved[passed], weight[passed], wanted)
            # Offsets first: `proba_at` reads those just written, and thresholds are chosen on what it returns.
            shifted = replace(rules, shift=shift, by_shift=by_shift).proba_at(proba, gate, passed)
            by_shift.thresholds[k] = _thresholds(decisions, shifted, passed, weight, held, rules.label_names, chance)
    return replace(rules, shift=unshifted, by_shift=by_shift)


def _offsets(proba: Floats, weight: Floats, wanted: Floats) -> Floats:
    """Return the log-odds (L,) to add to probabilities (m, L) so that their weighted sums are `wanted` (L,)."""
    # Newton's method on all labels at once. Each sum rises with its offset and depends on no other.
    z, offset = log_odds(proba), np.zeros(proba.shape[1])
    for _ in range(NEWTON_STEPS):
        moved = expit(z + offset)
        # The derivative of a sum is the sum of p (1 - p). It vanishes without rows past the gate, hence the floor.
        slope = np.maximum(weight @ (moved * (1 - moved)), np.finfo(np.float64).tiny)
        # Where the sum is flat a full step would overshoot far; a sum out of reach ends at the bound.
        step = np.clip((wanted - weight @ moved) / slope, -0.5, 0.5)
        offset = np.clip(offset + step, -FURTHEST_OFFSET, FURTHEST_OFFSET)
    return offset


def _thresholds(
    decisions: list[DecisionOption],
    proba: Floats,
    passed: Mask,
    weight: Floats,
    held: HeldOut,
    names: tuple[str, ...],
    chance: ChanceTest,
) -> Floats:
    with warnings.catch_warnings():
        # Decisions that cannot be met were reported at the training's share already.
        warnings.simplefilter("ignore")
        return decision_thresholds(decisions, names, proba, passed, held.labels, weight, chance=chance)
