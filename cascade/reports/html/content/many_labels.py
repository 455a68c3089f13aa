"""Content of the page of a many-label model, as plain data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cascade.data import Dataset
from cascade.reports.html.content.data import data_facts
from cascade.utils.types import Rows

MOST_CELLS = 5_000_000
"""Largest rows x labels for lint and combinations, which need labels as a dense array."""


def many_labels_data(report: Mapping[str, Any], data: Dataset, held_out: Rows) -> dict[str, Any]:
    """Return the content of the page of a many-label model.

    Parameters
    ----------
    report : mapping
        Output of `cascade.many_labels.report.evaluate_many` for the held-out rows.
    data : Dataset
        All rows; labels may be sparse.
    held_out : ndarray of int, shape (m,)

    Returns
    -------
    dict
        Plain data, the input of `cascade.reports.html.page`; `data` is None above `MOST_CELLS` rows x labels.
    """
    # The bound applies to the product: either dimension may be large when the other is small.
    small = len(data) * len(data.label_names) <= MOST_CELLS
    facts = data_facts(data.with_dense_labels(), None, held_out) if small else None
    return {"kind": "many_labels", "report": report, "data": facts}
