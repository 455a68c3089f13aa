"""Compare two profiles: effect sizes with verdicts, at one level of chance for all quantities together."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from cascade.drift.counts import CATEGORY, EMPTY_TEXT, FEATURE, NEW_CATEGORY, Histogram, Share
from cascade.drift.effects import (
    DISTANCE,
    RATIO,
    STABILITY,
    homogeneity_level,
    joined_cells,
    share_ratio,
    smallest_distance,
    smirnov_distance,
    smirnov_level,
    stability_index,
    verdict_of,
)
from cascade.drift.finding import LARGE, NONE, DriftFinding, DriftReport
from cascade.drift.profile import TrainingProfile
from cascade.errors import ConfigError, DataError
from cascade.utils.types import Floats

MOST_RATIO = 1e6
LEVEL = 0.05
"""Probability of at least one finding if nothing drifted."""


def compare_profiles(reference: TrainingProfile, current: TrainingProfile, level: float = LEVEL) -> DriftReport:
    """Compare the quantities that two profiles share.

    Parameters
    ----------
    reference : TrainingProfile
        Profile of the data that a model was trained on.
    current : TrainingProfile
        Profile made with `like=reference`.
    level : float in (0, 1)
        Probability of at least one finding if nothing drifted, over all quantities together (Bonferroni).

    Returns
    -------
    DriftReport

    Raises
    ------
    DataError
        If the two profiles have different bins.

    Notes
    -----
    Histograms are compared by the population stability index and, except those of categories, by the
    Kolmogorov-Smirnov distance in bins. Shares, also those of new categories and of empty texts, are compared by
    their ratio with an interval. Thresholds apply to effects and do not depend on the number of quantities or rows.
    The level of each test is `level` divided by the number of quantities.

    Examples
    --------
    >>> from cascade.drift import profile_of
    >>> rng = np.random.default_rng(0)
    >>> training, later = rng.normal(size=(4000, 1)), rng.normal(0.8, 1, size=(4000, 1))
    >>> profile = profile_of(training, feature_names=("age",))
    >>> print(compare_profiles(profile, profile_of(later, feature_names=("age",), like=profile)).table())
    large     feature 'age': population stability index 0.649, large from 0.25 on
    large     feature 'age': Kolmogorov-Smirnov distance 0.32, large from 0.2 on
    2 of 4 quantities drifted
    """
    if not 0 < level < 1:
        raise ConfigError(f"`level` must be between 0 and 1, both excluded. Received {level!r}.")
    shares = [(each, share) for each in reference.shares if (share := current.share(each.kind, each.name))]
    histograms = [
        (each, histogram) for each in reference.histograms if (histogram := current.histogram(each.kind, each.name))
    ]
    # A histogram is tested twice, by index and by distance, so it counts as two.
    derived = [tuple(cell_shares(side, reference) for side in pair) for pair in histograms]
    shares += [pair for one, other in derived for pair in zip(one, other, strict=True)]
    level_of_each = level / max(1, len(shares) + 2 * len(histograms))
    findings = [*_rows(reference, current)]
    findings += [_share(*pair, level_of_each) for pair in shares]
    findings += [finding for pair in histograms for finding in histogram_findings(*pair, level_of_each)]
    return DriftReport(tuple(findings), _too_few(histograms, level_of_each))


def cell_shares(histogram: Histogram, reference: TrainingProfile) -> list[Share]:
    """Return the share of new categories of a histogram, or of empty texts; none for other histograms.

    Both are cells of the histogram. As one cell among many they hardly move its index, however much they matter.
    """
    if histogram.kind == CATEGORY:
        return [_cell_share(NEW_CATEGORY, histogram.name, histogram, -2)]
    for each in reference.vocabularies:
        if each.kind == "words" and (histogram.kind, histogram.name) == (FEATURE, each.quantity("words")):
            return [_cell_share(EMPTY_TEXT, each.column, histogram, -1)]
    return []


def _cell_share(kind: str, name: str, histogram: Histogram, cell: int) -> Share:
    return Share(kind, name, histogram.counts[cell], histogram.rows, min(histogram.effective, float(histogram.rows)))


def _too_few(histograms: list[tuple[Histogram, Histogram]], level: float) -> str:
    """Return a sentence if a large distance would be within chance for one of the histograms; else an empty one."""
    shown = [(smallest_distance((a.effective, b.effective), level), b.effective) for a, b in histograms]
    distance, n_rows = max(shown, default=(0.0, 0.0))
    if distance <= DISTANCE[1]:
        return ""
    most = "none at all" if distance >= 1 else f"only distances from {distance:.2g} on"
    return f"too few rows: {n_rows:.4g} independent ones can show {most}, and {DISTANCE[1]} is a large one"


def _rows(reference: TrainingProfile, current: TrainingProfile) -> Iterator[DriftFinding]:
    """Compare shape and type of a row. Any difference is large, since chance cannot cause it."""
    for name, trained, now in (
        ("shape", reference.row_shape, current.row_shape),
        ("type", reference.dtype, current.dtype),
    ):
        sentence = f"{name} of a row: {_text(now)}, {_text(trained)} in training"
        changed = trained != now
        yield DriftFinding(f"{name} of a row", "change", float(changed), LARGE if changed else NONE, sentence)


def _text(value: Any) -> str:
    return "none" if value is None else str(value)


def _share(reference: Share, current: Share, level: float) -> DriftFinding:
    sides = [(side.value if side.rows else 0.0, side.effective) for side in (reference, current)]
    # Two-sided: each bound of the interval may be missed with half of the level.
    ratio, low, high = share_ratio(sides[0], sides[1], level / 2)
    # A share that halved has drifted as much as one that doubled, so the larger of ratio and inverse counts.
    apart = max(ratio, 1 / ratio if ratio else math.inf)
    verdict = verdict_of(apart, RATIO, beyond_chance=not low <= 1 <= high)
    text = f"{current.value:.4g}, {reference.value:.4g} in training: {ratio:.3g} times ({low:.3g} to {high:.3g})"
    # A ratio to a share of 0 is infinite, which JSON cannot represent.
    return DriftFinding(current.what, "ratio", min(ratio, MOST_RATIO), verdict, f"{current.what}: {text}")


def histogram_findings(reference: Histogram, current: Histogram, level: float) -> Iterator[DriftFinding]:
    """Compare two histograms; each finding has a probability of `level` if nothing drifted.

    Raises
    ------
    DataError
        If their bins differ.
    """
    if reference.edges != current.edges:
        raise DataError(f"`current` must count {current.what} in the bins of `reference`; make it with like=reference.")
    trained, now = (np.array(side.counts, dtype=np.float64) for side in (reference, current))
    effective = reference.effective, current.effective
    if trained.sum() and now.sum():
        # Index and test use the same joined cells, so that sparse cells inflate neither.
        cells = joined_cells(trained, now, effective)
        yield _stability(current.what, *cells, homogeneity_level(*cells, effective) < level)
    # Without the last cell: missing values have no place in the order that the distance is about. Categories have none.
    if reference.kind != CATEGORY and trained[:-1].sum() and now[:-1].sum():
        distance = smirnov_distance(trained[:-1], now[:-1])
        yield _distance(current.what, distance, smirnov_level(distance, effective) < level)


def _stability(what: str, reference: Floats, current: Floats, beyond_chance: bool) -> DriftFinding:
    return _effect(what, "population stability index", stability_index(reference, current), STABILITY, beyond_chance)


def _distance(what: str, distance: float, beyond_chance: bool) -> DriftFinding:
    return _effect(what, "Kolmogorov-Smirnov distance", distance, DISTANCE, beyond_chance)


def _effect(what: str, effect: str, size: float, limits: tuple[float, float], beyond_chance: bool) -> DriftFinding:
    verdict = verdict_of(size, limits, beyond_chance)
    reason = f"{verdict} from {limits[verdict == LARGE]} on"
    if verdict == NONE:
        reason = f"below {limits[0]}" if size < limits[0] else "which chance explains with so few rows"
    return DriftFinding(what, effect, size, verdict, f"{what}: {effect} {size:.3g}, {reason}")
