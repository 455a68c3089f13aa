"""Checks on unlabelled rows of the assumption behind adapting: p(x | a) is the same as in training."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from cascade.drift.clusters import count_histogram
from cascade.drift.compare import LEVEL, histogram_findings
from cascade.drift.counts import GATE, OF_ROWS, PREVALENCE
from cascade.drift.effects import DISTANCE, RATIO, share_ratio, smirnov_distance, smirnov_level, verdict_of
from cascade.drift.expected import at_prevalence
from cascade.drift.finding import DriftFinding
from cascade.drift.profile import TrainingProfile
from cascade.drift.score_shape import can_compare, shape_findings
from cascade.metrics.bootstrap import ratio_interval
from cascade.rules.rules import Rules
from cascade.utils.types import Floats, Rows

MIX = "share among rows with a label of"


def mixture_findings(
    profile: TrainingProfile, gate_z: Floats, group: Rows, prevalence: float
) -> Iterator[DriftFinding]:
    """Compare the gate's scores with the mixture of the two training classes at a prevalence.

    Parameters
    ----------
    profile : TrainingProfile
    gate_z : ndarray of float, shape (n,)
        The gate's log-odds, before any calibration.
    group : ndarray of int, shape (n,)
    prevalence : float

    Notes
    -----
    If only scores of rows without a label increase, the estimated prevalence increases as well. The whole
    distribution of scores reveals this: no mixture of the two training distributions fits it. A small shift of all
    scores is nearly such a mixture, so it is looked for on its own; see `cascade.drift.score_shape`.
    """
    expected = at_prevalence(profile, prevalence).histogram(GATE)
    # For mypy: `at_prevalence` always returns a histogram of the gate's scores.
    assert expected is not None
    current = count_histogram(GATE, "", gate_z, np.array(expected.edges), group)
    # Four findings per histogram: a quarter of the level for each keeps the level of all together (Bonferroni).
    yield from histogram_findings(expected, current, LEVEL / 4)
    if can_compare(profile):
        yield from shape_findings(profile, current, prevalence, LEVEL / 2)


def feature_findings(profile: TrainingProfile, current: TrainingProfile, change: float) -> Iterator[DriftFinding]:
    """Compare features with training, beyond what a change of prevalence can cause.

    Parameters
    ----------
    profile, current : TrainingProfile
        Of the training data and of the new rows, in the same bins.
    change : float
        Absolute change of the prevalence.

    Notes
    -----
    If only the prevalence changes by d, the distribution of a feature changes by d times the difference of its
    distributions in the two classes. No Kolmogorov-Smirnov distance is then above abs(d), whatever that difference is.
    """
    features = [each for each in profile.histograms if each.kind in OF_ROWS]
    pairs = [(each, current.histogram(each.kind, each.name)) for each in features]
    level = LEVEL / max(len(pairs), 1)
    for trained, now in pairs:
        sides = [np.array(side.counts[:-1], dtype=np.float64) for side in (trained, now) if side is not None]
        if now is None or not all(side.sum() for side in sides):
            continue
        beyond = max(smirnov_distance(*sides) - change, 0.0)
        verdict = verdict_of(beyond, DISTANCE, smirnov_level(beyond, (trained.effective, now.effective)) < level)
        sentence = f"{now.what}: Kolmogorov-Smirnov distance {beyond:.3g} beyond the change of prevalence"
        yield DriftFinding(now.what, "Kolmogorov-Smirnov distance", beyond, verdict, sentence)


def mix_findings(
    rules: Rules, profile: TrainingProfile, proba: Floats, any_proba: Floats, group: Rows
) -> Iterator[DriftFinding]:
    """Compare the share of each label among rows with a label, by the labeler's probabilities, with training.

    Parameters
    ----------
    rules : Rules
    profile : TrainingProfile
    proba, any_proba : ndarray of float, shapes (n, L) and (n,)
        Probabilities at the new prevalence.
    group : ndarray of int, shape (n,)

    Notes
    -----
    Sums of probabilities are biased towards the shares of training, so small changes are not detected.
    """
    learned = rules.plan.learned
    if not len(learned):
        return
    # p(label) / p(any), both summed: the share among rows with a label, without deciding which rows those are.
    below = np.repeat(any_proba[:, None], len(learned), axis=1)
    above = proba[:, learned]
    bounds = ratio_interval(above, below, group)
    for k, low, high, share in zip(learned, *bounds, above.sum(axis=0) / below.sum(axis=0), strict=True):
        trained = profile.share(PREVALENCE, rules.label_names[k])
        if trained is not None and 0 < share < 1 and high > low:
            # The bootstrap gives a standard error; as effective rows, s (1 - s) / se^2, it fits the ratio's interval.
            spread = (high - low) / (2 * 1.96)
            sides = (float(rules.plan.share[k]), trained.effective * rules.prior_shift().source)
            yield _mix(
                rules.label_names[k], sides, (float(share), float(share * (1 - share) / spread**2)), len(learned)
            )


def _mix(label: str, trained: tuple[float, float], current: tuple[float, float], n_labels: int) -> DriftFinding:
    ratio, low, high = share_ratio(trained, current, LEVEL / n_labels / 2)
    verdict = verdict_of(max(ratio, 1 / ratio), RATIO, beyond_chance=not low <= 1 <= high)
    text = f"{current[0]:.3g}, {trained[0]:.3g} in training: {ratio:.3g} times ({low:.3g} to {high:.3g})"
    return DriftFinding(f"{MIX} {label!r}", "ratio", ratio, verdict, f"{MIX} {label!r}: {text}")
