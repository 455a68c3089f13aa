"""Fit a whole cascade: gate, labeler, and the rules on rows that neither model has seen."""

from __future__ import annotations

import logging
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np

from cascade.data.label_matrix import LabelMatrix
from cascade.data.labels import Labels
from cascade.data.splits import grouped_folds, grouped_holdout
from cascade.errors import DataError
from cascade.estimators.scoring import gate_log_odds, labeler_log_odds
from cascade.fitting.defaults import POOL_FOLDS
from cascade.fitting.fit_rules import fit_rules
from cascade.fitting.gate import GateRules, HeldOut, fit_gate_rules
from cascade.fitting.options import RuleOptions
from cascade.fitting.stages import Stages
from cascade.fitting.training_set import TrainingSet
from cascade.rules.label_plan import LabelPlan, plan_labels, planned
from cascade.rules.probability.merge import FLAT, pool_rows
from cascade.rules.rules import Rules, Scores
from cascade.rules.stability import Stability
from cascade.rules.thresholds.certificate import Certificate
from cascade.rules.thresholds.gate_costs import GateCosts
from cascade.rules.thresholds.gate_threshold import GateThreshold
from cascade.utils.progress import counted
from cascade.utils.types import Floats, Mask, Rows

logger = logging.getLogger(__name__)


COSTLY = 0.2
"""Share of the rows past the gate because of a single label from which on the log warns."""


@dataclass(frozen=True)
class Fitted:
    """A fitted cascade in its parts.

    Attributes
    ----------
    gate, labeler : fitted estimators; the labeler None where no label has anything to learn
    rules : Rules
    gate_threshold : GateThreshold
    certificate : Certificate, or None without a gate policy
    rows_fitted, rows_calibrated : int
    held : HeldOut
        Rows that the rules were fitted on.
    labeler_z : ndarray of float, shape (rows_calibrated, K)
        The labeler's log-odds of these rows, NaN where no rule needs them.
    out_of_fold : bool
        Whether these are all rows, each scored by models that have not seen its fold.
    """

    gate: Any
    labeler: Any
    rules: Rules
    gate_threshold: GateThreshold
    certificate: Certificate | None
    rows_fitted: int
    rows_calibrated: int
    held: HeldOut
    labeler_z: Floats
    out_of_fold: bool

    @property
    def gate_costs(self) -> GateCosts | None:
        """What each label costs at the gate, on the held-out rows; None without a gate."""
        if self.rules.is_flat:
            return None
        gate = self.rules.gate_proba(self.held.gate_z)
        return self.gate_threshold.costs(self.rules.label_names, gate, self.held.weight)

    @property
    def stability(self) -> Stability:
        """How many held-out rows change where scores differ a little."""
        return Stability.of(self.rules, self.scores, self.labeler_z)

    @property
    def scores(self) -> Scores:
        """Scores of the held-out rows, from models that were not fitted on them."""
        # Every row that passes was scored by the labeler in `fit_rules`, so no NaN is selected.
        passed = self.rules.gate_proba(self.held.gate_z) >= self.rules.gate_threshold
        return Scores(self.held.gate_z, passed, self.labeler_z[passed], self.held.gate_label_z)


