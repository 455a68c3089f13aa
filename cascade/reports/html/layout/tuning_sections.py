"""Sections of the page of a search: the verdict, the curve of quality against cost, and the trials."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from cascade.reports.html.layout.data_sections import data_section, lint_section
from cascade.reports.html.layout.numbers import NONE, count, interval, number, share, signed
from cascade.reports.html.layout.panels import Panel, Table
from cascade.reports.html.layout.scales import Linear, span_over
from cascade.reports.html.layout.section import Section

Data = Mapping[str, Any]


def tuning_sections(data: Data) -> list[Section]:
    """Return all sections in page order."""
    result = data["result"]
    return [
        Section(
            "verdict", "Verdict", "Does a cascade pay?", {"sentence": result["verdict"], "against": None, "failed": []}
        ),
        _curve(result),
        _models(result),
        _trials(result),
        _space(result),
        data_section(data["data"]),
        lint_section(data["data"]),
    ]


def _judged(result: Data) -> list[Data]:
    return [row for row in result["trials"] if row.get("quality") is not None]


def _curve(result: Data) -> Section:
    rows = _judged(result)
    panels = [_panel(result, rows, "share_of_flat", "Quality by arithmetic", "arithmetic per row")]
    timed = [row for row in rows if row["time_of_flat"] is not None]
    if timed:
        panels.append(_panel(result, timed, "time_of_flat", "Quality by measured time", "time per row"))
    content = {"panels": panels, "metric": _name(result), "margin": result["margin"]}
    return Section("curve", "Curve", "What does quality cost per row?", content)


def _panel(result: Data, rows: Sequence[Data], cost: str, title: str, x_title: str) -> Panel:
    flat, chosen = (result["trials"][result[key]] for key in ("flat", "chosen"))
    least = flat["quality"]
    ends = [least + sign * value for value, sign in _ends(result, chosen)]
    y = span_over([*(row["quality"] for row in rows), *ends])
    # In quarters, so that the axis ends at a tick.
    x = Linear(math.ceil(4 * max(row[cost] for row in rows)))
    table = Table(title, ("trial", "model", x_title, _name(result)), tuple(_point(row, cost) for row in rows))
    panel = Panel(
        title=title,
        note=f"trial {chosen['trial']} at {share(chosen[cost])} of the best flat model",
        summary=f"{title}: {number(chosen['quality'])} at {share(chosen[cost])} for the chosen model, "
        f"{number(least)} at 100 % for the best flat model.",
        x=x,
        y=y,
        x_title=f"{x_title}, % of the best flat model",
        y_title=_name(result),
        table=table,
    )
    return _drawn(panel, result, rows, cost, ends)


def _drawn(panel: Panel, result: Data, rows: Sequence[Data], cost: str, ends: Sequence[float]) -> Panel:
    flat, chosen = (result["trials"][result[key]] for key in ("flat", "chosen"))
    panel.line("reference", [(0.0, flat["quality"]), (panel.x.ticks[-1][0], flat["quality"])])
    curve = [row for row in rows if row["trial"] in result["curve"]]
    panel.line("curve", sorted((row[cost], row["quality"]) for row in curve))
    if ends:
        panel.line("whisker", [(chosen[cost], end) for end in ends])
    # Flat models above cascades: there are few of them.
    for row in sorted(rows, key=_is_flat):
        panel.dot("plain" if _is_flat(row) else "point", row[cost], row["quality"])
    return panel.dot("chosen", chosen[cost], chosen["quality"])


def _ends(result: Data, chosen: Data) -> list[tuple[float, int]]:
    """Return both ends of the chosen model's difference, with the sign that turns them into qualities."""
    if chosen["trial"] == result["flat"] or chosen["difference_low"] is None:
        return []
    sign = 1 if result["maximise"] else -1
    return [(chosen[key], sign) for key in ("difference_low", "difference_high")]


def _is_flat(row: Data) -> bool:
    return bool(row["kind"] == "flat")


def _point(row: Data, cost: str) -> tuple[str, ...]:
    return (str(row["trial"]), row["kind"], share(row[cost]), number(row["quality"], 4))


def _name(result: Data) -> str:
    name: str = result["metric"].replace("_", " ")
    return name


def _models(result: Data) -> Section:
    shown = {*result["curve"], result["chosen"], *(row["trial"] for row in _judged(result) if _is_flat(row))}
    rows = sorted((row for row in _judged(result) if row["trial"] in shown), key=lambda row: row["share_of_flat"])
    columns = (
        "trial",
        "model",
        _name(result),
        "difference from flat",
        "arithmetic, flat = 100 %",
        "microseconds per row",
        "past gate",
        "lowest recall at the gate",
    )
    table = Table("Models on the curve, and the flat models", columns, tuple(_cells(row, result) for row in rows))
    question = "Which models are on the curve, and what are the flat models beside them?"
    return Section("models", "Models", question, {"table": table}, "table")


def _cells(row: Data, result: Data) -> tuple[str, ...]:
    seconds = row["seconds_per_row"]
    chosen = "\nchosen" if row["trial"] == result["chosen"] else ""
    ends = interval(row["difference_low"], row["difference_high"])
    return (
        f"{row['trial']}",
        f"{row['kind']}{chosen}",
        number(row["quality"], 4),
        f"{signed(row['difference'])}\n{ends}",
        share(row["share_of_flat"]),
        number(None if seconds is None else 1e6 * seconds, 1),
        share(row["share_past_gate"]),
        number(row["lowest_recall"]),
    )


def _trials(result: Data) -> Section:
    keys = list(result["space"])
    columns = ("trial", "model", _name(result), "arithmetic", "seconds", *map(_short, keys), "ended early")
    rows = tuple(_trial(row, keys) for row in result["trials"])
    table = Table("All trials in order", columns, rows)
    return Section("trials", "Trials", "What was tried?", {"table": table}, "table")


def _short(key: str) -> str:
    """Return a heading for a config key, such as `gate width`."""
    first, *_, last = key.split(".")
    # What is not of a stage is said by its last name alone.
    return f"{'' if first == 'cascade' else first} {last.replace('_', ' ')}".strip()


def _trial(row: Data, keys: Sequence[str]) -> tuple[str, ...]:
    return (
        str(row["trial"]),
        row["kind"],
        number(row.get("quality"), 4),
        share(row.get("share_of_flat")),
        count(row["seconds"]),
        # A flat model has no gate, and a key without a value may still have None.
        *(str(row["values"][key]) if key in row["values"] else NONE for key in keys),
        row.get("pruned") or "",
    )


def _space(result: Data) -> Section:
    rows = tuple((key, ", ".join(map(str, values))) for key, values in result["space"].items())
    table = Table("Candidates by config key, the start of the search first", ("key", "candidates"), rows)
    return Section("space", "Space", "What could be tried?", {"table": table}, "table")
