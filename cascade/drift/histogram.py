"""Counts in bins that the training data fixed, so that other data is counted in the same ones."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cascade.drift.checked import check_count, check_effective, check_number
from cascade.drift.kinds import HISTOGRAMS, check_kind
from cascade.errors import DataError

Floats = NDArray[np.float64]

BINS = 10
SLACK = 1e-6
"""Share of a value by which the outermost bins are wider: float32 rounds what was a float64 in training."""


@dataclass(frozen=True)
class Histogram:
    """How often a quantity fell between edges.

    Attributes
    ----------
    kind : str
        One of `cascade.drift.kinds.HISTOGRAMS`.
    name : str
        Of the feature; empty for the gate's score.
    edges : tuple of float, rising, length m
        A bin holds its lower edge. Outside of them lies nothing of the training data.
    counts : tuple of int, length m + 2
        Below the first edge, between edges, from the last on; then missing.
    effective : float
        Independent rows that would say as much: fewer than the rows where those of a group are alike.
    """

    kind: str
    name: str
    edges: tuple[float, ...]
    counts: tuple[int, ...]
    effective: float

    @property
    def what(self) -> str:
        """What is counted, to read."""
        return f"{self.kind} {self.name!r}" if self.name else self.kind

    @property
    def rows(self) -> int:
        """Rows counted, missing ones among them."""
        return sum(self.counts)

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)

    @classmethod
    def from_json(cls, body: Any) -> Histogram:
        """Read what `to_json` wrote; refuse what it could not have written."""
        edges, counts = tuple(map(check_number, body["edges"])), tuple(map(check_count, body["counts"]))
        if len(counts) != len(edges) + 2 or any(low >= high for low, high in pairwise(edges)):
            raise DataError(f"`counts` must be two more than rising `edges`. Received {len(counts)} and {len(edges)}.")
        effective = check_effective(body["effective"], sum(counts))
        return cls(check_kind(body["kind"], HISTOGRAMS), str(body["name"]), edges, counts, effective)


def cells_of(values: Floats, edges: Floats) -> NDArray[np.intp]:
    """Number of the cell of each value (n,): below, between, from the last of `edges` (m,) on, or NaN; 0 to m + 1."""
    cell = np.searchsorted(edges, values, side="right")
    # searchsorted takes NaN for larger than all.
    return np.where(np.isnan(values), len(edges) + 1, cell)


def quantile_edges(values: Floats, bins: int = BINS) -> Floats:
    """Edges of bins that hold about as many of the values each; outside of them lies none.

    Values that repeat have a bin of their own where they fill one, so that a constant column that takes another
    value is seen.

    Examples
    --------
    >>> edges = quantile_edges(np.array([0.0, 0.0, 1.0]))
    >>> cells_of(np.array([0.0, 0.0, 1.0, 1.5, np.nan]), edges).tolist()
    [1, 1, 2, 3, 4]
    """
    finite = values[np.isfinite(values)]
    if not len(finite):
        return np.empty(0)
    inner = np.unique(np.quantile(finite, np.arange(bins) / bins, method="inverted_cdf"))
    return np.concatenate([[_outwards(inner[0], -1)], inner[1:], [_outwards(finite.max(), 1)]])


def _outwards(value: float, sign: int) -> float:
    return float(np.nextafter(value + sign * SLACK * abs(value), sign * np.inf))
