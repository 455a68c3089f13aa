"""What a monitor needs of a shard's answers, in counts that add up the same in whichever order shards are made."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cascade.data.rows import n_rows
from cascade.drift.counts import FEATURE, GATE, PAST_GATE, PREDICTED, Histogram, Share, cells_of
from cascade.drift.measures import measure, spaced_rows
from cascade.drift.profile import GIVEN, TrainingProfile
from cascade.rules.rules import Prediction, Scores

SAMPLED_ROWS = 512
"""Rows of a shard, evenly spaced, of which scores and features are counted: what all rows would cost, no job pays."""

Cells = tuple[int, ...]


@dataclass(frozen=True)
class Tally:
    """Counts of some rows.

    Attributes
    ----------
    rows, past_gate : int
    predicted : tuple of int, length L
        Rows that got each label.
    histograms : tuple of tuple of int
        Of the sampled rows, in the bins of the training's histograms; empty where a model keeps none.
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
        """Plain data."""
        return asdict(self)

    @classmethod
    def from_json(cls, body: dict[str, Any]) -> Tally:
        """Read what `to_json` wrote."""
        histograms = tuple(map(tuple, body["histograms"]))
        return cls(body["rows"], body["past_gate"], tuple(body["predicted"]), histograms)


def _sum(first: Cells, second: Cells) -> Cells:
    return tuple(a + b for a, b in zip(first, second, strict=True))


class Tallying:
    """Counts rows in the bins of a training profile, and makes a profile of what was counted.

    Parameters
    ----------
    profile : TrainingProfile or None
        None of a model that keeps none: then only what passed and what was predicted is counted.
    labels : tuple of str
    feature_names : tuple of str or None
    """

    def __init__(
        self, profile: TrainingProfile | None, labels: tuple[str, ...], feature_names: tuple[str, ...] | None
    ) -> None:
        self.profile, self.labels, self.feature_names = profile, labels, feature_names
        kept = () if profile is None else profile.histograms
        self.histograms = tuple(each for each in kept if each.kind in (GATE, FEATURE))
        self.edges = [np.array(each.edges) for each in self.histograms]

    def count(self, X: Any, scores: Scores, prediction: Prediction) -> Tally:
        """Count rows that were scored."""
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
        measured = measure(X, rows, self.feature_names)
        values = {(FEATURE, name): column for name, column in zip(measured.names, measured.values.T, strict=True)}
        values[GATE, ""] = gate_z[rows]
        counted = zip(self.histograms, self.edges, strict=True)
        return tuple(_cells(values.get((each.kind, each.name)), edges) for each, edges in counted)

    def profile_of(self, tally: Tally) -> TrainingProfile:
        """The profile of the rows counted, comparable to that of the training.

        Groups are not known across shards: rows are taken to depend on each other as those of the training do.
        """
        trained = self.profile
        assert trained is not None
        found = {(PAST_GATE, ""): tally.past_gate}
        found |= {(PREDICTED, label): count for label, count in zip(self.labels, tally.predicted, strict=True)}
        counted = zip(self.histograms, tally.histograms, strict=True)
        return replace(
            trained,
            rows=tally.rows,
            groups=None,
            scored=GIVEN,
            shares=tuple(_share(each, found, tally.rows) for each in trained.shares if (each.kind, each.name) in found),
            histograms=tuple(_histogram(each, counts) for each, counts in counted),
        )


def _cells(values: NDArray[np.float64] | None, edges: NDArray[np.float64]) -> Cells:
    n_cells = len(edges) + 2
    if values is None:
        return (0,) * n_cells
    return tuple(map(int, np.bincount(cells_of(values, edges), minlength=n_cells)))


def _share(trained: Share, found: dict[tuple[str, str], int], rows: int) -> Share:
    effective = rows * trained.effective / max(trained.rows, 1)
    return replace(trained, found=found[trained.kind, trained.name], rows=rows, effective=effective)


def _histogram(trained: Histogram, counts: Cells) -> Histogram:
    return replace(trained, counts=counts, effective=sum(counts) * trained.effective / max(trained.rows, 1))
