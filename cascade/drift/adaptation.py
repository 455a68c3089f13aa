"""Adapt rules to another prevalence, which is given or estimated from rows without labels."""

from __future__ import annotations

import warnings
from dataclasses import asdict, dataclass
from typing import Any

from cascade.drift.assumption import feature_findings, mix_findings, mixture_findings
from cascade.drift.finding import LARGE, NONE, DriftFinding
from cascade.drift.prevalence import PrevalenceEstimate, estimate_prevalence
from cascade.drift.profile import TrainingProfile
from cascade.errors import DataError
from cascade.rules.rules import Rules, Scores
from cascade.utils.types import Rows

MOST_FACTOR = 2.0
"""Largest factor between an estimate and an end of its interval; beyond it, rows do not determine a prevalence."""
FEWEST_ROWS = 20


@dataclass(frozen=True)
class Adapted:
    """Rules adapted to another prevalence.

    Attributes
    ----------
    rules : Rules
    record : dict
        The prevalence, its source, its interval and the checks of the assumption, as plain data.
    """

    rules: Rules
    record: dict[str, Any]


def adapt_to_prevalence(rules: Rules, prevalence: float) -> Adapted:
    """Adapt to a given prevalence, the share of rows with a label; see `CascadePredictor.adapt`."""
    return Adapted(rules.at_prevalence(prevalence), {"prevalence": float(prevalence), "by": "given"})


def check_adaptable(rules: Rules, n_rows: int) -> None:
    """Refuse what needs no scores to be refused.

    Raises
    ------
    ConfigError
        If the prevalence in training is not known.
    DataError
        If there are too few rows to estimate a prevalence.
    """
    rules.prior_shift()
    if n_rows < FEWEST_ROWS:
        raise DataError(f"`X` must hold at least {FEWEST_ROWS} rows to estimate a prevalence. Received {n_rows}.")


def adapt_to_rows(
    rules: Rules, profile: TrainingProfile | None, current: TrainingProfile | None, scores: Scores, group: Rows
) -> Adapted:
    """Adapt to the prevalence that is estimated from scores; see `CascadePredictor.adapt`.

    Parameters
    ----------
    rules : Rules
        Fitted rules, which may have been adapted before.
    profile : TrainingProfile or None
        Profile of the training data. None if the model has none; the assumption is then not checked.
    current : TrainingProfile or None
        Features of the new rows in the bins of `profile`.
    scores : Scores
        Scores of n rows of the new site.
    group : ndarray of int, shape (n,)

    Raises
    ------
    ConfigError
        If the prevalence in training is not known.
    DataError
        If the rows do not determine a prevalence, or contradict the assumption.

    Warns
    -----
    UserWarning
        If the rows are evidence against the assumption.
    """
    # The prevalence of training, also for rules that were adapted before: shifts do not accumulate.
    source = rules.prior_shift().source
    estimate = _precise(estimate_prevalence(rules.gate_proba(scores.gate_z), source, group))
    # Before any rules are adapted: a bad fit to the two classes of training makes the estimate meaningless.
    findings = _mixture(profile, scores, group, estimate.value)
    # The mix of labels is compared at the new prevalence, since it depends on how many rows have a label.
    adapted = rules.at_prevalence(estimate.value)
    findings += _mix(profile, adapted, scores, group)
    if profile is not None and current is not None:
        # Features only warn: one that the models hardly use may differ at every site.
        findings += [
            each for each in feature_findings(profile, current, abs(estimate.value - source)) if each.verdict != NONE
        ]
    for finding in findings:
        if finding.verdict != NONE:
            warnings.warn(f"a change of prevalence alone does not explain this: {finding.sentence}", stacklevel=3)
    record = {
        "prevalence": estimate.value,
        "interval": [estimate.low, estimate.high],
        "rows": estimate.rows,
        "by": "estimate",
        "checks": [asdict(each) for each in findings],
    }
    return Adapted(adapted, record)


def _precise(estimate: PrevalenceEstimate) -> PrevalenceEstimate:
    """Return the estimate if its interval is narrow enough."""
    if estimate.factor > MOST_FACTOR:
        raise DataError(
            f"`X` must determine the prevalence within a factor of {MOST_FACTOR:g}. Received an estimate of "
            f"{estimate.value:.3g} ({estimate.low:.3g} to {estimate.high:.3g}); give more rows, or `prevalence`."
        )
    return estimate


def _mixture(profile: TrainingProfile | None, scores: Scores, group: Rows, prevalence: float) -> list[DriftFinding]:
    """Compare the gate's scores with those expected; raise if rows resemble neither class of the training data."""
    if profile is None:
        return []
    findings = list(mixture_findings(profile, scores.gate_z, group, prevalence))
    for finding in findings:
        if finding.verdict == LARGE:
            raise DataError(
                f"`X` differs from training in more than prevalence ({finding.sentence}); give `prevalence` if you "
                "know it, or train on such rows."
            )
    return findings


def _mix(profile: TrainingProfile | None, rules: Rules, scores: Scores, group: Rows) -> list[DriftFinding]:
    """Compare the shares of labels among rows with a label with those of training."""
    if profile is None:
        return []
    predicted = rules.predict(scores)
    any_proba = rules.any_of(predicted.proba, predicted.gate_proba)
    return list(mix_findings(rules, profile, predicted.proba, any_proba, group))
