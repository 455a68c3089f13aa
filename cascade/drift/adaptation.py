"""Adapt a cascade to a site where another share of rows has a label, known or estimated from rows without labels."""

from __future__ import annotations

import warnings
from dataclasses import asdict
from typing import Any

from numpy.typing import ArrayLike

from cascade.data.rows import n_rows
from cascade.data.splits import group_numbers
from cascade.drift.assumption import mix_findings, mixture_findings
from cascade.drift.finding import LARGE, NONE, Finding
from cascade.drift.prevalence import PrevalenceEstimate, estimate_prevalence
from cascade.errors import DataError
from cascade.predictor import CascadePredictor
from cascade.rules.rules import Rules, Scores
from cascade.utils.types import Rows

MOST_UNSURE = 2.0
"""Factor between an estimate and an end of its interval beyond which rows do not tell a prevalence."""
FEWEST_ROWS = 20


def adapt_to_prevalence(predictor: CascadePredictor, prevalence: float) -> CascadePredictor:
    """Adapt to a share that is known; see `CascadePredictor.adapt`."""
    rules = predictor.rules.at_prevalence(prevalence)
    return _with_rules(predictor, rules, {"prevalence": float(prevalence), "by": "given"})


def adapt_to_rows(predictor: CascadePredictor, X: Any, groups: ArrayLike | None) -> CascadePredictor:
    """Adapt to a share that is estimated from rows; see `CascadePredictor.adapt`."""
    source, group = predictor.rules.prior_shift().source, group_numbers(groups, n_rows(X))
    if len(group) < FEWEST_ROWS:
        raise DataError(f"`X` must hold at least {FEWEST_ROWS} rows to estimate a prevalence. Received {len(group)}.")
    scores = predictor.score(X)
    found = _sure(estimate_prevalence(predictor.rules.gate_proba(scores.gate_z), source, group))
    mixture = _mixture(predictor, scores, group, found.value)
    rules = predictor.rules.at_prevalence(found.value)
    findings = [*mixture, *_mix(predictor, rules, scores, group)]
    for finding in findings:
        if finding.verdict != NONE:
            warnings.warn(f"rows of another prevalence alone would not show this: {finding.sentence}", stacklevel=3)
    told = {"prevalence": found.value, "interval": [found.low, found.high], "rows": found.rows, "by": "estimate"}
    return _with_rules(predictor, rules, told | {"checks": [asdict(each) for each in findings]})


def _sure(found: PrevalenceEstimate) -> PrevalenceEstimate:
    if found.unsure > MOST_UNSURE:
        raise DataError(
            f"`X` does not tell the prevalence: {found.value:.3g}, anything from {found.low:.3g} to {found.high:.3g}; "
            "give more rows, or `prevalence`."
        )
    return found


def _mixture(predictor: CascadePredictor, scores: Scores, group: Rows, prevalence: float) -> list[Finding]:
    """Compare the gate's scores with those expected; refuse rows that it has never seen the like of."""
    if predictor.profile is None:
        return []
    findings = list(mixture_findings(predictor.profile, scores.gate_z, group, prevalence))
    for finding in findings:
        if finding.verdict == LARGE:
            raise DataError(
                f"`X` differs from training in more than prevalence ({finding.sentence}); give `prevalence` if you "
                "know it, or train on such rows."
            )
    return findings


def _mix(predictor: CascadePredictor, rules: Rules, scores: Scores, group: Rows) -> list[Finding]:
    """Compare the mix of labels among rows with a label with that of training."""
    if predictor.profile is None:
        return []
    gate = rules.gate_proba(scores.gate_z)
    proba = rules.proba(gate, scores.passed, scores.labeler_z)
    return list(mix_findings(rules, predictor.profile, proba, rules.any_of(proba, rules.served(gate)), group))


def _with_rules(predictor: CascadePredictor, rules: Rules, told: dict[str, Any]) -> CascadePredictor:
    provenance = predictor.provenance | {"adapted": told}
    return CascadePredictor(
        predictor.gate, predictor.labeler, rules, predictor.signature, provenance, predictor.certificate
    )
