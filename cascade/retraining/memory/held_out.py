"""Which rows both models are evaluated on: rows on which neither was trained, now or before."""

from __future__ import annotations

import numpy as np

from cascade.data.readers.dataset import Dataset
from cascade.data.splits import grouped_holdout
from cascade.errors import DataError
from cascade.retraining.memory.record import Side, TrainingRecord
from cascade.retraining.memory.row_hashes import RowHashes
from cascade.utils.types import Mask


def rows_of(hashes: RowHashes, side: Side) -> Mask:
    """Return a mask of the rows on one side of a former split, by group, else by name, else by content; shape (n,)."""
    data = hashes.data
    # The group first: a new row of a known patient belongs to the side of that patient.
    if data.groups is not None and len(side.groups.hashes):
        return side.groups.holds(hashes.groups)
    # Row numbers are not names: any other data has a row 0 too.
    if not data.numbered and len(side.ids.hashes):
        return side.ids.holds(hashes.ids)
    return side.contents.holds(hashes.contents)


def held_out_rows(
    data: Dataset, record: TrainingRecord | None, size: float, seed: int, hashes: RowHashes | None = None
) -> Mask:
    """Choose held-out rows, in whole groups; rows that the champion's split had keep their side.

    Rows that the champion was trained on stay in training, and rows that it was evaluated on stay held out.

    Parameters
    ----------
    data : Dataset
        n rows with labels.
    record : TrainingRecord or None
        Of the champion; None if there is none.
    size : float
        Share of the new rows that are held out.
    seed : int
    hashes : RowHashes, optional
        Of the data, if they were computed before.

    Returns
    -------
    ndarray of bool, shape (n,)

    Raises
    ------
    DataError
        If one side would be empty.
    """
    if data.Y is None:
        raise DataError("`data` must have labels to be split for training. Received none.")
    hashes = RowHashes(data) if hashes is None else hashes
    # Without groups or names, equal rows may be on both sides of a former split: they stay held out.
    held = np.zeros(len(data), bool) if record is None else rows_of(hashes, record.held_out)
    fresh = np.arange(len(data)) if record is None else np.flatnonzero(~(held | rows_of(hashes, record.training)))
    # Only rows without a side are split, so that the share of a growing hold-out stays `size`.
    if len(fresh):
        groups = None if data.groups is None else data.groups[fresh]
        held[fresh] = grouped_holdout(data.Y[fresh], groups, size, seed)
    if held.all() or not held.any():
        raise DataError("`data` must have groups to train on and others to hold out. Received only one kind.")
    return held
