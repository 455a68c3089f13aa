"""Sections of the page of a comparison."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cascade.reports.html.layout.data_sections import data_section, lint_section
from cascade.reports.html.layout.numbers import interval, number, share, short, signed
from cascade.reports.html.layout.panels import Table
from cascade.reports.html.layout.section import Section

Data = Mapping[str, Any]
PRECISION = "macro_average_precision"


def comparison_sections(data: Data) -> list[Section]:
    """Return all sections in page order."""
    return [
        _verdict(data["result"]),
        _quality(data["result"]),
        _costs(data["result"]),
        data_section(data["data"]),
        lint_section(data["data"]),
    ]


def _verdict(result: Data) -> Section:
    failed = [row for row in result["contenders"] if "error" in row]
    # Absent where no cascade or no flat contender could be fitted.
    against = result.get("against_flat")
    content = {
        "sentence": result["verdict"],
        "against": None if against is None else against["sentence"],
        "failed": failed,
    }
    return Section("verdict", "Verdict", "Which contender should be used?", content)


def _completed(result: Data) -> list[Data]:
    # A contender that failed has an error instead of metrics; the others are still compared.
    return [row for row in result["contenders"] if "error" not in row]


def _quality(result: Data) -> Section:
    rows = _completed(result)
    # One common scale, so that the intervals of all contenders can be compared by eye.
    ends = [value for row in rows for key in ("_low", "", "_high") if (value := row[PRECISION + key]) is not None]
    low, high = min(ends, default=0.0), max(ends, default=1.0)
    shown = [
        {
            "contender": row["contender"],
            "mark": _mark(row, low, high),
            "precision": number(row[PRECISION]),
            "precision_ends": interval(row[f"{PRECISION}_low"], row[f"{PRECISION}_high"]),
            "difference": signed(row.get("difference")),
            "difference_ends": _difference_ends(row),
            "f1": number(row["macro_f1"]),
            "auroc": number(row["any_auroc"]),
            "log_loss": number(row["log_loss"], 4),
            "sums": interval(row["sum_ratio_smallest"], row["sum_ratio_largest"], 2),
        }
        for row in rows
    ]
    content = {"rows": shown, "low": low, "high": high, "folds": result["folds"]}
    return Section("quality", "Quality", "Which contender predicts best on the same held-out groups?", content)


def _difference_ends(row: Data) -> str:
    # The reference has no difference to itself, and an interval of undefined values is left empty.
    if row.get("difference") is None:
        return ""
    return f"{signed(row['difference_low'])} to {signed(row['difference_high'])}"


def _mark(row: Data, low: float, high: float) -> dict[str, float] | None:
    """Return the positions of the average precision and its interval in percent of the width."""
    values = [row[PRECISION + end] for end in ("_low", "", "_high")]
    if None in values:
        return None
    # With a single contender and no spread, the range is 0.
    first, at, last = (round(100 * (value - low) / max(high - low, 1e-9), 2) for value in values)
    return {"low": first, "at": at, "high": last}


def _costs(result: Data) -> Section:
    columns = (
        "contender",
        "past gate",
        "certified recall",
        "incoherent rows",
        "operations per row",
        "fit seconds",
        "microseconds per row",
    )
    rows = tuple(_cost_cells(row) for row in _completed(result))
    table = Table("What each contender costs and guarantees", columns, rows)
    question = "What does each contender cost, and what does it guarantee?"
    return Section("costs", "Cost and guarantees", question, {"table": table}, "table")


def _cost_cells(row: Data) -> tuple[str, ...]:
    cells: Sequence[str] = (
        share(row["share_past_gate"]),
        number(row["certified_recall"]),
        share(row["incoherent_share"]),
        short(row["operations_per_row"]),
        number(row["fit_seconds"], 1),
        number(row["microseconds_per_row"], 1),
    )
    return (row["contender"], *cells)
