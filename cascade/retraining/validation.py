"""May a challenger be trained on these data: every check, in order."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cascade.data.dataset import Dataset
from cascade.errors import DataError
from cascade.predictor import CascadePredictor
from cascade.retraining.agreement_check import check_agreement
from cascade.retraining.data_finding import DataFinding
from cascade.retraining.held_out import new_rows
from cascade.retraining.label_check import check_labels_against, check_labels_alone
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
    examined: TrainingRecord | None = None,
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
    examined : TrainingRecord, optional
        Of the data that were last found good, by a challenger that stayed one. What came since is examined by itself: a
        spoilt month must not hide among the good ones since the champion.

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
            part = data.part(_unexamined(data, record, examined))
            findings += check_labels_against(part, len(data), record, limits)
            if champion is not None and len(part) and not _refused(findings):
                findings += check_agreement(part, champion, record, limits.agreement)
    return sorted(findings, key=lambda finding: SERIOUS.index(finding.answer))


def _unexamined(data: Dataset, record: TrainingRecord, examined: TrainingRecord | None) -> NDArray[np.intp]:
    """Rows that are new since the last data that were found good; if there are none, those new since the champion."""
    fresh = new_rows(data, record)
    newest = fresh if examined is None else fresh & new_rows(data, examined)
    return np.flatnonzero(newest if newest.any() else fresh)


def _refused(findings: list[DataFinding]) -> bool:
    return any(finding.answer == "refuse" for finding in findings)
