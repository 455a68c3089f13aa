"""Shares and histograms of rows, each with its effective number of independent rows."""

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
    """The share of rows with some property.

    Attributes
    ----------
    kind : str
        One of `cascade.drift.counts.SHARES`.
    name : str
        Name of the label; empty if the share is about no label.
    found, rows : int
        Rows with the property, and all rows counted.
    effective : float
        Independent rows with the same precision: fewer than `rows` where rows of a group are alike.
    """

    kind: str
    name: str
    found: int
    rows: int
    effective: float

    @property
    def what(self) -> str:
        """The name of the quantity, for messages."""
        return f"{self.kind} {self.name!r}" if self.name else self.kind

    @property
    def value(self) -> float:
        """The share; NaN without rows."""
        return self.found / self.rows if self.rows else float("nan")

    def to_json(self) -> dict[str, Any]:
        """Return plain data."""
        return asdict(self)

    @classmethod
    def from_json(cls, body: Any) -> Share:
        """Read what `to_json` wrote, and raise for anything that it could not have written."""
        # Profiles are read from files of others: a share above 1 would go through every later formula.
        found, rows = check_count(body["found"]), check_count(body["rows"])
        if found > rows:
            raise DataError(f"a profile's `found` must be at most its `rows`. Received {found} and {rows}.")
        effective = check_effective(body["effective"], rows)
        return cls(check_kind(body["kind"], SHARES), str(body["name"]), found, rows, effective)


# These names are saved in profiles, so they are part of the file format.
PREVALENCE, PREDICTED = "prevalence of", "share predicted as"
PAST_GATE, PAST_GATE_WITH, PAST_GATE_WITHOUT = (
    "share past the gate",
    "share past the gate with a label",
    "share past the gate without a label",
)
GATE, GATE_WITH, GATE_WITHOUT = "gate score", "gate score with a label", "gate score without a label"
FEATURE, CATEGORY = "feature", "category"
NEW_CATEGORY, EMPTY_TEXT = "share of new categories of", "share of empty texts of"

SHARES = (PREVALENCE, PREDICTED, PAST_GATE, PAST_GATE_WITH, PAST_GATE_WITHOUT)
HISTOGRAMS = (GATE, GATE_WITH, GATE_WITHOUT, FEATURE, CATEGORY)
OF_ROWS = (FEATURE, CATEGORY)
"""Histograms of the rows themselves, which need no model."""


def check_kind(value: Any, kinds: tuple[str, ...]) -> str:
    """Return a kind if it is one of `kinds`."""
    if value not in kinds:
        raise DataError(f"a profile's `kind` must be one of {list(kinds)}. Received {value!r}.")
    return str(value)


def check_count(value: Any) -> int:
    """Return a whole number of 0 or more."""
    # bool is a subclass of int, so JSON true would pass as 1.
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise DataError(f"a profile's counts must be whole numbers of 0 or more. Received {value!r}.")
    return value


def check_number(value: Any) -> float:
    """Return a finite number."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise DataError(f"a profile's numbers must be finite. Received {value!r}.")
    return float(value)


def check_effective(value: Any, rows: int) -> float:
    """Return an effective number of rows: not negative, and at most the number of rows."""
    number = check_number(value)
    # Effective numbers are computed in floating point, so one equal to `rows` may exceed it by rounding.
    if not 0 <= number <= rows * (1 + 1e-9):
        raise DataError(f"a profile's `effective` must be between 0 and its rows ({rows}). Received {number:g}.")
    return number


BINS = 10
SLACK = 1e-6
"""Relative widening of the outermost bins, since float32 may round a value that was a float64 in training."""


@dataclass(frozen=True)
class Histogram:
    """Counts of a quantity in bins.

    Attributes
    ----------
    kind : str
        One of `cascade.drift.counts.HISTOGRAMS`.
    name : str
        Name of the feature; empty for the gate's score.
    edges : tuple of float, rising, length m
        A bin contains its lower edge. No value of the training data is outside of the edges. The bins of categories
        are their numbers in the vocabulary, and the cell from the last edge on counts new ones.
    counts : tuple of int, length m + 2
        Counts below the first edge, between edges, from the last edge on, and of missing values.
    effective : float
        Independent rows with the same precision: fewer than the rows where rows of a group are alike.
    """

    kind: str
    name: str
    edges: tuple[float, ...]
    counts: tuple[int, ...]
    effective: float

    @property
    def what(self) -> str:
        """The name of the quantity, for messages."""
        return f"{self.kind} {self.name!r}" if self.name else self.kind

    @property
    def rows(self) -> int:
        """Number of rows counted, including missing values."""
        return sum(self.counts)

    def to_json(self) -> dict[str, Any]:
        """Return plain data."""
        return asdict(self)

    @classmethod
    def from_json(cls, body: Any) -> Histogram:
        """Read what `to_json` wrote, and raise for anything that it could not have written."""
        # Rising edges are what the binary search in `cells_of` relies on.
        edges, counts = tuple(map(check_number, body["edges"])), tuple(map(check_count, body["counts"]))
        if len(counts) != len(edges) + 2 or any(low >= high for low, high in pairwise(edges)):
            raise DataError(f"`counts` must be two more than rising `edges`. Received {len(counts)} and {len(edges)}.")
        effective = check_effective(body["effective"], sum(counts))
        return cls(check_kind(body["kind"], HISTOGRAMS), str(body["name"]), edges, counts, effective)


def cells_of(values: Floats, edges: Floats) -> NDArray[np.intp]:
    """Return the cell, 0 to m + 1, of each value (n,): below, between or from the last of `edges` (m,) on, or NaN."""
    cell = np.searchsorted(edges, values, side="right")
    # searchsorted sorts NaN above all numbers, into the cell of large values.
    return np.where(np.isnan(values), len(edges) + 1, cell)


def quantile_edges(values: Floats, bins: int = BINS) -> Floats:
    """Return edges of bins with about equal numbers of values; no value is outside of them.

    A value that repeats often enough to fill a bin has a separate one. A constant column that changes its value is
    therefore detected.

    Examples
    --------
    >>> edges = quantile_edges(np.array([0.0, 0.0, 1.0]))
    >>> cells_of(np.array([0.0, 0.0, 1.0, 1.5, np.nan]), edges).tolist()
    [1, 1, 2, 3, 4]
    """
    finite = values[np.isfinite(values)]
    if not len(finite):
        return np.empty(0)
    # Edges are values of the data, not interpolated, so that a repeated value starts a bin. Duplicates merge.
    inner = np.unique(np.quantile(finite, np.arange(bins) / bins, method="inverted_cdf"))
    return np.concatenate([[_outwards(inner[0], -1)], inner[1:], [_outwards(finite.max(), 1)]])


def category_edges(n_categories: int) -> Floats:
    """Return edges with one bin for the number of each category; new ones are counted from the last edge on."""
    return np.arange(n_categories + 1, dtype=np.float64)


def _outwards(value: float, sign: int) -> float:
    # nextafter also moves 0, of which no relative slack exists.
    return float(np.nextafter(value + sign * SLACK * abs(value), sign * np.inf))
