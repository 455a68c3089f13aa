"""Whether new labels can be learned from, and whether they are as frequent as before."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from cascade.data.label_matrix import LabelMatrix
from cascade.data.labels import Labels
from cascade.data.readers.dataset import Dataset
from cascade.data.splits import group_numbers
from cascade.drift.agreement import Estimate
from cascade.lint.lint import lint
from cascade.retraining.checks.finding import CheckVerdict, DataFinding
from cascade.retraining.checks.limits import Limits
from cascade.retraining.memory.record import TrainingRecord, prevalence_of
from cascade.retraining.memory.row_hashes import RowHashes, labelled

EXPECTED = 10.0
"""Independent positives that must be expected before their absence is a finding: exp(-10) is 1 in 20,000."""
Z95 = 1.96

RELABELLED = 0.05
"""Share of the champion's rows whose labels may change before a person must confirm the promotion."""

ANSWERED_ELSEWHERE = ("constant", "provable")
"""Lint findings that a check in this file covers, or that the certificate reports."""


def check_labels_alone(data: Dataset, any_label: str | None) -> Iterator[DataFinding]:
    """Find labels that make training fail or change its meaning, without a comparison to former data."""
    Y = _labels(data)
    if not Y.any():
        yield DataFinding("refuse", "all-negative", "no row has a label; there is nothing to learn.")
        # The remaining checks would only repeat this for every label.
        return
    for k in np.flatnonzero(Y.all(axis=0)):
        sentence = f"label {data.label_names[k]!r} is on in every row; was its column filled, or were negatives lost?"
        yield DataFinding("refuse", "all-positive", sentence)
    _, findings = lint(LabelMatrix(Y, data.known).masked(), data.label_names, data.groups, any_label)
    for finding in findings:
        if finding.level != "note" and finding.code not in ANSWERED_ELSEWHERE:
            yield DataFinding("warn", f"lint-{finding.code}", finding.message)


def check_rows_lost(rows: int, record: TrainingRecord, fewest: float) -> Iterator[DataFinding]:
    """Find whether there are fewer rows than the share `fewest` of the champion's."""
    if rows < fewest * record.rows:
        sentence = f"{rows} rows are fewer than {fewest:.0%} of the champion's {record.rows}; were rows lost?"
        yield DataFinding("refuse", "rows-lost", sentence)


def check_labels_against(data: Dataset, record: TrainingRecord, limits: Limits) -> Iterator[DataFinding]:
    """Find labels that vanished or changed in prevalence among new rows."""
    Y = _labels(data)
    # At the champion's rate this many new rows would have 10 or more without a label.
    if Y.any(axis=1).all() and record.empty_rows * len(Y) >= EXPECTED * record.rows:
        sentence = "every row has a label, unlike in the champion's data; were the rows without one left out?"
        yield DataFinding("refuse", "no-empty-rows", sentence)
    yield from _on_every_positive(data, Y, record)
    shares = prevalence_of(data.labels, group_numbers(data.groups, len(Y)))
    for k, name in enumerate(data.label_names):
        if name in record.label_names:
            # A row on which the label is unknown cannot be expected to show a positive.
            n_known = len(Y) if data.known is None else int(data.known[:, k].sum())
            yield from _frequency(name, int(Y[:, k].sum()), n_known, shares[k], record, limits)


def _on_every_positive(data: Dataset, Y: Labels, record: TrainingRecord) -> Iterator[DataFinding]:
    """Find labels that every row with a label has, and that many of the champion's rows with a label did not have."""
    some = Y.any(axis=1)
    positives = record.rows - record.empty_rows
    groups = group_numbers(data.groups, len(Y))
    for k, name in enumerate(data.label_names):
        rows = some if data.known is None else some & data.known[:, k]
        if name not in record.label_names or not positives or not rows.any() or not Y[rows, k].all():
            continue
        share = min(record.prevalence[record.label_names.index(name)].value * record.rows / positives, 1.0)
        # Rows of a group have the same labels, so groups are counted. `any` itself has a share of 1.
        if (1 - share) * len(np.unique(groups[rows])) >= EXPECTED:
            sentence = f"label {name!r} is on in every row that has a label, and {share:.0%} of them had it before; "
            yield DataFinding("refuse", "constant-among-positives", sentence + "was its column filled?")


def check_label_gone(data: Dataset, record: TrainingRecord) -> Iterator[DataFinding]:
    """Find labels without a positive in all data, although the champion's data had some."""
    for name, column in zip(data.label_names, _labels(data).T, strict=True):
        # One former positive is enough: all data normally includes the champion's rows, which had it.
        if (
            name in record.label_names
            and not column.any()
            and record.prevalence[record.label_names.index(name)].value > 0
        ):
            sentence = f"label {name!r} vanished: no row has it, and the champion's data had it."
            yield DataFinding("refuse", "label-vanished", sentence)


def check_relabelled(hashes: RowHashes, record: TrainingRecord) -> Iterator[DataFinding]:
    """Find rows of the champion's data whose labels have changed."""
    data = hashes.data
    before = record.keys.holds(hashes.keys)
    # A row is known by its key, and unchanged only if the hash of key and labels is known as well.
    changed = int((before & ~record.labelled.holds(labelled(hashes.keys, data.labels))).sum())
    # These hashes depend on the order of the columns: with other labels every row would seem changed.
    if changed and data.label_names == record.label_names:
        answer: CheckVerdict = "ask" if changed > RELABELLED * before.sum() else "warn"
        sentence = f"{changed} of the {before.sum()} rows of the champion's data have other labels now."
        yield DataFinding(answer, "relabelled", sentence)


def _frequency(
    name: str, positives: int, rows: int, share: Estimate, record: TrainingRecord, limits: Limits
) -> Iterator[DataFinding]:
    before = record.prevalence[record.label_names.index(name)]
    expected = before.value * rows
    if not positives:
        # Positives come in groups, such as slices of a patient: 10 in one patient are one event, not ten.
        if expected >= EXPECTED * _design_effect(before, record.rows):
            sentence = f"label {name!r} vanished: {expected:.0f} positives were expected among {rows} new rows."
            yield DataFinding("refuse", "label-vanished", sentence)
        return
    factor = share.over(before)
    # The end of the interval that is closer to 1, as a factor of 1 or more in either direction.
    beyond = max(factor.low, 1 / factor.high)
    if beyond < limits.prevalence_told:
        return
    change = f"{factor.value:.2f} times as frequent as in the champion's data ({factor.low:.2f} to {factor.high:.2f})"
    answer: CheckVerdict = "ask" if beyond >= limits.prevalence_asked else "warn"
    yield DataFinding(answer, "prevalence", f"label {name!r} is {change}.")


def _design_effect(share: Estimate, rows: int) -> float:
    """Return the number of rows that are worth one independent row, 1 or more; from the width of an interval."""
    error = (share.high - share.low) / (2 * Z95)
    # Variance by groups over the binomial one, Kish's design effect; the latter is 0 at a share of 0 or 1.
    return max(1.0, rows * error**2 / max(share.value * (1 - share.value), 1 / rows))


def _labels(data: Dataset) -> Labels:
    assert data.Y is not None
    return np.asarray(data.Y)
