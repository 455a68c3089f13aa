"""Find rows that a model was trained on, on which its figures would be too good."""

from __future__ import annotations

import logging
from pathlib import Path

from cascade.data import Dataset
from cascade.data.rows import spaced_rows
from cascade.retraining.memory.record import TrainingRecord
from cascade.retraining.memory.row_hashes import RowHashes

from .version import record_in

logger = logging.getLogger("cascade.pipeline")

MOST_COMPARED = 1000
"""Rows compared, since each may be a file to decode."""
FEWEST_SHARE = 0.05
"""Share of equal rows that is reported; fewer may be equal by chance."""


def record_of_model(folder: Path) -> TrainingRecord | None:
    """Return the record of a model folder's training, or None if there is none."""
    # Beside the model folder in a version, and two folders further up in the registry's copy.
    return next(filter(None, map(record_in, folder.resolve().parents[:3])), None)


def share_trained_on(record: TrainingRecord | None, data: Dataset) -> float:
    """Return the share of up to 1,000 evenly spaced rows whose content was in the training.

    By content, since another data set may number its groups and rows alike.
    """
    if record is None or not len(data):
        return 0.0
    contents = RowHashes(data.part(spaced_rows(len(data), MOST_COMPARED))).contents
    return float(record.training.contents.holds(contents).mean())


def warn_trained_on(record: TrainingRecord | None, data: Dataset) -> float:
    """Warn if a share of the rows was in the training; return the share."""
    share = share_trained_on(record, data)
    if share >= FEWEST_SHARE:
        logger.warning(
            "%.0f %% of the rows are equal to rows that the model was trained on, so its figures are too good; "
            "evaluate it on other rows.",
            100 * share,
        )
    return share
