"""Sections on the data, which all kinds of pages share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cascade.reports.html.layout.numbers import count, number, share
from cascade.reports.html.layout.panels import Table
from cascade.reports.html.layout.section import Section

Data = Mapping[str, Any]

MOST_NAMES = 8
"""Label names written out per combination."""


def data_section(data: Data) -> Section:
    """Return the section on rows, labels and label combinations."""
    content = {
        "parts": _parts(data["parts"]),
        "labels": _labels(data),
        "combinations": _combinations(data),
        "left_out": data["combinations"]["left_out"],
        "natural_prevalence": data["natural_prevalence"],
    }
    return Section("data", "Data and combinations", "Which data was used for training and evaluation?", content)


def lint_section(data: Data) -> Section:
    """Return the section with the findings of lint, most serious first."""
    question = "What is unusual or dangerous in the labels?"
    return Section("lint", "Lint findings", question, {"findings": data["findings"]})


def _parts(parts: list[Data]) -> Table:
    rows = [
        (part["part"], count(part["rows"]), count(part["groups"]), share(part["empty_rows"] / max(part["rows"], 1)))
        for part in parts
    ]
    return Table("Rows per part", ("part", "rows", "groups", "without a label"), tuple(rows))


def _labels(data: Data) -> Table:
    parts = data["parts"]
    columns = ["label"]
    # A page has one part or two: all rows, or training and held-out rows.
    for part in parts:
        columns += [f"rows, {part['part']}", f"groups, {part['part']}"]
    rows = []
    for k, label in enumerate(data["facts"]["labels"]):
        counts = [count(part[key][k]) for part in parts for key in ("positives", "label_groups")]
        rows.append((label["label"], share(label["prevalence"], 2), *counts, number(label["provable_recall"])))
    return Table("Labels", (columns[0], "prevalence", *columns[1:], "provable recall"), tuple(rows))


def _combination(names: list[str]) -> str:
    more = f" + {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
    return " + ".join(names[:MOST_NAMES]) + more or "(no label)"


def _combinations(data: Data) -> Table:
    parts = [part["part"] for part in data["parts"]]
    # Shares are those of all rows, as the combinations are ordered by their frequency among all rows.
    total = max(data["facts"]["rows"], 1)
    rows = [
        (
            _combination(row["labels"]),
            *(count(row[part]) for part in parts),
            share(row["rows"] / total, 2),
        )
        for row in data["combinations"]["rows"]
    ]
    return Table("Rows with exactly these labels", ("combination", *parts, "share"), tuple(rows))
