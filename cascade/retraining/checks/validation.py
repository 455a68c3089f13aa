"""All checks of data before a challenger is trained, in order."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from cascade.data.readers.dataset import Dataset
from cascade.data.splits import group_numbers
from cascade.drift.profile import TrainingProfile
from cascade.errors import DataError
from cascade.predictor import CascadePredictor
from cascade.retraining.checks.agreement import check_agreement
from cascade.retraining.checks.features import check_drift, check_features
from cascade.retraining.checks.finding import DataFinding
from cascade.retraining.checks.groups import check_groups
from cascade.retraining.checks.labels import (
    check_label_gone,
    check_labels_against,
    check_labels_alone,
    check_relabelled,
    check_rows_lost,
)
from cascade.retraining.checks.limits import Limits
from cascade.retraining.checks.overlap import check_overlap, check_split
from cascade.retraining.checks.rows import check_rows
from cascade.retraining.checks.schema import check_schema
from cascade.retraining.checks.unseen import check_unseen, histogram_pairs
from cascade.retraining.memory.arrivals import parts_by_arrival
from cascade.retraining.memory.feature_figures import Sample
from cascade.retraining.memory.record import TrainingRecord
from cascade.retraining.memory.row_hashes import Hashes, RowHashes
from cascade.utils.types import Rows

SERIOUS = ("refuse", "ask", "warn")


def validate_data(
    data: Dataset,
    held: NDArray[np.bool_],
    record: TrainingRecord | None = None,
    champion: CascadePredictor | None = None,
    limits: Limits | None = None,
    any_label: str | None = "auto",
    allow_missing: bool = False,
    hashes: RowHashes | None = None,
    arrival: NDArray[np.int64] | None = None,
) -> list[DataFinding]:
    """Check data before a challenger is trained on it.

    Parameters
    ----------
    data : Dataset
        n rows with labels; those of the champion may be among them.
    held : ndarray of bool, shape (n,)
        Rows that both models will be evaluated on.
    record : TrainingRecord, optional
        Of the champion; without one, only checks that need no comparison are done.
    champion : CascadePredictor, optional
        Its predictions of the new rows distinguish lost annotations from labels that became rarer.
    limits : Limits, optional
    any_label : str or None, default="auto"
    allow_missing : bool, default=False
        Whether a feature may be NaN.
    hashes : RowHashes, optional
        Of the data, if they were computed before.
    arrival : ndarray of int, shape (n,), optional
        Number of the arrival of each row. New rows are also checked separately for each arrival, so that a faulty
        month is not hidden among good ones. Arrivals of few groups are checked together with the next ones.

    Returns
    -------
    list of DataFinding
        Most serious first; empty if nothing is unusual.

    Raises
    ------
    DataError
        If there are no labels, or `held` does not have one value per row.
    """
    if data.Y is None or held.shape != (len(data),):
        raise DataError(f"`data` must have labels and `held` one value per row ({len(data)}). Received {held.shape}.")
    data, limits = data.with_dense_labels(), limits or Limits()
    hashes = RowHashes(data) if hashes is None else hashes
    findings = [] if record is None else list(check_schema(data, record))
    # The other checks compare columns and rows with the champion's, which needs the same form.
    if not _refused(findings):
        findings += check_rows(hashes, held, limits.constant_rows, allow_missing)
        findings += check_labels_alone(data, any_label)
        findings += check_split(data, held)
        if record is not None:
            findings += check_overlap(hashes, held, record)
            findings += check_rows_lost(len(data), record, limits.fewest_rows)
            findings += check_label_gone(data, record)
            findings += check_relabelled(hashes, record)
            fresh = np.flatnonzero(new_rows(hashes.keys, record))
            new = data.part(fresh)
            came = np.zeros(len(fresh), np.int64) if arrival is None else arrival[fresh]
            parts = parts_by_arrival(came, group_numbers(new.groups, len(new)))
            for rows in parts:
                findings += _located(check_labels_against(new.part(rows), record, limits), new, rows)
                groups = None if new.groups is None else hashes.groups[fresh[rows]]
                findings += _located(check_groups(groups, record), new, rows)
            profile = None if champion is None else champion.profile
            findings += _changed_features(hashes, fresh, parts, record, profile, limits)
            # Last, since predicting all new rows takes the most time: not for data that is refused anyway.
            if champion is not None and parts and not _refused(findings):
                findings += _disagreements(new, parts, champion, record, limits.agreement)
    # The sort is stable, so findings of one kind stay in the order of the checks.
    return sorted(findings, key=lambda finding: SERIOUS.index(finding.answer))


def new_rows(keys: Hashes, record: TrainingRecord) -> NDArray[np.bool_]:
    """Return a mask of the rows that the champion's data did not have, shape (n,); `keys` are those of `RowHashes`."""
    return ~record.keys.holds(keys)


def _changed_features(
    hashes: RowHashes,
    fresh: Rows,
    parts: list[Rows],
    record: TrainingRecord,
    profile: TrainingProfile | None,
    limits: Limits,
) -> list[DataFinding]:
    new = hashes.data.part(fresh)
    findings: list[DataFinding] = []
    # All rows come last, after single arrivals, and would be compared twice.
    for rows in parts[: max(1, len(parts) - 1)]:
        sample = Sample.of(hashes, fresh[rows])
        if record.features is not None and new.label_names == record.label_names:
            findings += _located(check_features(sample, record.features, new.label_names), new, rows)
        if profile is not None:
            pairs = histogram_pairs(hashes, fresh[rows], profile)
            findings += _located(check_unseen(pairs, profile, limits), new, rows)
            findings += _located(check_drift(pairs), new, rows)
    return findings


def _disagreements(
    new: Dataset,
    parts: list[Rows],
    champion: CascadePredictor,
    record: TrainingRecord,
    least: float,
) -> list[DataFinding]:
    # Parts overlap, since all new rows come after the single arrivals: each row is predicted once for all parts.
    proba = champion.predict_proba(new.X)
    findings: list[DataFinding] = []
    for rows in parts:
        disagreements = check_agreement(new.part(rows), champion.label_names, proba[rows], record, least)
        findings += _located(disagreements, new, rows)
    return findings


def _located(findings: Iterable[DataFinding], new: Dataset, rows: Rows) -> list[DataFinding]:
    """Append to each sentence which of the new rows it is about, unless it is about all of them."""
    where = f" This concerns {len(rows)} of {len(new)} new rows, the first of them {str(new.ids[rows[0]])!r}."
    return [replace(one, sentence=one.sentence + where * (len(rows) < len(new))) for one in findings]


def _refused(findings: list[DataFinding]) -> bool:
    return any(finding.answer == "refuse" for finding in findings)