def fit_held_out(stages: Stages, examples: TrainingSet, rule_options: RuleOptions, size: float) -> Fitted:
    """Fit both models on most groups, and the rules on a held-out share `size` of them."""
    # Rows of the certificate are set apart first: its proof holds only if nothing else has used them.
    certifying, rows = _kept_apart(stages, examples, rule_options)
    held = grouped_holdout(examples.Y[rows], examples.extra(rows)["groups"], size, stages.random_state)
    fitting, calibrating = rows[~held], rows[held]
    if not len(fitting) or not len(calibrating):
        raise DataError("`groups` must hold at least two groups, since one is held out. Received one.")
    Y = examples.Y
    # From the fitting rows alone: a label that varies only among held-out rows gives the labeler nothing to learn.
    plan = _plan(examples, [fitting])
    _report_unseen(Y[fitting], Y[calibrating], examples.names)
    stages.check(plan, examples.known is not None)

    # The gate's rules come before the labeler, since the pool "gated" needs the final threshold.
    gate = stages.fit_gate(examples, fitting, plan)
    n_outputs = 1 + len(stages.gate_labels(plan, examples.known is not None))
    unseen = HeldOut.of(examples, calibrating, gate_log_odds(gate, examples.X, calibrating, n_outputs))
    gate_rules = fit_gate_rules(unseen, rule_options, examples.names, examples.any_index)
    gate_rules, certificate = _certified(gate_rules, gate, examples, certifying, unseen, rule_options)
    passed = _passed_out_of_fold(stages, examples, fitting, plan, gate_rules, rule_options)
    pool = fitting[pool_rows(Y[fitting], rule_options.negative_pool, passed)]
    labeler = stages.fit_labeler(examples, fitting, pool, plan, gate)
    logger.info("calibration: %d held-out rows", len(calibrating))

    labeler_z = np.full((len(calibrating), len(plan.learned)), np.nan)

    def labeler_scores(numbers: Rows) -> Floats:
        labeler_z[numbers] = (
            unseen.gate_label_z[numbers]
            if rule_options.negative_pool == FLAT
            else labeler_log_odds(labeler, examples.X, calibrating[numbers], plan)
        )
        return labeler_z[numbers]

    rules = fit_rules(examples.names, plan, gate_rules, unseen, labeler_scores, rule_options)
    counts = len(fitting), len(calibrating)
    return Fitted(gate, labeler, rules, gate_rules.threshold, certificate, *counts, unseen, labeler_z, False)


def fit_crossed(stages: Stages, examples: TrainingSet, rule_options: RuleOptions, n_folds: int) -> Fitted:
    """Fit the rules on out-of-fold scores of every row, and both models on all rows.

    This holds no rows out, for short data: each row is scored by models that have not seen its group. The final models
    have seen more rows than those whose scores the rules were fitted on.
    """
    certifying, rows = _kept_apart(stages, examples, rule_options)
    folds = grouped_folds(examples.Y[rows], examples.extra(rows)["groups"], n_folds, stages.random_state)
    if len(np.unique(folds)) < n_folds:
        raise DataError(f"`groups` must hold at least `calibration_folds` groups ({n_folds}). Received fewer.")
    # One plan for all folds, so that the out-of-fold scores have the same columns as those of the final labeler.
    plan = _plan(examples, [rows[folds != fold] for fold in range(n_folds)])
    stages.check(plan, examples.known is not None)

    outputs, fold_gates = _gate_out_of_fold(stages, examples, rows, plan, folds)
    gate = stages.fit_gate(examples, rows, plan)
    # Calibration uses scores out of fold only: the final gate is too confident on rows that it was fitted on. The
    # certificate, in contrast, is about the final gate, and its rows are in no fold.
    unseen = HeldOut.of(examples, rows, outputs)
    gate_rules = fit_gate_rules(unseen, rule_options, examples.names, examples.any_index)
    gate_rules, certificate = _certified(gate_rules, gate, examples, certifying, unseen, rule_options)
    passed = gate_rules.proba(unseen.gate_z) >= gate_rules.threshold.value
    in_pool = pool_rows(unseen.Y, rule_options.negative_pool, passed)
    labeler_z = np.full((len(rows), len(plan.learned)), np.nan)
    if rule_options.negative_pool == FLAT:
        labeler_z, n_folds = unseen.gate_label_z, 0
    for fold in counted(range(n_folds), "labelers of folds", "folds"):
        # The rules need the pool, for the labeler's calibration, and the rows past the gate, for the merged one.
        training, scored = in_pool & (folds != fold), (in_pool | passed) & (folds == fold)
        # With a shared trunk the labeler starts from the gate of the same fold, which has not seen these rows either.
        labeler = stages.fit_labeler(examples, rows[folds != fold], rows[training], plan, fold_gates[fold], (fold,))
        labeler_z[scored] = labeler_log_odds(labeler, examples.X, rows[scored], plan)
    rules = fit_rules(examples.names, plan, gate_rules, unseen, lambda numbers: labeler_z[numbers], rule_options)
    labeler = stages.fit_labeler(examples, rows, rows[in_pool], plan, gate)
    counts = len(rows), len(rows)
    return Fitted(gate, labeler, rules, gate_rules.threshold, certificate, *counts, unseen, labeler_z, True)


