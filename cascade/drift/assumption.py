"""What unlabelled rows can say against p(x | a) being that of training, which adapting to a prevalence assumes."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from cascade.drift.clusters import count_histogram
from cascade.drift.compare import LEVEL, histogram_findings
from cascade.drift.counts import GATE, PREVALENCE
from cascade.drift.effects import RATIO, share_ratio, verdict_of
from cascade.drift.expected import at_prevalence
from cascade.drift.finding import DriftFinding
from cascade.drift.profile import TrainingProfile
from cascade.metrics.bootstrap import ratio_interval
from cascade.rules.rules import Rules
from cascade.utils.types import Floats, Rows

MIX = "share among rows with a label of"


def mixture_findings(
    profile: TrainingProfile, gate_z: Floats, group: Rows, prevalence: float
) -> Iterator[DriftFinding]:
    """Compare the gate's scores with the mixture of training's two classes that the prevalence makes of them.

    Parameters
    ----------
    profile : TrainingProfile
    gate_z : ndarray of float, shape (n,)
        The gate's log-odds, before any calibration.
    group : ndarray of int, shape (n,)
    prevalence : float

    Notes
    -----
    A gate whose scores of rows without a label went up shows a prevalence that went up, until one looks at the whole
    distribution: no share of the two known ones fits it.
    """
    expected = at_prevalence(profile, prevalence).histogram(GATE)
    assert expected is not None
    current = count_histogram(GATE, "", gate_z, np.array(expected.edges), group)
    yield from histogram_findings(expected, current, LEVEL / 2)


def mix_findings(
    rules: Rules, profile: TrainingProfile, proba: Floats, any_proba: Floats, group: Rows
) -> Iterator[DriftFinding]:
    """Compare each label's share among rows with a label, as the labeler sees it, with that of training.

    Parameters
    ----------
    rules : Rules
    profile : TrainingProfile
    proba, any_proba : ndarray of float, shapes (n, L) and (n,)
        At the prevalence adapted to.
    group : ndarray of int, shape (n,)

    Notes
    -----
    Sums of probabilities lean towards the mix of training, so a small change of the mix is not seen.
    """
    learned = rules.plan.learned
    if not len(learned):
        return
    below = np.repeat(any_proba[:, None], len(learned), axis=1)
    above = proba[:, learned]
    bounds = ratio_interval(above, below, group)
    for k, low, high, share in zip(learned, *bounds, above.sum(axis=0) / below.sum(axis=0), strict=True):
        trained = profile.share(PREVALENCE, rules.label_names[k])
        if trained is not None and 0 < share < 1 and high > low:
            spread = (high - low) / (2 * 1.96)
            sides = (float(rules.plan.share[k]), trained.effective * rules.prior_shift().source)
            yield _mix(
                rules.label_names[k], sides, (float(share), float(share * (1 - share) / spread**2)), len(learned)
            )


def _mix(label: str, trained: tuple[float, float], current: tuple[float, float], n_labels: int) -> DriftFinding:
    ratio, low, high = share_ratio(trained, current, LEVEL / n_labels / 2)
    verdict = verdict_of(max(ratio, 1 / ratio), RATIO, beyond_chance=not low <= 1 <= high)
    told = f"{current[0]:.3g}, {trained[0]:.3g} in training: {ratio:.3g} times ({low:.3g} to {high:.3g})"
    return DriftFinding(f"{MIX} {label!r}", "ratio", ratio, verdict, f"{MIX} {label!r}: {told}")
