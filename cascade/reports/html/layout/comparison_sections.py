"""The sections of a comparison, each from the plain data that it shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cascade.reports.html.layout.data_sections import data_section, lint_section
from cascade.reports.html.layout.numbers import count, interval, number, share, short, signed
from cascade.reports.html.layout.panels import Table
from cascade.reports.html.layout.section import Section

Data = Mapping[str, Any]
PRECISION = "macro_average_precision"


def comparison_sections(data: Data) -> list[Section]:
    """All of them, in the order in which they are read."""
    return [
        _verdict(data["result"]),
        _quality(data["result"]),
        _costs(data["result"]),
        data_section(data["data"]),
        lint_section(data["data"]),
    ]


def _verdict(result: Data) -> Section:
    failed = [row for row in result["contenders"] if "error" in row]
    return Section("verdict", "Verdict", "Which is to be used?", {"sentence": result["verdict"], "failed": failed})


def _sound(result: Data) -> list[Data]:
    return [row for row in result["contenders"] if "error" not in row]


def _quality(result: Data) -> Section:
    rows = _sound(result)
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
    return Section("quality", "Quality", "Which finds more, on the same held-out groups?", content)


def _difference_ends(row: Data) -> str:
    if row.get("difference") is None:
        return ""
    return f"{signed(row['difference_low'])} to {signed(row['difference_high'])}"


def _mark(row: Data, low: float, high: float) -> dict[str, float] | None:
    """Places, in percent of the width, of the average precision and the ends of its interval."""
    values = [row[PRECISION + end] for end in ("_low", "", "_high")]
    if None in values:
        return None
    first, at, last = (round(100 * (value - low) / max(high - low, 1e-9), 2) for value in values)
    return {"low": first, "at": at, "high": last}


def _costs(result: Data) -> Section:
    columns = (
        "contender",
        "past gate",
        "recall proven",
        "incoherent rows",
        "operations a row",
        "fit seconds",
        "rows/s",
    )
    rows = tuple(_cost_cells(row) for row in _sound(result))
    table = Table("What each contender costs and guarantees", columns, rows)
    return Section("costs", "Cost and guarantees", "What does it cost, and what is certain?", {"table": table}, "table")


def _cost_cells(row: Data) -> tuple[str, ...]:
    cells: Sequence[str] = (
        share(row["share_past_gate"]),
        number(row["certified_recall"]),
        share(row["incoherent_share"]),
        short(row["operations_per_row"]),
        number(row["fit_seconds"], 1),
        count(row["rows_per_second"]),
    )
    return (row["contender"], *cells)
