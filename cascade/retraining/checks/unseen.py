"""Whether new rows have categories, scripts or empty texts that the champion's data did not have."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from cascade.data.rows import spaced_rows
from cascade.data.splits import group_numbers
from cascade.drift.clusters import count_histogram
from cascade.drift.compare import cell_shares
from cascade.drift.counts import EMPTY_TEXT, Histogram, Share
from cascade.drift.measures import MOST_ROWS, with_texts
from cascade.drift.profile import TrainingProfile
from cascade.drift.text.measures import in_full, measure_texts
from cascade.metrics.intervals import clopper_pearson
from cascade.retraining.checks.finding import CheckVerdict, DataFinding
from cascade.retraining.checks.limits import Limits
from cascade.retraining.memory.row_hashes import RowHashes
from cascade.utils.types import Rows

LEVEL = 0.005
"""Probability of a finding among clean rows, over all columns together (Bonferroni)."""


def histogram_pairs(hashes: RowHashes, among: Rows, profile: TrainingProfile) -> list[tuple[Histogram, Histogram]]:
    """Count up to 10,000 evenly spaced rows `among` those of a data set in the bins of the champion's profile."""
    data, rows = hashes.data, among[spaced_rows(len(among), MOST_ROWS)]
    group = group_numbers(None if data.groups is None else data.groups[rows], len(rows))
    texts = measure_texts(data.X, rows, in_full(profile.vocabularies))
    measured = with_texts(hashes.measures(rows), texts, profile.vocabularies)
    pairs = ((profile.histogram(each.kind, each.name), each.values) for each in measured)
    return [
        (trained, count_histogram(trained.kind, trained.name, values, np.array(trained.edges), group))
        for trained, values in pairs
        if trained is not None
    ]


def check_unseen(
    pairs: Sequence[tuple[Histogram, Histogram]], profile: TrainingProfile, limits: Limits
) -> Iterator[DataFinding]:
    """Find columns of which more rows than before have a new category, a new script or an empty text.

    Parameters
    ----------
    pairs : sequence of pair of Histogram
        Of the champion's rows and of the new ones, in the same bins.
    profile : TrainingProfile
        Of the champion's rows.
    limits : Limits
        The share of the new rows must exceed the champion's by more, beyond chance.
    """
    shares = [both for pair in pairs for both in zip(*(cell_shares(side, profile) for side in pair), strict=True)]
    level = LEVEL / max(1, len(shares))
    for before, now in shares:
        gain = _bound(now, level, 0) - _bound(before, level, 1)
        if gain > limits.unseen_told:
            yield _finding(before, now, "ask" if gain > limits.unseen_asked else "warn")


def _finding(before: Share, now: Share, answer: CheckVerdict) -> DataFinding:
    if now.kind == EMPTY_TEXT:
        where = f" in column {now.name!r}" * bool(now.name)
        shares = f"{now.value:.0%} of the rows have no word{where}, and {before.value:.1%} had none"
        return DataFinding(answer, "empty-text", f"{shares} in the champion's data; was the text lost?")
    sentence = (
        f"{now.value:.0%} of the rows have a value of {now.name!r} that the champion's data did not have; "
        "is it a new category or language, or another spelling?"
    )
    return DataFinding(answer, "new-category", sentence)


def _bound(share: Share, level: float, side: int) -> float:
    if not share.rows:
        return float(side)
    return float(clopper_pearson(share.value * share.effective, share.effective, level)[side])
