"""The profile that a cascade keeps of the data it was fitted on."""

from __future__ import annotations

from cascade.data.splits import group_numbers
from cascade.drift.making import assemble, classes_of, prevalence_shares
from cascade.drift.profile import HELD_OUT, OUT_OF_FOLD, TrainingProfile
from cascade.drift.scored import Scored
from cascade.fitting.fit import Fitted
from cascade.fitting.training_set import Examples


def training_profile(examples: Examples, fitted: Fitted) -> TrainingProfile:
    """Count all training rows, and scores of those that the rules were fitted on.

    Gate and labeler have not seen these, or answered for them out of fold; scores of rows that a model was fitted on
    would be surer than any that it gives later.
    """
    groups = None if examples.groups is None else group_numbers(examples.groups, len(examples.Y))
    of_rows = OUT_OF_FOLD if fitted.out_of_fold else HELD_OUT
    prevalences = tuple(prevalence_shares(examples))
    return assemble(examples.X, groups, None, prevalences, _held_out(fitted), of_rows)


def _held_out(fitted: Fitted) -> Scored:
    held, rules, scores = fitted.held, fitted.rules, fitted.scores
    classes = classes_of(held.Y, held.settled)
    bits = rules.bits(rules.proba(rules.gate_proba(held.gate_z), scores.passed, scores.labeler_z), scores.passed)
    return Scored(held.gate_z, scores.passed, bits, held.group, rules.labels, *classes)
