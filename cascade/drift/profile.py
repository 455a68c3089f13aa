"""What is kept of the rows a model was trained on: enough to tell whether other rows look alike, not the rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from cascade.drift.counts import FEATURE, Histogram, Share, check_count
from cascade.errors import DataError

MOST_ENTRIES = 10_000
HELD_OUT, OUT_OF_FOLD, GIVEN = "held-out", "out-of-fold", "given"
SCORED = (HELD_OUT, OUT_OF_FOLD, GIVEN)


@dataclass(frozen=True)
class TrainingProfile:
    """Counts of a data set; bounded in size, whatever that of the data.

    Attributes
    ----------
    rows : int
    groups : int or None
        None where rows come in none.
    row_shape : tuple of int or None
        Of one row; None for rows without one, such as text.
    dtype : str or None
    scored : {"held-out", "out-of-fold", "given"} or None
        Rows that the gate's scores, and what is predicted, are of: held out for calibration, or each answered by a
        model that has not seen its fold; never rows that the model was fitted on. "given" is any data that a finished
        model answered for. None where nothing was scored.
    shares : tuple of Share
        Prevalence of each label among rows that know it, share past the gate, share predicted as each label.
    histograms : tuple of Histogram
        Of the gate's log-odds, in all and by whether a row has a label, and of features.
    """

    rows: int
    groups: int | None
    row_shape: tuple[int, ...] | None
    dtype: str | None
    scored: str | None
    shares: tuple[Share, ...]
    histograms: tuple[Histogram, ...]

    def share(self, kind: str, name: str = "") -> Share | None:
        """The share of a kind, of a label where there is one a label; None where it is not kept."""
        return next((each for each in self.shares if (each.kind, each.name) == (kind, name)), None)

    def histogram(self, kind: str, name: str = "") -> Histogram | None:
        """The histogram of a kind, of a feature where there is one a feature; None where it is not kept."""
        return next((each for each in self.histograms if (each.kind, each.name) == (kind, name)), None)

    def named(self, names: tuple[str, ...]) -> TrainingProfile:
        """The same profile of a table whose columns, known by their numbers so far, have names."""
        columns = {(FEATURE, str(number)): name for number, name in enumerate(names)}
        histograms = (replace(each, name=columns.get((each.kind, each.name), each.name)) for each in self.histograms)
        return replace(self, histograms=tuple(histograms))

    def to_json(self) -> dict[str, Any]:
        """Plain data, from which `from_json` makes an equal profile."""
        return {
            "rows": self.rows,
            "groups": self.groups,
            "row_shape": None if self.row_shape is None else list(self.row_shape),
            "dtype": self.dtype,
            "scored": self.scored,
            "shares": [each.to_json() for each in self.shares],
            "histograms": [each.to_json() for each in self.histograms],
        }

    @classmethod
    def from_json(cls, body: Any) -> TrainingProfile:
        """Read what `to_json` wrote.

        Raises
        ------
        DataError
            If it is not what `to_json` writes.
        """
        if not isinstance(body, Mapping):
            raise DataError(f"a profile must be an object. Received {type(body).__name__}.")
        try:
            return cls._read(body)
        except (KeyError, TypeError) as error:
            raise DataError(
                f"a profile must be what `to_json` wrote; {error} is missing or of another kind."
            ) from error

    @classmethod
    def _read(cls, body: Mapping[str, Any]) -> TrainingProfile:
        groups, shape, scored = body["groups"], body["row_shape"], body["scored"]
        if scored is not None and scored not in SCORED:
            raise DataError(f"a profile's `scored` must be one of {list(SCORED)}. Received {scored!r}.")
        if len(body["shares"]) + len(body["histograms"]) > MOST_ENTRIES:
            raise DataError(f"a profile must have at most {MOST_ENTRIES} entries; it was not written by `to_json`.")
        return cls(
            rows=check_count(body["rows"]),
            groups=None if groups is None else check_count(groups),
            row_shape=None if shape is None else tuple(map(check_count, shape)),
            dtype=None if body["dtype"] is None else str(body["dtype"]),
            scored=scored,
            shares=tuple(map(Share.from_json, body["shares"])),
            histograms=tuple(map(Histogram.from_json, body["histograms"])),
        )
