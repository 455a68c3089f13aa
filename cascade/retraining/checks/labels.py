"""Whether new labels can be learned from, and whether they are as frequent as they were."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from cascade.data.label_matrix import LabelMatrix
from cascade.data.labels import Labels
from cascade.data.readers.dataset import Dataset
from cascade.data.splits import group_numbers
from cascade.lint.lint import lint
from cascade.retraining.checks.finding import CheckVerdict, DataFinding
from cascade.retraining.checks.limits import Limits
from cascade.retraining.memory.agreement_figures import Estimate
from cascade.retraining.memory.record import TrainingRecord, prevalence_of
from cascade.retraining.memory.row_hashes import RowHashes, labelled

EXPECTED = 10.0
"""Independent positives to expect before their absence says anything: none then has a chance of 1 in 20,000."""
Z95 = 1.96

RELABELLED = 0.05
"""Share of the champion's rows that may have been corrected without a question."""

ANSWERED_ELSEWHERE = ("constant", "provable")
"""Lint findings that a check here refuses, or that the certificate answers."""


def check_labels_alone(data: Dataset, any_label: str | None) -> Iterator[DataFinding]:
    """Find what makes training fail or mean something else, without knowing former data."""
    Y = _labels(data)
    if not Y.any():
        yield DataFinding("refuse", "all-negative", "no row has a label; there is nothing to learn.")
        return
    for k in np.flatnonzero(Y.all(axis=0)):
        sentence = f"label {data.label_names[k]!r} is on in every row; its column was filled, or negatives were lost."
        yield DataFinding("refuse", "all-positive", sentence)
    _, findings = lint(LabelMatrix(Y, data.known).masked(), data.label_names, data.groups, any_label)
    for finding in findings:
        if finding.level != "note" and finding.code not in ANSWERED_ELSEWHERE:
            yield DataFinding("warn", f"lint-{finding.code}", finding.message)


def check_rows_lost(rows: int, record: TrainingRecord, fewest: float) -> Iterator[DataFinding]:
    """Find whether there are fewer rows than this share of the champion's."""
    if rows < fewest * record.rows:
        sentence = f"{rows} rows are fewer than {fewest:.0%} of the champion's {record.rows}; were rows lost?"
        yield DataFinding("refuse", "rows-lost", sentence)


def check_labels_against(data: Dataset, record: TrainingRecord, limits: Limits) -> Iterator[DataFinding]:
    """Find what became of the labels since the champion among new rows."""
    Y = _labels(data)
    if Y.any(axis=1).all() and record.empty_rows * len(Y) >= EXPECTED * record.rows:
        sentence = "every row has a label, which the champion's data had not; were the rows without one left out?"
        yield DataFinding("refuse", "no-empty-rows", sentence)
    shares = prevalence_of(data.labels, group_numbers(data.groups, len(Y)))
    for k, label in enumerate(data.label_names):
        if label in record.label_names:
            told = len(Y) if data.known is None else int(data.known[:, k].sum())
            yield from _one(label, int(Y[:, k].sum()), told, shares[k], record, limits)


def check_label_gone(data: Dataset, record: TrainingRecord) -> Iterator[DataFinding]:
    """Find labels without a positive in all data where the champion's had some."""
    for name, label in zip(data.label_names, _labels(data).T, strict=True):
        if (
            name in record.label_names
            and not label.any()
            and record.prevalence[record.label_names.index(name)].value > 0
        ):
            sentence = f"label {name!r} vanished: no row has it, and the champion's data had it."
            yield DataFinding("refuse", "label-vanished", sentence)


def check_relabelled(hashes: RowHashes, record: TrainingRecord) -> Iterator[DataFinding]:
    """Find rows of the champion's data that have other labels now."""
    data = hashes.data
    before = record.keys.holds(hashes.keys)
    changed = int((before & ~record.labelled.holds(labelled(hashes.keys, data.labels))).sum())
    if changed and data.label_names == record.label_names:
        answer: CheckVerdict = "ask" if changed > RELABELLED * before.sum() else "warn"
        sentence = f"{changed} of the {before.sum()} rows of the champion's data have other labels now."
        yield DataFinding(answer, "relabelled", sentence)


def _one(
    label: str, positives: int, rows: int, share: Estimate, record: TrainingRecord, limits: Limits
) -> Iterator[DataFinding]:
    before = record.prevalence[record.label_names.index(label)]
    expected = before.value * rows
    if not positives:
        if expected >= EXPECTED * _design_effect(before, record.rows):
            sentence = f"label {label!r} vanished: {expected:.0f} positives were to be expected among {rows} new rows."
            yield DataFinding("refuse", "label-vanished", sentence)
        return
    factor = share.over(before)
    beyond = max(factor.low, 1 / factor.high)
    if beyond < limits.prevalence_told:
        return
    told = f"{factor.value:.2f} times as frequent as in the champion's data ({factor.low:.2f} to {factor.high:.2f})"
    answer: CheckVerdict = "ask" if beyond >= limits.prevalence_asked else "warn"
    yield DataFinding(answer, "prevalence", f"label {label!r} is {told}.")


def _design_effect(share: Estimate, rows: int) -> float:
    """How many rows tell as much as one independent row, as the width of the share's interval shows; 1 or more."""
    error = (share.high - share.low) / (2 * Z95)
    return max(1.0, rows * error**2 / max(share.value * (1 - share.value), 1 / rows))


def _labels(data: Dataset) -> Labels:
    assert data.Y is not None
    return np.asarray(data.Y)
