"""Content of the sections on data: rows, label combinations and findings of lint."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np

from cascade.data import Dataset
from cascade.data.splits import group_numbers
from cascade.lint.lint import lint
from cascade.utils.types import Mask, Rows

MOST_COMBINATIONS = 40
"""Combinations in the table; many labels would give thousands."""


def data_facts(data: Dataset, any_label: str | None, held_out: Rows | None = None) -> dict[str, Any]:
    """Describe labelled rows, separately for training and held-out rows if `held_out` is given.

    Parameters
    ----------
    data : Dataset
        All rows, with labels as an array.
    any_label : str or None
        Name of the column that equals the OR of the others; "auto" detects it.
    held_out : ndarray of int, shape (m,), optional
        Numbers of the held-out rows.

    Returns
    -------
    dict
        - `facts`, `findings`: the results of lint.
        - `combinations`: label combinations, most frequent first.
        - `parts`: rows, groups and positives on each side of the split.
        - `natural_prevalence`: False if rare combinations were oversampled in the data.
    """
    assert data.Y is not None
    # Lint counts missing labels, so it needs the mask; `data.Y` has 0 in their place.
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
    # Groups are numbered over all rows first; without groups, each row is its own group.
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
    """Count the rows of each part with exactly the same labels, for the most frequent combinations."""
    assert data.Y is not None
    vectors, place, count = np.unique(data.Y, axis=0, return_inverse=True, return_counts=True)
    # Stable, so that equally frequent combinations keep the same order in every report.
    shown = np.argsort(-count, kind="stable")[:MOST_COMBINATIONS]
    # `ravel`, because NumPy 2.0 returns the inverse of unique rows as a column.
    of_part = {name: np.bincount(place.ravel()[rows], minlength=len(vectors)) for name, rows in parts.items()}
    names = np.array(data.label_names, dtype=object)
    rows = [
        {"labels": names[vectors[k] > 0].tolist(), "rows": int(count[k])}
        | {name: int(counted[k]) for name, counted in of_part.items()}
        for k in shown
    ]
    return {"rows": rows, "left_out": len(vectors) - len(shown)}
