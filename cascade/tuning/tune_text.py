"""Text of a search: the verdict and the table, from its result as plain data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Data = Mapping[str, Any]


def verdict(rows: Sequence[Data], chosen: int, flat: int, metric: str, margin: float) -> str:
    """Return one or two sentences: whether a cascade pays, and which model to train."""
    row, best = rows[chosen], rows[flat]
    name = metric.replace("_", " ")
    if chosen == flat:
        return (
            f"No cascade pays: none is cheaper than the best flat model without losing {name} beyond {margin:g}. "
            f"Train the flat model of trial {flat}, whose {name} is {best['quality']:.3f}."
        )
    ends = f"{row['difference_low']:+.3f} to {row['difference_high']:+.3f}"
    compared = (
        f"Its {name} is {row['quality']:.3f}, {row['difference']:+.3f} to the best flat model (95 % interval {ends}), "
        f"at {100 * row['share_of_flat']:.0f} % of the arithmetic per row."
    )
    if row["kind"] == "flat":
        return (
            f"No cascade pays: the smaller flat model of trial {chosen} is the cheapest that is not worse. {compared}"
        )
    return f"A cascade pays, that of trial {chosen}. {compared}"


def tuning_table(result: Data) -> str:
    """Return the trials on the curve, the flat models and the chosen model as a table, and the verdict."""
    numbers = sorted(
        {*result["curve"], *(row["trial"] for row in result["trials"] if _is_flat(row)), result["chosen"]},
        key=lambda number: result["trials"][number]["operations_per_row"],
    )
    head = f"{'trial':>5}  {'model':9}{'quality':>9}{'to flat':>9}{'95 % interval':>19}{'arithmetic':>12}"
    head += f"{'us/row':>9}{'past gate':>11}{'recall':>8}"
    lines = [head, *(_line(result["trials"][number], result["chosen"]) for number in numbers)]
    return "\n".join([*lines, "", result["verdict"]])


def _is_flat(row: Data) -> bool:
    return row["kind"] == "flat" and "quality" in row


def _line(row: Data, chosen: int) -> str:
    mark = "*" if row["trial"] == chosen else " "
    ends = f"{row['difference_low']:+.4f} to {row['difference_high']:+.4f}"
    micros = "-" if row.get("seconds_per_row") is None else f"{1e6 * row['seconds_per_row']:.0f}"
    recall = "-" if row["lowest_recall"] is None else f"{row['lowest_recall']:.3f}"
    return (
        f"{row['trial']:>4}{mark}  {row['kind']:9}{row['quality']:>9.4f}{row['difference']:>+9.4f}{ends:>19}"
        f"{row['share_of_flat']:>12.1%}{micros:>9}{row['share_past_gate']:>11.1%}{recall:>8}"
    )