def _kept_apart(stages: Stages, examples: TrainingSet, rule_options: RuleOptions) -> tuple[Rows, Rows]:
    """Return the rows that prove the gate's recall and are used for nothing else, and the rows for everything else."""
    rows = examples.labels.rows_with_known_label()
    _report_gate(examples, rows)
    if rule_options.gate_policy is None:
        return rows[:0], rows
    held = rule_options.gate_policy.rows(examples, rows, stages.random_state)
    return rows[held], rows[~held]


def _certified(
    gate_rules: GateRules,
    gate: Any,
    examples: TrainingSet,
    certifying: Rows,
    unseen: HeldOut,
    rule_options: RuleOptions,
) -> tuple[GateRules, Certificate | None]:
    """Replace the empirical gate threshold with the certified one, if there is a gate policy."""
    policy = rule_options.gate_policy
    if policy is None:
        if rule_options.negative_pool != FLAT:
            _report_costs(gate_rules.costs(unseen, examples.names))
        return gate_rules, None
    gate_z = gate_log_odds(gate, examples.X, certifying, 1 + unseen.gate_label_z.shape[1])[:, 0]
    # On calibrated probabilities, whose calibration was fitted on other rows: this is the gate as it will be used.
    proba = gate_rules.proba(gate_z)
    certificate = policy.certify(proba, examples, certifying, gate_rules.proba(unseen.gate_z))
    logger.info("certificate: %s", certificate.statement())
    highest = policy.thresholds(proba, examples, certifying)
    return gate_rules.certified_at(highest, proba, unseen, policy.recall), certificate


def _gate_out_of_fold(
    stages: Stages, examples: TrainingSet, rows: Rows, plan: LabelPlan, folds: Rows
) -> tuple[Floats, list[Any]]:
    """Return log-odds (len(rows), G) from gates that have not seen the row's fold, and these gates."""
    n_outputs = 1 + len(stages.gate_labels(plan, examples.known is not None))
    z = np.empty((len(rows), n_outputs))
    gates = []
    for fold in counted(range(int(folds.max()) + 1), "gates of folds", "folds"):
        gate = stages.fit_gate(examples, rows[folds != fold], plan, (fold,))
        z[folds == fold] = gate_log_odds(gate, examples.X, rows[folds == fold], n_outputs)
        gates.append(gate)
    return z, gates


def _passed_out_of_fold(
    stages: Stages,
    examples: TrainingSet,
    fitting: Rows,
    plan: LabelPlan,
    gate_rules: GateRules,
    rule_options: RuleOptions,
) -> Mask | None:
    """Mark the fitting rows that pass gates fitted without them; None unless the pool is "gated"."""
    if rule_options.negative_pool != "gated":
        return None
    # The final gate has learned that these rows have no label and would pass too few of them. The labeler would then
    # meet false alarms in use of which it has seen no example.
    groups = None if examples.groups is None else examples.groups[fitting]
    folds = grouped_folds(examples.Y[fitting], groups, POOL_FOLDS, stages.random_state)
    if len(np.unique(folds)) < POOL_FOLDS:
        raise DataError(f"`negative_pool='gated'` needs at least {POOL_FOLDS} groups to fit on. Received fewer.")
    z, _ = _gate_out_of_fold(stages, examples, fitting, plan, folds)
    # Gates fitted on fewer rows may have another scale, so their scores are calibrated separately. The threshold is
    # that of the final gate, since the labeler will be applied to rows past it.
    unseen = HeldOut.of(examples, fitting, z)
    fold_rules = fit_gate_rules(unseen, rule_options, examples.names, examples.any_index)
    return fold_rules.proba(unseen.gate_z) >= gate_rules.threshold.value


