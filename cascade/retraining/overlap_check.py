"""Whether held-out rows are truly unseen: by the challenger, and by the champion before it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from cascade.data.dataset import Dataset
from cascade.lint import shared_groups
from cascade.retraining.data_finding import DataFinding
from cascade.retraining.record import Side, TrainingRecord

Mask = NDArray[np.bool_]

KINDS = {"groups": "group", "ids": "row"}


def check_split(data: Dataset, held: Mask) -> Iterator[DataFinding]:
    """Find groups that stand on both sides of the split."""
    if data.groups is not None:
        for finding in shared_groups({"training": data.groups[~held], "hold-out": data.groups[held]}):
            yield DataFinding("refuse", "split", finding.message)


def check_overlap(data: Dataset, held: Mask, record: TrainingRecord) -> Iterator[DataFinding]:
    """Find held-out rows that the champion was trained on, and training rows that it was judged on."""
    held_out, training = (Side.of(data.part(np.flatnonzero(side))) for side in (held, ~held))
    for name, kind in KINDS.items():
        both = _common(getattr(held_out, name).hashes, getattr(record.training, name).hashes)
        if both:
            sentence = f"{both} held-out {kind}{_s(both)} stood in the champion's training data; it would be favoured."
            yield DataFinding("refuse", "overlap", sentence)
        both = _common(getattr(training, name).hashes, getattr(record.held_out, name).hashes)
        if both:
            sentence = f"{both} {kind}{_s(both)} that the champion was judged on {_are(both)} now in the training rows."
            yield DataFinding("warn", "overlap-held-out", sentence)
    both = _common(held_out.contents.hashes, record.training.contents.hashes)
    if both:
        sentence = f"{both} held-out row{_s(both)} {_have(both)} the content of the champion's training rows."
        yield DataFinding("ask" if len(data.X.shape) > 2 else "warn", "overlap-content", sentence)


def _common(first: NDArray[np.uint64], second: NDArray[np.uint64]) -> int:
    return len(np.intersect1d(first, second))


def _s(count: int) -> str:
    return "" if count == 1 else "s"


def _are(count: int) -> str:
    return "is" if count == 1 else "are"


def _have(count: int) -> str:
    return "has" if count == 1 else "have"
