"""A share of rows, with the independent rows that would know it as well."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cascade.errors import DataError
from cascade.utils.types import Floats


@dataclass(frozen=True)
class Share:
    """How many of some rows have something.

    Attributes
    ----------
    kind : str
        One of `cascade.drift.counts.SHARES`.
    name : str
        Of the label; empty where it is about none.
    found, rows : int
    effective : float
        Independent rows that would say as much: fewer than `rows` where those of a group are alike.
    """

    kind: str
    name: str
    found: int
    rows: int
    effective: float

    @property
    def what(self) -> str:
        """What is counted, to read."""
        return f"{self.kind} {self.name!r}" if self.name else self.kind

    @property
    def value(self) -> float:
        """The share; NaN of no rows."""
        return self.found / self.rows if self.rows else float("nan")

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)

    @classmethod
    def from_json(cls, body: Any) -> Share:
        """Read what `to_json` wrote; refuse what it could not have written."""
        found, rows = check_count(body["found"]), check_count(body["rows"])
        if found > rows:
            raise DataError(f"a profile's `found` must be at most its `rows`. Received {found} and {rows}.")
        effective = check_effective(body["effective"], rows)
        return cls(check_kind(body["kind"], SHARES), str(body["name"]), found, rows, effective)


PREVALENCE, PREDICTED = "prevalence of", "share predicted as"


PAST_GATE, PAST_GATE_WITH, PAST_GATE_WITHOUT = (
    "share past the gate",
    "share past the gate with a label",
    "share past the gate without a label",
)


GATE, GATE_WITH, GATE_WITHOUT = "gate score", "gate score with a label", "gate score without a label"


FEATURE = "feature"


SHARES = (PREVALENCE, PREDICTED, PAST_GATE, PAST_GATE_WITH, PAST_GATE_WITHOUT)


HISTOGRAMS = (GATE, GATE_WITH, GATE_WITHOUT, FEATURE)


def check_kind(value: Any, kinds: tuple[str, ...]) -> str:
    """Return a kind if it is one of those named."""
    if value not in kinds:
        raise DataError(f"a profile's `kind` must be one of {list(kinds)}. Received {value!r}.")
    return str(value)


def check_count(value: Any) -> int:
    """Return a whole number of 0 or more."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise DataError(f"a profile's counts must be whole numbers of 0 or more. Received {value!r}.")
    return value


def check_number(value: Any) -> float:
    """Return a finite number."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise DataError(f"a profile's numbers must be finite. Received {value!r}.")
    return float(value)


def check_effective(value: Any, rows: int) -> float:
    """Return an effective number of rows: not negative, and no more than there are."""
    number = check_number(value)
    if not 0 <= number <= rows * (1 + 1e-9):
        raise DataError(f"a profile's `effective` must lie between 0 and its rows ({rows}). Received {number:g}.")
    return number


BINS = 10


SLACK = 1e-6
"""Share of a value by which the outermost bins are wider: float32 rounds what was a float64 in training."""


@dataclass(frozen=True)
class Histogram:
    """How often a quantity fell between edges.

    Attributes
    ----------
    kind : str
        One of `cascade.drift.counts.HISTOGRAMS`.
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
