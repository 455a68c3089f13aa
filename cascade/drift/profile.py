"""The training profile: counts that allow a comparison with other rows, without keeping the rows themselves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from cascade.drift.counts import FEATURE, Histogram, Share, check_count
from cascade.drift.text.vocabulary import Vocabulary
from cascade.errors import DataError

MOST_ENTRIES = 10_000
HELD_OUT, OUT_OF_FOLD, GIVEN = "held-out", "out-of-fold", "given"
SCORED = (HELD_OUT, OUT_OF_FOLD, GIVEN)


@dataclass(frozen=True)
class TrainingProfile:
    """Counts of a data set; their size does not grow with the data.

    Attributes
    ----------
    rows : int
    groups : int or None
        None if there are no groups.
    row_shape : tuple of int or None
        Shape of one row; None for rows without a shape, such as text.
    dtype : str or None
    scored : {"held-out", "out-of-fold", "given"} or None
        Which rows were scored and predicted: those held out for calibration, or all rows by models that had not seen
        their fold; never rows that the model was fitted on. "given" is any data scored by a finished model. None if
        nothing was scored.
    shares : tuple of Share
        Prevalence of each label among rows where it is known, share past the gate, share predicted as each label.
    histograms : tuple of Histogram
        Histograms of the gate's log-odds, over all rows and by whether a row has a label, and of features.
    vocabularies : tuple of Vocabulary
        Hashed values of each column of categories, and hashed frequent words and scripts of each column of text.
    """

    rows: int
    groups: int | None
    row_shape: tuple[int, ...] | None
    dtype: str | None
    scored: str | None
    shares: tuple[Share, ...]
    histograms: tuple[Histogram, ...]
    vocabularies: tuple[Vocabulary, ...] = ()

    def share(self, kind: str, name: str = "") -> Share | None:
        """Return the share of a kind, and of a label if there is one per label; None if it is not kept."""
        return next((each for each in self.shares if (each.kind, each.name) == (kind, name)), None)

    def histogram(self, kind: str, name: str = "") -> Histogram | None:
        """Return the histogram of a kind, and of a feature if there is one per feature; None if it is not kept."""
        return next((each for each in self.histograms if (each.kind, each.name) == (kind, name)), None)

    def named(self, names: tuple[str, ...]) -> TrainingProfile:
        """Return the profile of a table with column names in place of column numbers."""
        columns = {(FEATURE, str(number)): name for number, name in enumerate(names)}
        histograms = (replace(each, name=columns.get((each.kind, each.name), each.name)) for each in self.histograms)
        return replace(self, histograms=tuple(histograms))

    def to_json(self) -> dict[str, Any]:
        """Return plain data, from which `from_json` makes an equal profile."""
        return {
            "rows": self.rows,
            "groups": self.groups,
            "row_shape": None if self.row_shape is None else list(self.row_shape),
            "dtype": self.dtype,
            "scored": self.scored,
            "shares": [each.to_json() for each in self.shares],
            "histograms": [each.to_json() for each in self.histograms],
            "vocabularies": [each.to_json() for each in self.vocabularies],
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
        # A missing key, or a list or number of the wrong type, becomes one error that callers expect.
        try:
            return cls._read(body)
        except (KeyError, TypeError) as error:
            raise DataError(f"a profile must be what `to_json` wrote; {error} is missing or invalid.") from error

    @classmethod
    def _read(cls, body: Mapping[str, Any]) -> TrainingProfile:
        groups, shape, scored = body["groups"], body["row_shape"], body["scored"]
        if scored is not None and scored not in SCORED:
            raise DataError(f"a profile's `scored` must be one of {list(SCORED)}. Received {scored!r}.")
        # A limit before anything is built: a profile can come from an untrusted model folder.
        # Profiles of earlier releases have no vocabularies.
        vocabularies = body.get("vocabularies", [])
        if len(body["shares"]) + len(body["histograms"]) + len(vocabularies) > MOST_ENTRIES:
            raise DataError(f"a profile must have at most {MOST_ENTRIES} entries; it was not written by `to_json`.")
        return cls(
            rows=check_count(body["rows"]),
            groups=None if groups is None else check_count(groups),
            row_shape=None if shape is None else tuple(map(check_count, shape)),
            dtype=None if body["dtype"] is None else str(body["dtype"]),
            scored=scored,
            shares=tuple(map(Share.from_json, body["shares"])),
            histograms=tuple(map(Histogram.from_json, body["histograms"])),
            vocabularies=tuple(map(Vocabulary.from_json, vocabularies)),
        )
