"""Whether held-out rows were never trained on, by the challenger or by the champion before it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from cascade.data.readers.dataset import Dataset
from cascade.lint.lint import shared_groups
from cascade.retraining.checks.finding import DataFinding
from cascade.retraining.checks.rows import holds_images
from cascade.retraining.memory.record import TrainingRecord
from cascade.retraining.memory.row_hashes import Hashes, RowHashes, Seen
from cascade.utils.types import Mask


def check_split(data: Dataset, held: Mask) -> Iterator[DataFinding]:
    """Find groups that are on both sides of the split."""
    if data.groups is not None:
        for finding in shared_groups({"training": data.groups[~held], "hold-out": data.groups[held]}):
            yield DataFinding("refuse", "split", finding.message)


def check_overlap(hashes: RowHashes, held: Mask, record: TrainingRecord) -> Iterator[DataFinding]:
    """Find held-out rows that the champion was trained on, and training rows that it was evaluated on."""
    trained, judged = record.training, record.held_out
    for kind, names, former in (
        ("group", hashes.groups, (trained.groups, judged.groups)),
        ("row", hashes.ids, (trained.ids, judged.ids)),
    ):
        # Empty where the data has no groups, or where rows have no names.
        if len(names):
            yield from _changed_sides(kind, np.unique(names[held]), np.unique(names[~held]), former)
    shared = int(trained.contents.holds(hashes.contents[held]).sum())
    if shared:
        sentence = f"the champion's training rows include the content of {_counted(shared, 'held-out row')}."
        # Equal images under two names are a leak; rows of a small table are equal by chance.
        yield DataFinding("ask" if holds_images(hashes.data) else "warn", "overlap-content", sentence)


def _changed_sides(kind: str, held_out: Hashes, training: Hashes, former: tuple[Seen, Seen]) -> Iterator[DataFinding]:
    trained, judged = int(former[0].holds(held_out).sum()), int(former[1].holds(training).sum())
    if trained:
        sentence = f"the champion was trained on {_counted(trained, f'held-out {kind}')}, which would favour it."
        yield DataFinding("refuse", "overlap", sentence)
    # Only a warning: both models are still compared on rows that neither was trained on.
    if judged:
        sentence = f"the champion was evaluated on {_counted(judged, f'training {kind}')} of this split."
        yield DataFinding("warn", "overlap-held-out", sentence)


def _counted(count: int, things: str) -> str:
    return f"{count} {things}" + ("" if count == 1 else "s")
