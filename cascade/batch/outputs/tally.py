"""Counts of a shard's rows and predictions for the monitor; their sum does not depend on the order of shards."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cascade.data.rows import n_rows, spaced_rows
from cascade.drift.counts import GATE, OF_ROWS, PAST_GATE, PREDICTED, Histogram, Share, cells_of
from cascade.drift.measures import quantities
from cascade.drift.profile import GIVEN, TrainingProfile
from cascade.drift.text.measures import in_full
from cascade.rules.rules import Prediction, Scores

SAMPLED_ROWS = 512
"""Evenly spaced rows per shard whose scores and features are counted; counting all rows would slow a job down."""

Cells = tuple[int, ...]


@dataclass(frozen=True)
class Tally:
    """Counts of some rows.

    Attributes
    ----------
    rows, past_gate : int
    predicted : tuple of int, length L
        Rows that were predicted to have each label.
    histograms : tuple of tuple of int
        Counts of the sampled rows in the bins of the training histograms; empty if the model has none.
    """

    rows: int
    past_gate: int
    predicted: Cells
    histograms: tuple[Cells, ...]

    def __add__(self, other: Tally) -> Tally:
        histograms = (_sum(*pair) for pair in zip(self.histograms, other.histograms, strict=True))
        return Tally(
            self.rows + other.rows,
            self.past_gate + other.past_gate,
            _sum(self.predicted, other.predicted),
            tuple(histograms),
        )

    def to_json(self) -> dict[str, Any]:
        """Return plain data."""
        return asdict(self)

    @classmethod
    def from_json(cls, body: dict[str, Any]) -> Tally:
        """Read what `to_json` wrote."""
        histograms = tuple(map(tuple, body["histograms"]))
        return cls(body["rows"], body["past_gate"], tuple(body["predicted"]), histograms)


def _sum(first: Cells, second: Cells) -> Cells:
    return tuple(a + b for a, b in zip(first, second, strict=True))


class Tallying:
    """Count rows in the bins of a training profile, and turn the counts into a profile.

    Parameters
    ----------
    profile : TrainingProfile or None
        None if the model has none; then only rows past the gate and predicted labels are counted.
    label_names : tuple of str
    feature_names : tuple of str or None
    """

    def __init__(
        self, profile: TrainingProfile | None, label_names: tuple[str, ...], feature_names: tuple[str, ...] | None
    ) -> None:
        self.profile, self.label_names, self.feature_names = profile, label_names, feature_names
        trained = () if profile is None else profile.histograms
        # The other histograms are of rows with and without a label, which new rows do not have.
        self.histograms = tuple(each for each in trained if each.kind in (GATE, *OF_ROWS))
        self.learned = [] if profile is None else in_full(profile.vocabularies)
        self.edges = [np.array(each.edges) for each in self.histograms]

    def count(self, X: Any, scores: Scores, prediction: Prediction) -> Tally:
        """Count the rows of one shard."""
        return Tally(
            len(scores.passed),
            int(scores.passed.sum()),
            tuple(map(int, prediction.labels.sum(axis=0, dtype=np.int64))),
            self._histograms(X, scores.gate_z),
        )

    def _histograms(self, X: Any, gate_z: NDArray[np.float64]) -> tuple[Cells, ...]:
        if not self.histograms:
            return ()
        rows = spaced_rows(n_rows(X), SAMPLED_ROWS)
        measured = quantities(X, rows, self.feature_names, self.learned)
        values = {(each.kind, each.name): each.values for each in measured}
        values[GATE, ""] = gate_z[rows]
        counted = zip(self.histograms, self.edges, strict=True)
        return tuple(_cells(values.get((each.kind, each.name)), edges) for each, edges in counted)

    def profile_of(self, tally: Tally) -> TrainingProfile:
        """Return the profile of the counted rows, comparable to the training profile.

        Groups are not known across shards; rows are assumed to depend on each other as the training rows do.
        """
        trained = self.profile
        assert trained is not None
        counts = {(PAST_GATE, ""): tally.past_gate}
        counts |= {(PREDICTED, name): count for name, count in zip(self.label_names, tally.predicted, strict=True)}
        # Shares that need true labels, such as the prevalence, are left out.
        counted = zip(self.histograms, tally.histograms, strict=True)
        return replace(
            trained,
            rows=tally.rows,
            groups=None,
            scored=GIVEN,
            shares=tuple(
                _share(each, counts, tally.rows) for each in trained.shares if (each.kind, each.name) in counts
            ),
            histograms=tuple(_histogram(each, cells) for each, cells in counted),
        )


def _cells(values: NDArray[np.float64] | None, edges: NDArray[np.float64]) -> Cells:
    # One cell below the first edge, one from the last edge on, and one for missing values.
    n_cells = len(edges) + 2
    if values is None:
        return (0,) * n_cells
    return tuple(map(int, np.bincount(cells_of(values, edges), minlength=n_cells)))


def _share(trained: Share, counts: dict[tuple[str, str], int], rows: int) -> Share:
    # Assume the design effect of training: the same ratio of effective to actual rows.
    effective = rows * trained.effective / max(trained.rows, 1)
    return replace(trained, found=counts[trained.kind, trained.name], rows=rows, effective=effective)


def _histogram(trained: Histogram, counts: Cells) -> Histogram:
    return replace(trained, counts=counts, effective=sum(counts) * trained.effective / max(trained.rows, 1))
