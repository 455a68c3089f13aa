"""Whether the champion agrees with new labels as it did before; if not, labels or images are faulty, or changed."""

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
    "found": "the champion's mean probability on its rows is {0:.0%} of its former value ({1:.0%} to {2:.0%}); are "
    "images or labels mixed up, or images corrupted?",
    "confirmed": "the share of the champion's confident predictions that labels confirm is {0:.0%} of its former value "
    "({1:.0%} to {2:.0%}); were annotations lost?",
}


def check_agreement(
    data: Dataset, label_names: Sequence[str], proba: NDArray[np.float64], record: TrainingRecord, least: float
) -> Iterator[DataFinding]:
    """Find labels whose agreement with the champion fell below the share `least` of its former value.

    Parameters
    ----------
    data : Dataset
        n new rows with labels.
    label_names : sequence of str, length L
        Of the champion, in column order.
    proba : ndarray of float, shape (n, L)
        The champion's probabilities of these rows.
    record : TrainingRecord
        Of the champion, with the agreement on its own held-out rows.
    least : float
    """
    # Data, champion and record may list their labels in different orders, so columns are matched by name.
    columns = [k for k, name in enumerate(data.label_names) if name in record.label_names]
    matched = [label_names.index(data.label_names[k]) for k in columns]
    now = agreement(data.labels.part(slice(None), columns), proba[:, matched], group_numbers(data.groups, len(data)))
    for k, current in zip(columns, now, strict=True):
        name = data.label_names[k]
        before = record.agreement[record.label_names.index(name)]
        for figure in MEANING:
            yield from _less(name, figure, getattr(current, figure), getattr(before, figure), least)


def _less(name: str, figure: str, now: Estimate | None, before: Estimate | None, least: float) -> Iterator[DataFinding]:
    # Too few rows for an interval then or now: a rare label must not block every retraining.
    if now is None or before is None:
        return
    left = now.over(before)
    # The whole interval must be below: a small batch has a wide one, and is not refused for a chance result.
    if left.high < least:
        sentence = MEANING[figure].format(left.value, left.low, left.high)
        yield DataFinding("refuse", f"agreement-{figure}", f"label {name!r}: {sentence}")
