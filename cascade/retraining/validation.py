"""May a challenger be trained on these data: every check, in order."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cascade.data.dataset import Dataset
from cascade.errors import DataError
from cascade.predictor import CascadePredictor
from cascade.retraining.agreement_check import check_agreement
from cascade.retraining.data_finding import DataFinding
from cascade.retraining.held_out import new_rows
from cascade.retraining.label_check import check_labels_against, check_labels_alone, check_rows_lost
from cascade.retraining.limits import Limits
from cascade.retraining.overlap_check import check_overlap, check_split
from cascade.retraining.record import TrainingRecord
from cascade.retraining.row_check import check_rows
from cascade.retraining.schema_check import check_schema

SERIOUS = ("refuse", "ask", "warn")


def validate_data(
    data: Dataset,
    held: NDArray[np.bool_],
    record: TrainingRecord | None = None,
    champion: CascadePredictor | None = None,
    limits: Limits | None = None,
    any_label: str | None = "auto",
    allow_missing: bool = False,
    arrival: NDArray[np.intp] | None = None,
) -> list[DataFinding]:
    """Examine data before a challenger is trained on them.

    Parameters
    ----------
    data : Dataset
        n rows with labels; those of the champion may be among them.
    held : ndarray of bool, shape (n,)
        Rows that both models will be judged on.
    record : TrainingRecord, optional
        Of the champion; without one, only what needs no comparison is examined.
    champion : CascadePredictor, optional
        It is asked what it thinks of the new rows, which tells lost labels from rarer ones.
    limits : Limits, optional
    any_label : str or None, default="auto"
    allow_missing : bool, default=False
        Whether a feature may be NaN.
    arrival : ndarray of int, shape (n,), optional
        Number of the arrival that each row came with. New rows of each are examined by themselves too: a spoilt month
        must not hide among good ones.

    Returns
    -------
    list of DataFinding
        Most serious first; none where nothing is odd.

    Raises
    ------
    DataError
        If there are no labels, or `held` has not one value per row.
    """
    if data.Y is None or held.shape != (len(data),):
        raise DataError(f"`data` must have labels and `held` one value per row ({len(data)}). Received {held.shape}.")
    data, limits = data.with_dense_labels(), limits or Limits()
    findings = [] if record is None else list(check_schema(data, record))
    if not _refused(findings):
        findings += check_rows(data, held, limits.constant_rows, allow_missing)
        findings += check_labels_alone(data, any_label)
        findings += check_split(data, held)
        if record is not None:
            findings += check_overlap(data, held, record)
            findings += check_rows_lost(len(data), record, limits.fewest_rows)
            fresh = np.flatnonzero(new_rows(data, record))
            new, parts = data.part(fresh), _parts(np.zeros(len(fresh)) if arrival is None else arrival[fresh])
            for rows in parts:
                findings += _told(check_labels_against(new.part(rows), record, limits), new, rows)
            if champion is not None and parts and not _refused(findings):
                findings += _disagreements(new, parts, champion, record, limits.agreement)
    return sorted(findings, key=lambda finding: SERIOUS.index(finding.answer))


def _parts(arrival: NDArray[Any]) -> list[NDArray[np.intp]]:
    """Rows of each arrival, and after them all rows, for what is too small to be seen in each; none of no rows."""
    numbers = np.unique(arrival)
    each = [np.flatnonzero(arrival == number) for number in numbers]
    return [*each, np.arange(len(arrival))] if len(each) > 1 else each


def _disagreements(
    new: Dataset,
    parts: list[NDArray[np.intp]],
    champion: CascadePredictor,
    record: TrainingRecord,
    least: float,
) -> list[DataFinding]:
    proba = champion.predict_proba(new.X)
    findings: list[DataFinding] = []
    for rows in parts:
        found = check_agreement(new.part(rows), champion.labels, proba[rows], record, least)
        findings += _told(found, new, rows)
    return findings


def _told(found: Iterable[DataFinding], new: Dataset, rows: NDArray[np.intp]) -> list[DataFinding]:
    """Findings of some of the new rows, which tell what rows these are where they are not all."""
    where = f" This is of {len(rows)} rows that came together, the first of them {str(new.ids[rows[0]])!r}."
    return [replace(one, sentence=one.sentence + where * (len(rows) < len(new))) for one in found]


def _refused(findings: list[DataFinding]) -> bool:
    return any(finding.answer == "refuse" for finding in findings)
