"""Check that the numbers of a manifest can come from a fitted cascade."""

from __future__ import annotations

import math
from typing import Any, get_args

import numpy as np

from cascade.errors import ModelRefusedError
from cascade.rules.probability.calibration import AnyCalibration, Calibration
from cascade.rules.probability.prior_shift import FURTHEST, SHIFTS, ByShift, PriorShift
from cascade.rules.probability.stack import Stack
from cascade.rules.rules import Rules
from cascade.rules.thresholds.certificate import Certificate, Claim, LabelCertificate, Unit, label_certificate, level_of

LARGEST = 1e3
"""Largest slope, intercept, weight or knot: log-odds beyond 40 are certain, and products of large ones infinite."""


def is_certificate(certificate: Certificate, rules: Rules) -> bool:
    """Return whether a certificate is valid for these rules: all its claims must follow from its counts."""
    shares = (certificate.recall, certificate.confidence, certificate.threshold, certificate.share_past_gate)
    wanted = (certificate.recall, certificate.confidence)
    return (
        all(isinstance(share, float) and 0 <= share <= 1 for share in shares)
        and all(0 < share < 1 for share in wanted)
        # The gate may let more rows pass than was certified, never fewer.
        and certificate.holds_at(rules.gate_threshold)
        and certificate.claim in get_args(Claim)
        and certificate.unit in get_args(Unit)
        and _is_count(certificate.rows)
        and tuple(row.label for row in certificate.labels) == rules.label_names
        and all(_is_proof(row, certificate) for row in certificate.labels)
    )


def _is_proof(row: LabelCertificate, certificate: Certificate) -> bool:
    if not all(_is_count(count) for count in (row.misses, row.units, row.positives)):
        return False
    # Units are rows with the label or their groups, so there are at most as many as positives.
    if not row.misses <= row.units <= row.positives <= certificate.rows:
        return False
    level = level_of(certificate.claim, certificate.confidence, len(certificate.labels))
    expected = label_certificate(row.label, row.positives, row.units, row.misses, certificate.recall, level)
    # Another version of SciPy may give another last digit of a bound.
    bounds = zip(
        (row.bound, row.best_bound, row.proven), (expected.bound, expected.best_bound, expected.proven), strict=True
    )
    close = all(isinstance(claimed, float) and math.isclose(claimed, true, rel_tol=1e-9) for claimed, true in bounds)
    # Where recall**n equals the level exactly, earlier versions wrote one more than is needed.
    needed = isinstance(row.needed, int) and 0 <= row.needed - expected.needed <= 1
    return close and needed and row.certified == expected.certified


def _is_count(value: Any) -> bool:
    # Booleans are integers in Python, and true would pass as 1.
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def check_rules(rules: Rules) -> None:
    """Refuse rules whose lengths, columns or numbers cannot come from a fitted cascade."""
    # Every condition states what must hold, so that NaN, which fails all comparisons, is refused.
    n, learned, any_index = len(rules.label_names), rules.plan.learned.tolist(), rules.plan.any_index
    columns = [*learned, *([] if any_index is None else [any_index])]
    calibrations = [(rules.gate_calibration, 1), (rules.labeler_calibration, len(learned))]
    pairs = [*calibrations, (rules.merged_calibration, len(columns))]
    sound = (
        n > 0
        and len(set(rules.label_names)) == n
        and len(set(columns)) == len(columns)
        and all(0 <= column < n for column in columns)
        and all(c.n_columns == width and _is_calibration(c) for c, width in pairs)
        and _is_share(rules.plan.share, n)
        and rules.rejected_share.shape == (n,)
        and bool((rules.rejected_share >= 0).all() and _is_bounded(rules.rejected_share))
        and rules.plan.seen_count.shape == (len(rules.plan.seen),)
        and bool((rules.plan.seen_count > 0).all() and (rules.plan.seen <= 1).all())
        and 0 <= rules.gate_threshold <= 1
        and rules.rejected_interval.shape == (2, n)
        and bool(((rules.rejected_interval >= 0) & (rules.rejected_interval <= 1)).all())
        # No upper limit: a threshold above 1 is valid for a label that is never predicted.
        and rules.thresholds.shape == (n,)
        and bool((rules.thresholds >= 0).all())
        and bool((rules.rejected_interval[0] <= rules.rejected_interval[1]).all())
        and bool(np.isfinite([*rules.thresholds, rules.gate_threshold]).all())
        and (rules.shift is None or _is_shift(rules.shift, rules.by_shift, n))
        and _are_stacks(rules, len(learned), len(columns))
    )
    if not sound:
        raise ModelRefusedError("the manifest's rules do not fit together; the model was not written by `save`.")


def _are_stacks(rules: Rules, n_learned: int, n_merged: int) -> bool:
    calibration = rules.gate_label_calibration
    # The features are `any`, the labeler and, where the gate predicts them, its labels.
    n_features = 2 if calibration is None else 3
    known = calibration is None or (calibration.n_columns == n_learned and _is_calibration(calibration))
    weighted = rules.stack is None or _is_stack(rules.stack, n_features, n_merged)
    # The weight of rejected rows is on the gate's label outputs, so there is none without them.
    rejected = rules.rejected_stack
    # Without a gate, all labels come from the outputs beside `any`.
    known = known and not (rules.is_flat and calibration is None)
    return known and weighted and (rejected is None or (calibration is not None and _is_stack(rejected, 1, n_learned)))


def _is_stack(stack: Stack, n_features: int, n_columns: int) -> bool:
    fits = stack.weights.shape == (n_features, n_columns) and stack.intercept.shape == (n_columns,)
    return fits and _is_bounded(stack.weights) and _is_bounded(stack.intercept)


def _is_shift(shift: PriorShift, by_shift: ByShift | None, n: int) -> bool:
    return (
        by_shift is not None
        and all(isinstance(share, float) and 0 < share < 1 for share in (shift.source, shift.target))
        # The limit applies to a difference of logarithms, which is rounded; hence the tolerance.
        and abs(shift.log_odds) <= FURTHEST + 1e-6
        and by_shift.thresholds.shape == by_shift.offsets.shape == (len(SHIFTS), n)
        and bool((np.isfinite(by_shift.thresholds) & (by_shift.thresholds >= 0)).all())
        and _is_bounded(by_shift.offsets)
    )


def _is_calibration(calibration: AnyCalibration) -> bool:
    if isinstance(calibration, Calibration):
        # A negative slope would reverse the order of probabilities, which no fit does.
        triple = (calibration.low, calibration.high, calibration.intercept)
        rising = bool((calibration.low >= 0).all() and (calibration.high >= 0).all())
        return rising and all(side.shape == (calibration.n_columns,) and _is_bounded(side) for side in triple)
    pairs = zip(calibration.knots, calibration.values, strict=True)
    return all(x.shape == y.shape and x.ndim == 1 and len(x) and _is_rising(x) and _is_rising(y) for x, y in pairs)


def _is_rising(values: Any) -> bool:
    return _is_bounded(values) and bool((np.diff(values) >= 0).all())


def _is_bounded(values: Any) -> bool:
    # Negated comparisons would let NaN pass.
    return bool((np.abs(values) <= LARGEST).all())


def _is_share(values: Any, n: int) -> bool:
    return values.shape == (n,) and bool(((values >= 0) & (values <= 1)).all())
