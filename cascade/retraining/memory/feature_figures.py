"""What is remembered of a champion's features: frequent values, repetition, and how well each ranks a label.

Rows that were imputed, copied from a label or left constant keep means and ranges. They show in values that many rows
share, and in a single feature that suddenly ranks a label almost perfectly.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from cascade.data.label_matrix import LabelMatrix
from cascade.data.rows import spaced_rows
from cascade.data.splits import group_numbers
from cascade.drift.measures import MOST_ROWS, Measures
from cascade.lint.feature_ranking import feature_auroc
from cascade.retraining.memory.row_hashes import RowHashes
from cascade.utils.types import Floats, Mask, Rows

MOST_VALUES = 8
"""Frequent values that are kept per feature; none of the others is more frequent than the last of them."""
MOST_PAIRS = 50_000
"""Pairs of feature and label whose ranking is kept at most; with more labels there is none."""


@dataclass(frozen=True)
class Sample:
    """Measured rows of a data set.

    Attributes
    ----------
    measures : Measures
        Of n rows.
    labels : ndarray of bool, shape (n, L)
    known : ndarray of bool, shape (n, L)
    group : ndarray of int, shape (n,)
    """

    measures: Measures
    labels: Mask
    known: Mask
    group: Rows

    @classmethod
    def of(cls, hashes: RowHashes, among: Rows | None = None) -> Sample:
        """Measure up to 10,000 evenly spaced rows of a data set with labels, or of some of its rows."""
        data = hashes.data
        among = np.arange(len(data)) if among is None else among
        rows = among[spaced_rows(len(among), MOST_ROWS)]
        part: LabelMatrix = data.labels.part(rows)
        known = np.ones(part.shape, bool) if part.known is None else part.known
        group = group_numbers(None if data.groups is None else data.groups[rows], len(rows))
        return cls(hashes.measures(rows), np.asarray(part.values > 0), known, group)

    def part(self, rows: Rows) -> Sample:
        """Return some of the measured rows."""
        measures = Measures(self.measures.names, self.measures.values[rows])
        return Sample(measures, self.labels[rows], self.known[rows], self.group[rows])


@dataclass(frozen=True)
class FeatureFigures:
    """Figures of the features of a champion's rows.

    Attributes
    ----------
    names : tuple of str, length F
    rows : int
        Rows measured.
    groups : int
        Groups of these rows.
    common : tuple of tuple of (float or None, float)
        Per feature, its most frequent values with their shares; None stands for a missing value.
    repeated : tuple of float
        Per feature, the share of rows whose value occurs more than once.
    ranking : tuple of tuple of float, or None
        Per feature, the AUROC of its value for each label, .5 where it is undefined.
    positive_groups : tuple of int
        Per label, groups with a positive among the rows measured.
    """

    names: tuple[str, ...]
    rows: int
    groups: int
    common: tuple[tuple[tuple[float | None, float], ...], ...]
    repeated: tuple[float, ...]
    ranking: tuple[tuple[float, ...], ...] | None
    positive_groups: tuple[int, ...]

    def share_of(self, feature: int, value: float | None) -> float:
        """Return the share of a value among the champion's rows, or the largest share that it can have had."""
        common = self.common[feature]
        kept = dict(common)
        return kept.get(value, common[-1][1] if len(common) == MOST_VALUES else 0.0)

    def to_json(self) -> dict[str, Any]:
        """Return plain data, from which `from_json` makes equal figures."""
        return {
            "names": list(self.names),
            "rows": self.rows,
            "groups": self.groups,
            "common": [[list(pair) for pair in values] for values in self.common],
            "repeated": list(self.repeated),
            "ranking": None if self.ranking is None else [list(each) for each in self.ranking],
            "positive_groups": list(self.positive_groups),
        }

    @classmethod
    def from_json(cls, body: dict[str, Any]) -> FeatureFigures:
        """Make figures from the result of `to_json`."""
        return cls(
            tuple(body["names"]),
            int(body["rows"]),
            int(body["groups"]),
            tuple(tuple((value, float(share)) for value, share in values) for values in body["common"]),
            tuple(map(float, body["repeated"])),
            None if body["ranking"] is None else tuple(tuple(map(float, each)) for each in body["ranking"]),
            tuple(map(int, body["positive_groups"])),
        )


def feature_figures(sample: Sample) -> FeatureFigures:
    """Return the figures of measured rows."""
    names, values = sample.measures
    counted = [common_values(column) for column in values.T]
    n_labels = sample.labels.shape[1]
    ranks = len(names) * n_labels <= MOST_PAIRS
    return FeatureFigures(
        names,
        len(values),
        len(np.unique(sample.group)),
        tuple(common for common, _ in counted),
        tuple(repeated for _, repeated in counted),
        tuple(tuple(each) for each in ranking(sample).round(6).tolist()) if ranks else None,
        tuple(len(np.unique(sample.group[sample.labels[:, k]])) for k in range(n_labels)),
    )


def common_values(values: Floats) -> tuple[tuple[tuple[float | None, float], ...], float]:
    """Return the most frequent values of a feature with their shares, and the share of rows whose value repeats.

    Examples
    --------
    >>> common_values(np.array([0.0, 0.0, 1.0, np.nan]))
    (((0.0, 0.5), (1.0, 0.25), (None, 0.25)), 0.5)
    """
    if not len(values):
        return (), 0.0
    found, counts = np.unique(values, return_counts=True)
    largest = np.argsort(-counts, kind="stable")[:MOST_VALUES]
    # Infinity has no place in JSON, and data that has it is refused by another check.
    pairs = [(None if np.isnan(found[at]) else float(found[at]), float(counts[at] / len(values))) for at in largest]
    return tuple(pair for pair in pairs if pair[0] is None or np.isfinite(pair[0])), float(
        counts[counts > 1].sum() / len(values)
    )


def ranking(sample: Sample) -> Floats:
    """Return the AUROC of each feature for each label, shape (F, L); .5 where a class has no row."""
    return feature_auroc(sample.measures.values, sample.labels, sample.known)
