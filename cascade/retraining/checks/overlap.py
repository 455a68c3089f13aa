"""Whether held-out rows are truly unseen: by the challenger, and by the champion before it."""

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
    """Find groups that stand on both sides of the split."""
    if data.groups is not None:
        for finding in shared_groups({"training": data.groups[~held], "hold-out": data.groups[held]}):
            yield DataFinding("refuse", "split", finding.message)


def check_overlap(hashes: RowHashes, held: Mask, record: TrainingRecord) -> Iterator[DataFinding]:
    """Find held-out rows that the champion was trained on, and training rows that it was judged on."""
    trained, judged = record.training, record.held_out
    for kind, own, former in (
        ("group", hashes.groups, (trained.groups, judged.groups)),
        ("row", hashes.ids, (trained.ids, judged.ids)),
    ):
        if len(own):
            yield from _changed_sides(kind, np.unique(own[held]), np.unique(own[~held]), former)
    both = int(trained.contents.holds(hashes.contents[held]).sum())
    if both:
        sentence = f"{_counted(both, 'held-out row')} of the same content as one of the champion's training rows."
        yield DataFinding("ask" if holds_images(hashes.data) else "warn", "overlap-content", sentence)


def _changed_sides(kind: str, held_out: Hashes, training: Hashes, former: tuple[Seen, Seen]) -> Iterator[DataFinding]:
    trained, judged = int(former[0].holds(held_out).sum()), int(former[1].holds(training).sum())
    if trained:
        sentence = (
            f"{_counted(trained, f'held-out {kind}')} stood in the champion's training data; it would be favoured."
        )
        yield DataFinding("refuse", "overlap", sentence)
    if judged:
        sentence = f"{_counted(judged, f'training {kind}')} stood among those that the champion was judged on."
        yield DataFinding("warn", "overlap-held-out", sentence)


def _counted(count: int, things: str) -> str:
    return f"{count} {things}" + ("" if count == 1 else "s")
