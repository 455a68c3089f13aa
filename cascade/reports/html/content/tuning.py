"""Content of the page of a search for the cascade that pays, as plain data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cascade.data import Dataset
from cascade.reports.html.content.data import data_facts
from cascade.utils.types import Rows


def tuning_data(result: Mapping[str, Any], data: Dataset, any_label: str | None, testing: Rows) -> dict[str, Any]:
    """Return the content of the page of a search.

    Parameters
    ----------
    result : mapping
        What `cascade tune` prints as JSON: trials, curve, chosen model and verdict.
    data : Dataset
        All rows of the data, with labels as an array.
    any_label : str or None
        Name of the column that equals the OR of the others; "auto" detects it.
    testing : ndarray of int, shape (m,)
        Numbers of the test rows, which the search did not use.

    Returns
    -------
    dict
        Plain data, the input of `cascade.reports.html.page`.
    """
    return {"kind": "tuning", "result": result, "data": data_facts(data, any_label, testing)}
