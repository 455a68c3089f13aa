"""Content of the page of a comparison, as plain data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cascade.data import Dataset
from cascade.reports.html.content.data import data_facts


def comparison_data(result: Mapping[str, Any], data: Dataset, any_label: str | None) -> dict[str, Any]:
    """Return the content of the page of a comparison.

    Parameters
    ----------
    result : mapping
        Output of `cascade.comparison.compare.compare`.
    data : Dataset
        The rows that were compared on, with labels as an array.
    any_label : str or None
        Name of the column that equals the OR of the others; "auto" detects it.

    Returns
    -------
    dict
        Plain data, the input of `cascade.reports.html.page`.
    """
    return {"kind": "comparison", "result": result, "data": data_facts(data, any_label)}
