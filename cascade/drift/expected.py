"""The profile to expect at another prevalence than that of training."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from cascade.drift.counts import (
    GATE,
    GATE_WITH,
    GATE_WITHOUT,
    OF_ROWS,
    PAST_GATE,
    PAST_GATE_WITH,
    PAST_GATE_WITHOUT,
    Histogram,
    Share,
)
from cascade.drift.profile import TrainingProfile
from cascade.rules.probability.prior_shift import PriorShift


def expected_profile(profile: TrainingProfile | None, shift: PriorShift | None) -> TrainingProfile | None:
    """Return the profile to expect at the prevalence that rules were adapted to; None if the model has no profile."""
    if profile is None or shift is None or shift.is_none:
        return profile
    return at_prevalence(profile, shift.target)


def at_prevalence(profile: TrainingProfile, prevalence: float) -> TrainingProfile:
    """Mix the two classes of a profile at another prevalence.

    Parameters
    ----------
    profile : TrainingProfile
        Profile of scored and labelled rows of both classes.
    prevalence : float in (0, 1)

    Returns
    -------
    TrainingProfile
        Profile with the gate's scores, the share past the gate, and unchanged features, which a profile does not
        keep per class. Prevalences of labels and shares of predictions are left out.
    """
    shares = {each.kind: each for each in profile.shares}
    scores = {each.kind: each for each in profile.histograms}
    share = _mixed_share(shares[PAST_GATE_WITH], shares[PAST_GATE_WITHOUT], prevalence)
    gate = _mixed_histogram(scores[GATE_WITH], scores[GATE_WITHOUT], prevalence)
    features = tuple(each for each in profile.histograms if each.kind in OF_ROWS)
    return replace(profile, shares=(share,), histograms=(gate, *features))


def _mixed_share(with_label: Share, without: Share, prevalence: float) -> Share:
    rows = with_label.rows + without.rows
    # Law of total probability: p(past gate | class) is assumed unchanged, and only the classes' shares move.
    value = prevalence * with_label.value + (1 - prevalence) * without.value
    effective = _effective(with_label, without, prevalence)
    return Share(PAST_GATE, "", round(rows * value), rows, min(effective, float(rows)))


def _mixed_histogram(with_label: Histogram, without: Histogram, prevalence: float) -> Histogram:
    rows = with_label.rows + without.rows
    mixed = sum(
        weight * np.array(side.counts) / side.rows
        for weight, side in ((prevalence, with_label), (1 - prevalence, without))
    )
    # Counts have to be whole numbers in a profile. Each is rounded, so their sum can differ slightly from `rows`.
    counts = tuple(map(int, np.round(rows * mixed)))
    return Histogram(GATE, "", with_label.edges, counts, min(_effective(with_label, without, prevalence), sum(counts)))


def _effective(with_label: Share | Histogram, without: Share | Histogram, prevalence: float) -> float:
    """Return the effective rows of a weighted sum of two shares: variances add with squared weights."""
    return 1 / (prevalence**2 / with_label.effective + (1 - prevalence) ** 2 / without.effective)
