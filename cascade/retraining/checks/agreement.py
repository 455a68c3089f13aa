"""Whether champion and new labels still agree as they did: where not, labels or images are at fault, or the world."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from cascade.data.readers.dataset import Dataset
from cascade.data.splits import group_numbers
from cascade.retraining.checks.finding import DataFinding
from cascade.retraining.memory.agreement_figures import Estimate, agreement
from cascade.retraining.memory.record import TrainingRecord

MEANING = {
    "found": "of its rows the champion recognises {0:.0%} of what it did ({1:.0%} to {2:.0%}); are images or labels "
    "mixed up, or images corrupted?",
    "confirmed": "of rows that the champion is sure of, labels confirm {0:.0%} of what they did ({1:.0%} to {2:.0%}); "
    "were annotations lost?",
}


def check_agreement(
    data: Dataset, labels: Sequence[str], proba: NDArray[np.float64], record: TrainingRecord, least: float
) -> Iterator[DataFinding]:
    """Find labels on which new rows and the champion agree less than `least` of what they did.

    `labels` and `proba` are the champion's, probabilities of shape (n, L).
    """
    columns = [k for k, label in enumerate(data.label_names) if label in record.label_names]
    own = [labels.index(data.label_names[k]) for k in columns]
    now = agreement(data.labels.part(slice(None), columns), proba[:, own], group_numbers(data.groups, len(data)))
    for k, found in zip(columns, now, strict=True):
        name = data.label_names[k]
        before = record.agreement[record.label_names.index(name)]
        for figure in MEANING:
            yield from _less(name, figure, getattr(found, figure), getattr(before, figure), least)


def _less(
    label: str, figure: str, now: Estimate | None, before: Estimate | None, least: float
) -> Iterator[DataFinding]:
    if now is None or before is None:
        return
    left = now.over(before)
    if left.high < least:
        sentence = MEANING[figure].format(left.value, left.low, left.high)
        yield DataFinding("refuse", f"agreement-{figure}", f"label {label!r}: {sentence}")
