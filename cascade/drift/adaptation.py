"""Adapt rules to a site where another share of rows has a label, given or estimated from rows without labels."""

from __future__ import annotations

import warnings
from dataclasses import asdict, dataclass
from typing import Any

from cascade.drift.assumption import mix_findings, mixture_findings
from cascade.drift.finding import LARGE, NONE, DriftFinding
from cascade.drift.prevalence import PrevalenceEstimate, estimate_prevalence
from cascade.drift.profile import TrainingProfile
from cascade.errors import DataError
from cascade.rules.rules import Rules, Scores
from cascade.utils.types import Rows

MOST_UNSURE = 2.0
"""Factor between an estimate and an end of its interval beyond which rows do not determine a prevalence."""
FEWEST_ROWS = 20


@dataclass(frozen=True)
class Adapted:
    """Rules at another prevalence.

    Attributes
    ----------
    rules : Rules
    record : dict
        The prevalence, how it was found, its interval and the checks of the assumption, as plain data.
    """

    rules: Rules
    record: dict[str, Any]


def adapt_to_prevalence(rules: Rules, prevalence: float) -> Adapted:
    """Adapt to a given share of rows with a label; see `CascadePredictor.adapt`."""
    return Adapted(rules.at_prevalence(prevalence), {"prevalence": float(prevalence), "by": "given"})


def adapt_to_rows(rules: Rules, profile: TrainingProfile | None, scores: Scores, group: Rows) -> Adapted:
    """Adapt to the share of rows with a label that is estimated from scores; see `CascadePredictor.adapt`.

    Parameters
    ----------
    rules : Rules
        As fitted, or adapted before.
    profile : TrainingProfile or None
        Of the training data; None where a model keeps none, and nothing is checked.
    scores : Scores
        Of n rows of the new site.
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
        If the rows speak against the assumption.
    """
    source = rules.prior_shift().source
    if len(group) < FEWEST_ROWS:
        raise DataError(f"`X` must hold at least {FEWEST_ROWS} rows to estimate a prevalence. Received {len(group)}.")
    estimate = _precise(estimate_prevalence(rules.gate_proba(scores.gate_z), source, group))
    findings = _mixture(profile, scores, group, estimate.value)
    adapted = rules.at_prevalence(estimate.value)
    findings += _mix(profile, adapted, scores, group)
    for finding in findings:
        if finding.verdict != NONE:
            warnings.warn(f"rows of another prevalence alone would not show this: {finding.sentence}", stacklevel=3)
    record = {
        "prevalence": estimate.value,
        "interval": [estimate.low, estimate.high],
        "rows": estimate.rows,
        "by": "estimate",
        "checks": [asdict(each) for each in findings],
    }
    return Adapted(adapted, record)


def _precise(found: PrevalenceEstimate) -> PrevalenceEstimate:
    if found.unsure > MOST_UNSURE:
        raise DataError(
            f"`X` does not tell the prevalence: {found.value:.3g}, anything from {found.low:.3g} to {found.high:.3g}; "
            "give more rows, or `prevalence`."
        )
    return found


def _mixture(profile: TrainingProfile | None, scores: Scores, group: Rows, prevalence: float) -> list[DriftFinding]:
    """Compare the gate's scores with those expected; refuse rows unlike both classes of the training data."""
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
    """Compare the mix of labels among rows with a label with that of training."""
    if profile is None:
        return []
    predicted = rules.predict(scores)
    any_proba = rules.any_of(predicted.proba, predicted.gate_proba)
    return list(mix_findings(rules, profile, predicted.proba, any_proba, group))