def _plan(examples: TrainingSet, trainings: list[Rows]) -> LabelPlan:
    """Plan the columns; a label is learned only if it varies in every set of training rows."""
    plans = [_plan_of(examples, rows) for rows in trainings]
    learned = plans[0].learned
    for plan in plans[1:]:
        learned = np.intersect1d(learned, plan.learned)
    # Shares and combinations need no model, so they are counted once, on the rows of all trainings together.
    everywhere = np.unique(np.concatenate(trainings))
    share, labels = _plan_of(examples, everywhere).share, examples.labels.part(everywhere)
    plan = planned(labels, examples.any_index, learned, share)
    _report_constant(labels, plan, examples.names)
    return plan


def _plan_of(examples: TrainingSet, rows: Rows) -> LabelPlan:
    return plan_labels(examples.labels.part(rows), examples.any_index, examples.extra(rows)["sample_weight"])


def _report_gate(examples: TrainingSet, rows: Rows) -> None:
    if examples.known is not None and examples.Y[examples.with_gate_target(rows)].any(axis=1).all():
        warnings.warn("no row is known to have no label: the gate learns nothing, every row is examined.", stacklevel=6)


def _report_unseen(fitting: Labels, calibrating: Labels, names: tuple[str, ...]) -> None:
    if not calibrating.any():
        warnings.warn("no held-out row has a label: every row is examined, nothing is calibrated.", stacklevel=5)
        return
    for k in np.flatnonzero(fitting.any(axis=0) & ~calibrating.any(axis=0)):
        warnings.warn(
            f"label {names[k]!r} has no positive among the held-out rows: it is not calibrated, and its decision "
            "threshold and the gate threshold are chosen without its positives.",
            stacklevel=5,
        )


def _report_costs(costs: GateCosts) -> None:
    logger.info("gate: of the held-out rows, %s", costs.sentence())
    for cost in costs.unproven():
        # Where all positives are kept, a lower threshold would prove nothing more.
        level = logging.INFO if cost.kept == cost.positives else logging.WARNING
        sentence = (
            "label %r: the recall at the gate has a lower bound of %.3f instead of %.3g. To prove more, %d held-out "
            "positives would cost more than a tenth of the rows; `gate_recall={%r: 1}` keeps all of them."
        )
        logger.log(level, sentence, cost.label, cost.bound, cost.recall, cost.positives, cost.label)
    opening = costs.opening()
    if opening is not None and costs.share_past_gate - opening[1] >= COSTLY:
        cost, without = opening
        logger.warning(
            "label %r alone opens the gate from %.0f to %.0f %% of the held-out rows. If it is not worth that, lower "
            "its recall, for instance `gate_recall={%r: 0}`.",
            cost.label,
            100 * without,
            100 * costs.share_past_gate,
            cost.label,
        )


def _report_constant(labels: LabelMatrix, plan: LabelPlan, names: tuple[str, ...]) -> None:
    for k in sorted(set(range(labels.shape[1])) - set(plan.learned.tolist()) - {plan.any_index}):
        has_label = labels.has_label()[labels.rows_knowing(k)]
        count, rows = int(labels.values[:, k].sum()), int(has_label.sum())
        # "too seldom": it varies over all rows, but is constant in the training rows of some fold.
        seldom = "never" if count == 0 else "always" if count == rows else "too seldom"
        reason = (
            f"{seldom} occurs among training rows with a label" if len(has_label) else "is known on no training row"
        )
        warnings.warn(
            f"label {names[k]!r} {reason}; it is predicted as its smoothed share {plan.share[k]:.3g} times the gate's "
            "probability.",
            stacklevel=6,
        )
