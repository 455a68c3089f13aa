"""Everything that the page of a comparison shows, as plain data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cascade.data import Dataset
from cascade.reports.html.content.data import data_facts


def comparison_data(result: Mapping[str, Any], data: Dataset, any_label: str | None) -> dict[str, Any]:
    """Gather what the page of a comparison shows.

    Parameters
    ----------
    result : mapping
        What `cascade.comparison.compare.compare` found.
    data : Dataset
        The rows that it was found on, with labels as an array.
    any_label : str or None
        Which column says that some label is present; "auto" finds it.

    Returns
    -------
    dict
        Plain data, which `cascade.reports.html.layout.page` takes.
    """
    return {"kind": "comparison", "result": result, "data": data_facts(data, any_label)}
