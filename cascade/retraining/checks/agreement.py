"""Whether the champion agrees with new labels as it did before; if not, labels or images are faulty, or changed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from cascade.data.label_matrix import LabelMatrix
from cascade.data.readers.dataset import Dataset
from cascade.data.splits import group_numbers
from cascade.drift.agreement import Z95, Estimate, agreement
from cascade.retraining.checks.finding import CheckVerdict, DataFinding
from cascade.retraining.memory.class_means import Counted, count_positives
from cascade.retraining.memory.record import TrainingRecord
from cascade.utils.types import Rows

MEANING = {
    "found": "the champion's mean probability on its rows is {0:.0%} of its former value ({1:.0%} to {2:.0%}); are "
    "images or labels mixed up, or images corrupted?",
    "confirmed": "the share of the champion's confident predictions that labels confirm is {0:.0%} of its former value "
    "({1:.0%} to {2:.0%}); were annotations lost?",
}


LIMITS_OF_QUESTIONS = {"found": 0.9, "confirmed": 0.95}
"""Share of a former figure below which a person must judge the rows, as for a fault in a quarter of them. The whole
interval must be below, and it is wider than that of a refusal, since many figures are compared."""
COUNTS_OF_QUESTIONS = (0.95, 1.05)
"""The same for the number of labels over the number that the champion predicts, in both directions."""
Z_QUESTIONS = 3.0
"""Standard errors on each side of these intervals: one of 740 is beyond by chance, on one side."""


def check_agreement(
    data: Dataset, label_names: Sequence[str], proba: NDArray[np.float64], record: TrainingRecord, least: float
) -> Iterator[DataFinding]:
    """Find labels whose agreement with the champion fell.

    Below the share `least` of its former value, data is refused. A smaller loss, as from a fault in a quarter of the
    rows, is left to a person.

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
    labels, group = data.labels.part(slice(None), columns), group_numbers(data.groups, len(data))
    now, counts = agreement(labels, proba[:, matched], group), _counts(data, labels, proba[:, matched], group, record)
    for k, current, counted in zip(columns, now, counts, strict=True):
        name = data.label_names[k]
        before = record.agreement[record.label_names.index(name)]
        findings = [
            finding
            for figure in MEANING
            for finding in _less(name, figure, getattr(current, figure), getattr(before, figure), least)
        ]
        # A count adds nothing to a figure that says what is wrong.
        yield from findings or _another_count(name, current.counted, before.counted, counted, least)


def _counts(
    data: Dataset, labels: LabelMatrix, proba: NDArray[np.float64], group: Rows, record: TrainingRecord
) -> Sequence[Counted | None]:
    # The classes of a label depend on the other labels, so all must be those of the champion.
    if record.class_means is None or data.label_names != record.label_names:
        return [None] * proba.shape[1]
    return count_positives(labels, proba, group, record.class_means)


def _less(name: str, figure: str, now: Estimate | None, before: Estimate | None, least: float) -> Iterator[DataFinding]:
    # Too few rows for an interval then or now: a rare label must not block every retraining.
    if now is None or before is None:
        return
    left = now.over(before)
    # The whole interval must be below: a small batch has a wide one, and is not refused for a chance result.
    answer: CheckVerdict = "refuse" if left.high < least else "ask"
    if answer == "refuse" or left.widened(Z_QUESTIONS).high < LIMITS_OF_QUESTIONS[figure]:
        sentence = MEANING[figure].format(left.value, left.low, left.high)
        yield DataFinding(answer, f"agreement-{figure}", f"label {name!r}: {sentence}")


def _another_count(
    name: str, now: Estimate | None, before: Estimate | None, counted: Counted | None, least: float
) -> Iterator[DataFinding]:
    """Find labels that were annotated less or more often than the champion's probabilities of the rows explain."""
    if now is None or before is None or counted is None:
        return
    left = now.over(before)
    # A change of prevalence moves the first figure as well, so the second one, which it does not move, must agree.
    ratio, (low, high) = counted.annotated / max(counted.estimated, 1e-9), counted.bounds(Z95)
    wide = left.widened(Z_QUESTIONS)
    fewer = wide.high < COUNTS_OF_QUESTIONS[0] and 0 <= ratio < LIMITS_OF_QUESTIONS["found"]
    more = wide.low > COUNTS_OF_QUESTIONS[1] and low > 1
    if not (fewer or more):
        return
    answer: CheckVerdict = "refuse" if left.high < least and high < 1 else "ask"
    what = "were annotations lost" if fewer else "was the label set without a cause"
    sentence = (
        f"label {name!r}: the number of its rows over that predicted by the champion is {left.value:.0%} of its former "
        f"value ({left.low:.0%} to {left.high:.0%}), and a change of prevalence does not explain it; {what}?"
    )
    yield DataFinding(answer, "agreement-counted", sentence)
