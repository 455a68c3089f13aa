"""Text of a comparison: the verdict and the table."""

from __future__ import annotations

from typing import Any

from cascade.comparison.contenders import REFERENCE

SLOWER = 1.1
"""Time per row, as a multiple of the flat model's, from which a contender is called slower."""


def verdict(rows: list[dict[str, Any]]) -> str:
    """Return the verdict: one sentence with the contender to use, and why."""
    sound = {row["contender"]: row for row in rows if "error" not in row}
    best = max(sound.values(), key=lambda row: row["macro_average_precision"])
    flat = sound.get(REFERENCE)
    if flat is None:
        return f"Use {best['contender']} with care: the flat model could not be fitted, so nothing is compared with it."
    # Before any quality: a verdict for the flat model would hide that no cascade was compared.
    failed = [row["contender"] for row in rows if "error" in row and row["contender"].startswith("cascade")]
    if failed and not any(name.startswith("cascade") for name in sound):
        return f"No cascade could be fitted, so none is compared; {best['contender']} is the best of the others."
    if best is flat:
        cheaper = _cheaper(sound, flat)
        return f"Use {best['contender']}: no contender has a higher macro average precision{cheaper}."
    # `difference_least` holds after choosing the best; the interval of a single difference would be too optimistic.
    gain, least = best["difference"], best["difference_least"]
    if least > 0:
        return (
            f"Use {best['contender']}: its macro average precision is {gain:.3f} above that of the flat model, at "
            f"least {least:.3f} with 97.5 % confidence for the best of {len(sound)}{_slower(best, flat)}."
        )
    return (
        f"Use {REFERENCE}: {best['contender']} is {gain:.3f} above it in macro average precision, which is within "
        f"chance for the best of {len(sound)} contenders{_cheaper(sound, flat)}."
    )


def _cheaper(sound: dict[str, dict[str, Any]], flat: dict[str, Any]) -> str:
    """Name a cascade that is not clearly worse with less than two thirds of the arithmetic, if there is one."""
    if flat["operations_per_row"] is None:
        return ""
    # Not clearly worse: the interval of the difference to the flat model reaches above 0.
    equal = [
        row
        for row in sound.values()
        if row.get("difference_high") is not None
        and row["contender"].startswith("cascade")
        and row["difference_high"] > 0
        and row["operations_per_row"] is not None
        and row["operations_per_row"] < flat["operations_per_row"] / 1.5
    ]
    if not equal:
        return ""
    least = min(equal, key=lambda row: row["operations_per_row"])
    times = flat["operations_per_row"] / least["operations_per_row"]
    return (
        f"; where compute counts, {least['contender']} is not clearly worse at 1/{times:.1f} of the arithmetic per row"
        f"{_slower(least, flat)}"
    )


def _slower(row: dict[str, Any], flat: dict[str, Any]) -> str:
    """Say how much longer a contender takes per row than the flat model; nothing where it is hardly slower."""
    mine, other = (each.get("microseconds_per_row") for each in (row, flat))
    if not mine or not other or mine / other <= SLOWER:
        return ""
    return f", but takes {mine / other:.1f} times as long per row as the flat model"


def best_pair(rows: list[dict[str, Any]]) -> tuple[str, str] | None:
    """Return the names of the best cascade and the best flat contender; None where there is none of either.

    The best has the highest macro average precision, and the lowest log loss among those that are equal: calibration
    changes the probabilities of a flat model and not its ranking.
    """
    best = [best_of(kind, rows) for kind in ("cascade", REFERENCE)]
    return None if None in best else (str(best[0]), str(best[1]))


def best_of(kind: str, rows: list[dict[str, Any]]) -> str | None:
    """Return the name of the best contender whose name starts with `kind`; None where there is none."""
    scored = [r for r in rows if r["contender"].startswith(kind) and r.get("macro_average_precision") is not None]
    # Rounded: equal rankings may differ in their last digits.
    best = max(scored, key=lambda row: (round(row["macro_average_precision"], 6), -row["log_loss"]), default=None)
    return None if best is None else str(best["contender"])


COLUMNS = (
    ("macro_average_precision", "macro AP", "{:.3f}"),
    ("difference", "to flat", "{:+.3f}"),
    ("macro_f1", "F1", "{:.3f}"),
    ("any_auroc", "AUROC any", "{:.3f}"),
    ("log_loss", "log loss", "{:.4f}"),
    ("loss_difference", "to calibrated", "{:+.4f}"),
    ("incoherent_share", "incoherent", "{:.3f}"),
    ("share_past_gate", "past gate", "{:.2f}"),
    ("certified_recall", "proven", "{:.2f}"),
    ("operations_per_row", "ops/row", "{:.3g}"),
    ("fit_seconds", "fit s", "{:.1f}"),
    ("microseconds_per_row", "µs/row", "{:.1f}"),
)

DIFFERENCES = ("difference", "loss_difference")


def comparison_table(result: dict[str, Any]) -> str:
    """Return a comparison as a Markdown table followed by its verdict."""
    head = ["contender", *(title for _, title, _ in COLUMNS), "sums"]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for row in result["contenders"]:
        cells = [row["error"], *[""] * len(COLUMNS)] if "error" in row else _cells(row)
        lines.append("| " + " | ".join([row["contender"], *cells]) + " |")
    # Absent where no cascade or no flat contender could be fitted.
    against = [result["against_flat"]["sentence"], ""] if "against_flat" in result else []
    return "\n".join([*lines, "", *against, result["verdict"]])


def _cells(row: dict[str, Any]) -> list[str]:
    cells = []
    for key, _, form in COLUMNS:
        cell = "-" if row.get(key) is None else form.format(row[key])
        if row.get(f"{key}_low") is not None and key in DIFFERENCES:
            cell += f" ({form.format(row[f'{key}_low'])} to {form.format(row[f'{key}_high'])})"
        cells.append(cell)
    return [*cells, f"{row['sum_ratio_smallest']:.2f}-{row['sum_ratio_largest']:.2f}"]
