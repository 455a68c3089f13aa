"""Which rows both models are judged on: those that neither has been trained on, now or before."""

from __future__ import annotations

import numpy as np

from cascade.data.readers.dataset import Dataset
from cascade.data.splits import grouped_holdout
from cascade.errors import DataError
from cascade.retraining.memory.record import Side, TrainingRecord
from cascade.retraining.memory.row_hashes import RowHashes
from cascade.utils.types import Mask


def rows_of(hashes: RowHashes, side: Side) -> Mask:
    """Mark the rows that one side of a former split holds: by group, else by name, else by content; shape (n,)."""
    data = hashes.data
    if data.groups is not None and len(side.groups.hashes):
        return side.groups.holds(hashes.groups)
    if not data.numbered and len(side.ids.hashes):
        return side.ids.holds(hashes.ids)
    return side.contents.holds(hashes.contents)


def held_out_rows(
    data: Dataset, record: TrainingRecord | None, size: float, seed: int, hashes: RowHashes | None = None
) -> Mask:
    """Hold rows out, whole groups: what the champion has seen stays in training, what it was judged on stays out.

    Parameters
    ----------
    data : Dataset
        n rows with labels.
    record : TrainingRecord or None
        Of the champion; None where there is none.
    size : float
        Share of the new rows that are held out.
    seed : int
    hashes : RowHashes, optional
        Of the data, where they were computed before.

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
    held = np.zeros(len(data), bool) if record is None else rows_of(hashes, record.held_out)
    fresh = np.arange(len(data)) if record is None else np.flatnonzero(~(held | rows_of(hashes, record.training)))
    if len(fresh):
        groups = None if data.groups is None else data.groups[fresh]
        held[fresh] = grouped_holdout(data.Y[fresh], groups, size, seed)
    if held.all() or not held.any():
        raise DataError("`data` must have groups to train on and others to hold out. Received only one kind.")
    return held
