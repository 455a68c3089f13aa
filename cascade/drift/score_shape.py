"""Did the gate's scores move or spread within both classes? Such a change looks like another prevalence."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from scipy.interpolate import PchipInterpolator
from scipy.special import chdtrc, expit, logit

from cascade.drift.counts import GATE, GATE_WITH, GATE_WITHOUT, Histogram
from cascade.drift.effects import verdict_of
from cascade.drift.finding import DriftFinding
from cascade.drift.profile import TrainingProfile
from cascade.utils.types import Floats

FACTOR = (1.2, 1.5)
"""Factor between the estimated prevalence with and without a change of the scores: an estimate that may be a fifth too
high or low is warned of, one that may be half too high is refused."""

GATES = 0.5
"""Factor on the independent rows. Scores of training rows come from other gates than those of new rows, out of fold, so
they differ by the noise of two fits as well; `benchmarks/adapt_shift.py` measures the level that results."""

LEAST = 1e-6
"""Share of the rows that each bin has at least, so that a row where training had none has a finite likelihood."""

Change = Callable[[Floats, float], Floats]
"""Returns the values (B,) that training had where scores are `edges` (B,) after a change of a given size."""


def shape_findings(
    profile: TrainingProfile, current: Histogram, prevalence: float, level: float
) -> Iterator[DriftFinding]:
    """Compare a mixture of the two training classes with one whose scores moved, or spread, in both classes.

    Parameters
    ----------
    profile : TrainingProfile
    current : Histogram
        The gate's scores of the new rows, in the bins of the profile.
    prevalence : float
        Estimated without a change of scores.
    level : float
        Probability of at least one finding that is not "none" if only the prevalence changed.

    Notes
    -----
    The likelihood of the counts is maximised over the prevalence alone, and over the prevalence and a change. Twice
    the difference of the logarithms has a chi-square distribution of one degree of freedom if there is no change
    (Wilks 1938). It is scaled by the independent rows of both samples, and for the noise of the gates. The size of
    the effect is the factor between both estimates of the prevalence: what matters is how wrong it would be.

    References
    ----------
    Wilks (1938), The large-sample distribution of the likelihood ratio for testing composite hypotheses.
    """
    mixture = _Mixture(profile, current)
    for what, change in (("shift", mixture.shifted), ("spread", mixture.spread)):
        factor, p_value = mixture.compared(change, prevalence)
        verdict = verdict_of(max(factor, 1 / factor), FACTOR, beyond_chance=p_value < level / 2)
        sentence = (
            f"{what} of the gate score within classes: with one, the prevalence would be {prevalence / factor:.3g} "
            f"instead of {prevalence:.3g} (p-value of no {what} {p_value:.2g})"
        )
        yield DriftFinding(f"{what} of the gate score within classes", "factor", factor, verdict, sentence)


class _Mixture:
    """The likelihood of binned scores, as a mixture of the two classes of training."""

    def __init__(self, profile: TrainingProfile, current: Histogram) -> None:
        with_label, without = profile.histogram(GATE_WITH), profile.histogram(GATE_WITHOUT)
        # For mypy: a profile that can be compared has the scores of both classes.
        assert with_label is not None
        assert without is not None
        points = np.array(with_label.edges)
        self.lines = [_below(points, each) for each in (with_label, without)]
        # Without the extremes of training: a line to the extreme has the wrong density there, and a small shift would
        # leave too many rows beyond it.
        self.edges, self.range = points[1:-1], (points[0], points[-1])
        counts = np.array(current.counts[:-1], dtype=np.float64)
        self.counts = np.concatenate([[counts[:2].sum()], counts[2:-2], [counts[-2:].sum()]])
        self.effective = (with_label.effective, without.effective, current.effective)
        inner, centres = counts[1:-1], (points[1:] + points[:-1]) / 2
        self.middle = float(inner @ centres / max(inner.sum(), 1.0))
        self.scale = float(np.sqrt(inner @ (centres - self.middle) ** 2 / max(inner.sum(), 1.0))) or 1.0

    def shifted(self, edges: Floats, size: float) -> Floats:
        return edges - size * self.scale

    def spread(self, edges: Floats, size: float) -> Floats:
        moved: Floats = self.middle + (edges - self.middle) * np.exp(-size)
        return moved

    def loss(self, prevalence: float, edges: Floats) -> float:
        """Return minus the log-likelihood where training had its `edges` elsewhere."""
        shares = [line(np.clip(edges, *self.range)) for line in self.lines]
        below = prevalence * shares[0] + (1 - prevalence) * shares[1]
        cells = np.maximum(np.diff(np.concatenate([[0.0], below, [1.0]])), 0.0) + LEAST
        return -float(self.counts @ np.log(cells / cells.sum()))

    def compared(self, change: Change, prevalence: float) -> tuple[float, float]:
        """Return the factor between the estimates without and with a change, and the p-value of no change."""
        # Imported here, since only `adapt` needs it.
        from scipy.optimize import minimize

        def plain(at: Floats) -> float:
            return self.loss(_share(at[0]), self.edges)

        def changed(at: Floats) -> float:
            return self.loss(_share(at[0]), change(self.edges, float(at[1])))

        start = float(logit(np.clip(prevalence, 1e-4, 1 - 1e-4)))
        alone = minimize(plain, [start], method="Nelder-Mead")
        # From two places, since the likelihood may have two maxima: another prevalence, or a change.
        # The simplex is given, since the default one has no extent where a start is 0.
        starts = [np.array([alone.x[0] - by, 0.0]) for by in (0.0, 0.7)]
        corners = np.array([[0.0, 0.0], [0.2, 0.0], [0.0, 0.2]])
        found = [
            minimize(changed, start, method="Nelder-Mead", options={"initial_simplex": start + corners})
            for start in starts
        ]
        best = min(found, key=lambda one: float(one.fun))
        with_label, without, current = self.effective
        q = _share(alone.x[0])
        # Bins of training vary as well, and rows of a group vary together.
        rows = 1 / (1 / current + q**2 / with_label + (1 - q) ** 2 / without)
        statistic = 2 * GATES * max(float(alone.fun - best.fun), 0.0) * rows / self.counts.sum()
        return q / _share(best.x[0]), float(chdtrc(1, statistic))


def _below(points: Floats, histogram: Histogram) -> PchipInterpolator:
    """Return the share of a class below a score: smooth, rising, and exact at the edges of its bins."""
    counts = np.array(histogram.counts[:-1], dtype=np.float64)
    return PchipInterpolator(points, np.cumsum(counts)[:-1] / counts.sum())


def _share(z: float) -> float:
    """Return the share of log-odds, not so near to 0 or 1 that a factor between two of them overflows."""
    return float(np.clip(expit(z), LEAST, 1 - LEAST))


def can_compare(profile: TrainingProfile) -> bool:
    """Return whether a profile has the scores of both classes, in at least three bins."""
    parts = [profile.histogram(kind) for kind in (GATE, GATE_WITH, GATE_WITHOUT)]
    return all(part is not None and len(part.edges) > 3 and sum(part.counts[:-1]) > 0 for part in parts)
