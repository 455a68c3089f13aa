"""What the page tells of the data: rows, combinations of labels, findings of lint."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np

from cascade.data import Dataset
from cascade.data.splits import group_numbers
from cascade.lint.lint import lint
from cascade.utils.types import Mask, Rows

MOST_COMBINATIONS = 40


def data_facts(data: Dataset, any_label: str | None, held_out: Rows | None = None) -> dict[str, Any]:
    """Describe labelled rows, those held out apart where `held_out` (m,) numbers them.

    Returns
    -------
    dict
        `facts` and `findings` as lint has them; `combinations`, the most frequent first; `parts`: what of the rows,
        groups and labels stands on each side of the split.
    """
    assert data.Y is not None
    facts, findings = lint(data.labels.masked(), data.label_names, data.groups, any_label)
    parts = _parts(len(data), held_out)
    return {
        "facts": facts,
        "findings": [asdict(finding) for finding in findings],
        "combinations": _combinations(data, parts),
        "parts": [_part(name, data, rows) for name, rows in parts.items()],
        "natural_prevalence": data.natural_prevalence,
    }


def _parts(n_rows: int, held_out: Rows | None) -> dict[str, Mask]:
    if held_out is None:
        return {"all": np.ones(n_rows, dtype=bool)}
    held = np.zeros(n_rows, dtype=bool)
    held[held_out] = True
    return {"training": ~held, "held out": held}


def _part(name: str, data: Dataset, rows: Mask) -> dict[str, Any]:
    assert data.Y is not None
    Y, number = data.Y[rows], group_numbers(data.groups, len(data))[rows]
    return {
        "part": name,
        "rows": len(Y),
        "groups": len(np.unique(number)),
        "empty_rows": int((~Y.any(axis=1)).sum()),
        "positives": Y.sum(axis=0, dtype=np.int64).tolist(),
        "label_groups": [len(np.unique(number[column > 0])) for column in Y.T],
    }


def _combinations(data: Dataset, parts: dict[str, Mask]) -> dict[str, Any]:
    """How many rows of each part have exactly these labels."""
    assert data.Y is not None
    vectors, place, count = np.unique(data.Y, axis=0, return_inverse=True, return_counts=True)
    shown = np.argsort(-count, kind="stable")[:MOST_COMBINATIONS]
    of_part = {name: np.bincount(place.ravel()[rows], minlength=len(vectors)) for name, rows in parts.items()}
    names = np.array(data.label_names, dtype=object)
    rows = [
        {"labels": names[vectors[k] > 0].tolist(), "rows": int(count[k])}
        | {name: int(counted[k]) for name, counted in of_part.items()}
        for k in shown
    ]
    return {"rows": rows, "left_out": len(vectors) - len(shown)}
