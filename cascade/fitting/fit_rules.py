"""Fit a cascade's rules on held-out rows of natural prevalence, each on the results of those before it."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from cascade.fitting.fit_shifts import ready_to_shift
from cascade.fitting.gate import GateRules, HeldOut
from cascade.fitting.match_sums import match_sums
from cascade.fitting.options import RuleOptions
from cascade.metrics.intervals import clustered_interval
from cascade.rules.label_plan import LabelPlan
from cascade.rules.probability.calibration import Calibration, fit_calibration
from cascade.rules.probability.merge import pool_rows
from cascade.rules.probability.stack import fit_rejected_stack, fit_stack
from cascade.rules.rules import Rules, Scores
from cascade.rules.thresholds.chance import ChanceTest, chance_test
from cascade.rules.thresholds.decisions import DecisionOption, decision_thresholds, each_decision
from cascade.utils.log_odds import log_odds
from cascade.utils.types import Floats, Mask

LabelerScores = Callable[[NDArray[np.intp]], Floats]


def fit_rules(
    names: tuple[str, ...],
    plan: LabelPlan,
    gate_rules: GateRules,
    held: HeldOut,
    labeler_scores: LabelerScores,
    rule_options: RuleOptions,
) -> Rules:
    """Fit all rules that come after the gate's.

    Parameters
    ----------
    names : tuple of str, length L
    plan : LabelPlan
    gate_rules : GateRules
    held : HeldOut
        n rows that neither model has seen.
    labeler_scores : callable
        Returns the labeler's log-odds (m, K) for an array of m held-out row numbers. It is called once, with the rows
        that the rules need.
    rule_options : RuleOptions

    Returns
    -------
    Rules
    """
    gate = gate_rules.proba(held.gate_z)
    passed = gate >= gate_rules.threshold.value
    in_pool = pool_rows(held.Y, rule_options.negative_pool, passed)
    if rule_options.negative_pool == "positives" and held.any_known is not None:
        # A row of which only a positive is known is in the pool because of that positive. Counting such rows would
        # raise the label's share in the pool, so the labeler is calibrated without them.
        in_pool &= held.any_known
    # The labeler is run only where a rule needs it; rejected rows without a label are usually most of the data.
    labeler_z = np.full((len(gate), len(plan.learned)), np.nan)
    scored = np.flatnonzero(passed | in_pool)
    labeler_z[scored] = labeler_scores(scored)
    # The merged calibration and the thresholds are placeholders here, since each is fitted on what the rules before it
    # return.
    rules = Rules(
        label_names=names,
        plan=plan,
        negative_pool=rule_options.negative_pool,
        gate_calibration=gate_rules.calibration,
        labeler_calibration=fit_calibration(
            labeler_z[in_pool], held.labels.part(in_pool, plan.learned), held.weight[in_pool], rule_options.calibration
        ),
        merged_calibration=Calibration.identity(len(plan.learned) + (plan.any_index is not None)),
        gate_threshold=gate_rules.threshold.value,
        rejected_share=_rejected_share(gate, held, ~passed, plan, rule_options.rejected),
        rejected_interval=_rejected_interval(held, ~passed),
        thresholds=np.full(len(names), 0.5),
        coherence=rule_options.coherence,
    )
    scores = Scores(held.gate_z, passed, labeler_z[passed], held.gate_label_z)
    rules = _with_gate_labels(rules, gate, held, ~passed, rule_options)
    rules = _calibrate_merged(rules, gate, scores, held, rule_options)
    proba = rules.proba(scores)
    decisions = each_decision(rule_options.decision, rule_options.label_decisions, names)
    # Thresholds come last: they are compared with the merged, calibrated and coherent probabilities.
    chance = _chance(rules, scores, held)
    thresholds = decision_thresholds(
        decisions, names, proba, passed, held.labels, held.weight, chance=chance, stacklevel=6
    )
    rules = ready_to_shift(replace(rules, thresholds=thresholds), decisions, gate, proba, passed, held, chance)
    if plan.any_index is not None:
        _report_any(rules, decisions[plan.any_index], proba, passed, held)
    return rules


def _chance(rules: Rules, scores: Scores, held: HeldOut) -> ChanceTest:
    """Test the ranking by the two models alone: everything that was fitted on the held-out labels is taken out."""
    one, labeler, merged = (Calibration.identity(n) for n in (1, len(rules.plan.learned), len(rules.merged_columns)))
    usual = rules.plan.share.copy()
    if rules.plan.any_index is not None:
        usual[rules.plan.any_index] = 1.0
    # The gate threshold depends on the positives, too. With the usual shares instead of those among rejected rows, a
    # positive does not rank higher only because the threshold was chosen to keep it. At infinity no row is "between".
    alone = replace(
        rules,
        gate_calibration=one,
        labeler_calibration=labeler,
        merged_calibration=merged,
        stack=None,
        rejected_share=usual,
        rejected_stack=None,
        gate_threshold=np.inf,
    )
    return chance_test(alone.proba(scores), held.labels, held.weight, held.group)


def _report_any(rules: Rules, decision: DecisionOption, proba: Floats, passed: Mask, held: HeldOut) -> None:
    """Warn if labels set the bit of `any` so often that it misses the precision of its decision."""
    index = rules.plan.any_index
    if index is None or not (isinstance(decision, Mapping) and "precision" in decision):
        return
    rows, wanted = held.labels.rows_knowing(index), decision["precision"]
    y, weight = held.Y[rows, index], held.weight[rows]
    alone = ((proba[rows, index] >= rules.thresholds[index]) & passed[rows]).astype(np.float64)
    lifted = rules.bits(proba, passed)[rows, index].astype(np.float64)
    before, after = (weight @ (bit * y) / max(weight @ bit, 1e-12) for bit in (alone, lifted))
    # Where its own threshold missed the precision already, only a further loss is reported. Without any row above its
    # threshold the precision of `any` counts as 1.
    if lifted.any() and after < min(wanted, before if alone.any() else 1.0):
        warnings.warn(
            f"label {rules.label_names[index]!r} has precision {after:.3g} on held-out rows, below the wanted "
            f"{wanted}, since labels set it too (coherence={rules.coherence!r}); with coherence='any' only its own "
            "threshold sets it.",
            stacklevel=6,
        )


def _with_gate_labels(rules: Rules, gate: Floats, held: HeldOut, rejected: Mask, rule_options: RuleOptions) -> Rules:
    """Calibrate the gate's label outputs, and weigh them against the shares of rejected rows."""
    learned = rules.plan.learned
    if not held.gate_label_z.shape[1]:
        return rules
    labels = held.labels.part(slice(None), learned)
    calibration = fit_calibration(held.gate_label_z, labels, held.weight, rule_options.calibration)
    rules = replace(rules, gate_label_calibration=calibration)
    if rule_options.rejected != "gate":
        return rules
    base = log_odds(gate[rejected, None] * rules.rejected_share[learned])
    feature = calibration(held.gate_label_z[rejected]) - base
    stack = fit_rejected_stack(base, feature, labels.part(rejected), held.weight[rejected])
    return replace(rules, rejected_stack=stack)


