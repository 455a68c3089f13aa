"""Whether new rows are grouped as the champion's were: by patient, part or site, and not all as one or each alone."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from cascade.retraining.checks.finding import DataFinding
from cascade.retraining.memory.record import TrainingRecord
from cascade.retraining.memory.row_hashes import Hashes

LARGEST = 3.0
"""Factor by which the largest new group may exceed the champion's largest one."""
FEWEST_ROWS = 20
"""Rows of a group below which its size is no finding."""
MEAN_SIZE = 3.0
"""Factor by which the mean size of groups may fall."""


def check_groups(groups: Hashes | None, record: TrainingRecord) -> Iterator[DataFinding]:
    """Find that group names of new rows were lost: many rows in one group, or each row in its own.

    Parameters
    ----------
    groups : ndarray of uint64, shape (n,), or None
        Hash of the group of each new row; None if the data has no groups.
    record : TrainingRecord
        Of the champion.
    """
    n_former = len(record.training.groups.hashes) + len(record.held_out.groups.hashes)
    if groups is None or not len(groups):
        if n_former and groups is None:
            sentence = "rows have no group, and those of the champion had; name `data.group`."
            yield DataFinding("refuse", "groups-lost", sentence)
        return
    if not n_former:
        return
    sizes, former = np.unique(groups, return_counts=True)[1], record.rows / n_former
    # Records of earlier releases have no largest group; ten times the mean size is then the limit.
    limit = max(10 * former if record.largest_group is None else LARGEST * record.largest_group, FEWEST_ROWS)
    if sizes.max() > limit:
        before = f"groups had {former:.1f} rows on average in the champion's data"
        sentence = f"one group has {sizes.max()} of {len(groups)} rows, and {before}; were group names lost?"
        yield DataFinding("ask", "group-size", sentence)
    elif sizes.mean() * MEAN_SIZE < former and len(sizes) >= FEWEST_ROWS:
        before = f"{former:.1f} in the champion's data"
        sentence = f"groups have {sizes.mean():.1f} rows, and {before}; are rows named as groups?"
        yield DataFinding("ask", "group-size", sentence)
