"""Whether the features of new rows are those that the champion was trained on: single values, ranking of labels, drift.

Means hide a mixture: imputed, constant or copied values in a part of the rows. These checks look at values that many
rows share, at single features that rank a label much better than before, and at whole distributions.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from cascade.drift.compare import histogram_findings
from cascade.drift.counts import Histogram
from cascade.drift.finding import LARGE
from cascade.metrics.intervals import clopper_pearson, clustered_share
from cascade.retraining.checks.finding import DataFinding
from cascade.retraining.memory.feature_figures import FeatureFigures, Sample, common_values, ranking
from cascade.utils.types import Floats

LEVEL = 0.005
"""Probability of a finding of one kind among clean rows, over all features together (Bonferroni)."""
POINT = 0.05
"""Share of the rows that a single value must have gained."""
TWICE = 2.0
"""Factor by which its share must have grown."""
RANKED = 0.1
"""AUROC that a single feature must have gained for a label, beyond chance."""
FEWEST_GROUPS = 10
"""Groups with a positive that a label needs for an AUROC."""
Z_RANKED = 4.0
MOST_NAMED = 3


def check_features(sample: Sample, before: FeatureFigures, label_names: tuple[str, ...]) -> Iterator[DataFinding]:
    """Find values that many new rows share and former ones did not, and features that rank a label much better.

    Parameters
    ----------
    sample : Sample
        New rows.
    before : FeatureFigures
        Of the champion's rows.
    label_names : tuple of str
        Names of the columns of the sample's labels, equal to those of the champion's data.
    """
    if not len(sample.group) or sample.measures.names != before.names:
        return
    yield from _points(sample, before)
    yield from _repeated(sample, before)
    if before.ranking is not None:
        yield from _ranked(sample, before, label_names)


def check_drift(pairs: Sequence[tuple[Histogram, Histogram]]) -> Iterator[DataFinding]:
    """Find features whose distribution is far from that of the rows that the champion was trained on.

    Parameters
    ----------
    pairs : sequence of pair of Histogram
        Of the champion's rows and of the new ones, in the same bins.
    """
    # Index and distance are two tests of each feature.
    level = LEVEL / max(1, 2 * len(pairs))
    findings = (finding for pair in pairs for finding in histogram_findings(*pair, level))
    found = [finding for finding in findings if finding.verdict == LARGE]
    if found:
        sentence = f"{found[0].sentence}; was another device, unit or selection of rows the cause?"
        yield DataFinding("ask", "drift", sentence + _more(len({each.what for each in found}) - 1))


def _points(sample: Sample, before: FeatureFigures) -> Iterator[DataFinding]:
    found = []
    level = LEVEL / max(1, len(before.names))
    for column, name in enumerate(before.names):
        values = sample.measures.values[:, column]
        for value, share in common_values(values)[0]:
            former = before.share_of(column, value)
            if share < max(TWICE * former, former + POINT):
                continue
            low = _least(np.isnan(values) if value is None else values == value, sample.group, level)
            # Former rows are another sample: their share has an upper bound.
            high = float(clopper_pearson(former * before.groups, before.groups, level)[1]) if former else 0.0
            if low >= min(max(TWICE * former, former + POINT), 1.0) or low > max(high, POINT):
                found.append((share, former, name, value))
    if found:
        share, former, name, value = max(found, key=lambda each: each[0] - each[1])
        what = "no value" if value is None else f"the value {value:.6g}"
        sentence = (
            f"{share:.0%} of the rows have {what} of feature {name!r}, and at most {former:.1%} had it in the "
            "champion's data; was it imputed, or is it constant?"
        )
        yield DataFinding("ask", "point-mass", sentence + _more(len({each[2] for each in found}) - 1))


def _repeated(sample: Sample, before: FeatureFigures) -> Iterator[DataFinding]:
    """Find features whose values repeat more, as when each group is imputed by a value of its own."""
    # More rows repeat more values of a rounded feature, so there must not be more than in the champion's sample.
    step = max(1, -(-len(sample.group) // max(1, before.rows)))
    values, group = sample.measures.values[::step], sample.group[::step]
    found = []
    for column, name in enumerate(before.names):
        _, inverse, counts = np.unique(values[:, column], return_inverse=True, return_counts=True)
        repeats = counts[inverse.ravel()] > 1
        former = before.repeated[column]
        if repeats.mean() >= max(TWICE * former, former + POINT) and _least(
            repeats, group, LEVEL / len(before.names)
        ) > max(former, POINT):
            found.append((float(repeats.mean()), former, name))
    if found:
        share, former, name = max(found)
        sentence = (
            f"{share:.0%} of the rows share their value of feature {name!r} with another row, and {former:.0%} did in "
            "the champion's data; was it imputed by group, or rounded?"
        )
        yield DataFinding("ask", "repeated-values", sentence + _more(len(found) - 1))


def _ranked(sample: Sample, before: FeatureFigures, label_names: tuple[str, ...]) -> Iterator[DataFinding]:
    if not before.names:
        # A table of text alone has no feature that could rank a label.
        return
    groups = np.array([len(np.unique(sample.group[sample.labels[:, k]])) for k in range(len(label_names))], float)
    former_groups = np.array(before.positive_groups, float)
    judged = (groups >= FEWEST_GROUPS) & (former_groups >= FEWEST_GROUPS)
    now, former = ranking(sample), np.array(before.ranking)
    # Ranking in the reverse order is as informative.
    now, former = np.maximum(now, 1 - now), np.maximum(former, 1 - former)
    error = np.hypot(_error(now, groups), _error(former, former_groups))
    gain = np.where(judged, now - former - RANKED - Z_RANKED * error, -1.0)
    if gain.size and gain.max() > 0:
        f, k = np.unravel_index(int(gain.argmax()), gain.shape)
        sentence = (
            f"feature {before.names[f]!r} alone ranks label {label_names[k]!r} with an AUROC of {now[f, k]:.2f}, and "
            f"{former[f, k]:.2f} in the champion's data; does it contain the label?"
        )
        yield DataFinding("ask", "label-in-feature", sentence + _more(int((gain.max(axis=1) > 0).sum()) - 1))


def _error(auroc: Floats, positives: Floats) -> Floats:
    """Return Hanley and McNeil's standard error of an AUROC with far more negatives than positives."""
    return np.asarray(np.sqrt(np.maximum(auroc / (2 - auroc) - auroc**2, 0.0) / np.maximum(positives, 1.0)))


def _least(marked: object, group: object, level: float) -> float:
    """Return the lower bound of the share of marked rows, by groups."""
    y = np.asarray(marked, np.float64)[:, None]
    share, effective = clustered_share(y, np.ones(len(y)), np.asarray(group), level)
    return float(clopper_pearson(share * effective, effective, level)[0][0])


def _more(others: int) -> str:
    return f" (and {others} more features)" if others > 0 else ""