def _calibrate_merged(rules: Rules, gate: Floats, scores: Scores, held: HeldOut, rule_options: RuleOptions) -> Rules:
    """Fit the stacked merge and the merged calibration on the rows past the gate."""
    # On the rows past the gate alone, since only these get merged probabilities. This corrects what the merge leaves:
    # gate and labeler are fitted models, and the labeler was calibrated on its pool rather than on these rows.
    passed = scores.passed
    labels, weight = held.labels.part(passed, rules.merged_columns), held.weight[passed]
    if rule_options.calibration == "none":
        # Uncalibrated log-odds of two models have no common scale on which they could be added.
        return rules
    parts = gate[passed], scores.labeler_z, scores.gate_label_z[passed]
    if rule_options.merge == "stacked" and len(rules.plan.learned):
        base = log_odds(rules.merge(*parts[:2]))
        features = rules.stack_features(parts[0], base, *parts[1:])
        rules = replace(rules, stack=fit_stack(base, features, labels, weight))
    stacked = rules.stacked(*parts)
    calibration = fit_calibration(stacked, labels, weight, rule_options.calibration)
    rules = replace(rules, merged_calibration=calibration)
    if rules.plan.any_index is None:
        return rules
    # `any` is the last of the merged columns.
    return replace(rules, merged_calibration=match_sums(calibration, stacked, labels, weight))


def _rejected_share(gate: Floats, held: HeldOut, rejected: Mask, plan: LabelPlan, kind: str) -> Floats:
    """Return positives over the sum of the gate's probabilities, both among rejected rows, shape (L,).

    A gate that is calibrated on all rows may still be wrong in the tail that it rejects, so the sums of this tail are
    used. One row's worth of the training shares is added.
    """
    if kind == "zero":
        return np.zeros(held.Y.shape[1])
    # The added row keeps the share of a label without rejected positives above 0, and the quotient finite where no row
    # is rejected.
    usual = plan.share.copy()
    if plan.any_index is not None:
        usual[plan.any_index] = 1.0
    weight = held.weight * rejected
    # Per label where labels are missing: numerator and denominator must be sums over the same rows.
    expected = weight @ gate if held.known is None else (weight * gate) @ held.known
    share: Floats = (weight @ held.Y + usual) / (expected + 1.0)
    return share


def _rejected_interval(held: HeldOut, rejected: Mask) -> Floats:
    """Return the interval of each label's share among the rejected rows on which it is known, shape (2, L)."""

    def interval(rows: Mask, columns: slice) -> Floats:
        return clustered_interval(held.Y[rows, columns], held.weight[rows], held.group[rows])

    if held.known is None:
        return interval(rejected, slice(None))
    return np.hstack([interval(rejected & known, slice(k, k + 1)) for k, known in enumerate(held.known.T)])
