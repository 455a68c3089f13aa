"""Everything that the page of a flat model shows, as plain data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cascade.data import Dataset
from cascade.reports.html.content.data import data_facts
from cascade.utils.types import Rows

MOST_CELLS = 5_000_000
"""Rows x labels that are looked at for combinations and by lint, which needs them as an array."""


def many_labels_data(report: Mapping[str, Any], data: Dataset, held_out: Rows) -> dict[str, Any]:
    """Gather what the page of a flat model shows.

    Parameters
    ----------
    report : mapping
        What `cascade.many_labels.report.evaluate_many` found on the held-out rows.
    data : Dataset
        All rows; labels may be sparse.
    held_out : ndarray of int, shape (m,)

    Returns
    -------
    dict
        Plain data, which `cascade.reports.html.layout.page` takes; `data` is None where labels are too many to look at.
    """
    small = len(data) * len(data.label_names) <= MOST_CELLS
    facts = data_facts(data.with_dense_labels(), None, held_out) if small else None
    return {"kind": "flat", "report": report, "data": facts}
