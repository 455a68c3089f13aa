"""What an export found, as text: rates, and what INT8 loses."""

from __future__ import annotations

from typing import Any

from cascade.runtime.runtimes import INT8


def text(result: dict[str, Any]) -> str:
    """The rates as a table, fastest first; of INT8 also what it loses."""
    lines = [f"{'network':24} {'runtime':12} {'rows/s':>12} {'batch':>6} {'largest difference':>19}"]
    lines += [_rate(name, one) for name, networks in result["networks"].items() for one in networks]
    lost = [] if "int8" not in result else ["", *_lost(result["int8"])]
    return "\n".join([*lines, *lost, "", f"model: {result['output']}"])


def _rate(name: str, one: dict[str, Any]) -> str:
    far = f"{one['largest_difference']:.1e}" if "largest_difference" in one else "reference"
    in_int8 = one.get("precision") == INT8
    runtime = f"{one['runtime']} int8" if in_int8 else one["runtime"]
    times = f"  {one['rows_per_second'] / one['float32_rows_per_second']:.2f} times float32" if in_int8 else ""
    return f"{name:24} {runtime:12} {one['rows_per_second']:12,.0f} {one['batch_size']:6d} {far:>19}{times}"


def _lost(loss: dict[str, Any]) -> list[str]:
    """What INT8 costs, label by label."""
    lines = [
        f"INT8 on {loss['rows']:,} rows: probabilities differ by {loss['mean_difference']:.1e} on average and "
        f"{loss['largest_difference']:.1e} at most; {loss['bits_changed']:.2%} of the bits change, "
        f"and whether a row is examined on {loss['fates_changed']:.2%}.",
        f"{'label':24} {'AP':>6} {'change (95 %)':>24} {'gate recall':>12} {'change (95 %)':>24} {'sum ratio':>13}",
    ]
    for label in loss["labels"]:
        precision, recall, total = (label[name] for name in ("average_precision", "gate_recall", "sum_ratio"))
        lines.append(
            f"{label['label']:24} {_number(precision['before']):>6} {_change(precision):>24} "
            f"{_number(recall['before']):>12} {_change(recall):>24} "
            f"{_number(total['before']):>5} -> {_number(total['after'])}"
        )
    return lines


def _change(found: dict[str, float | None]) -> str:
    if found["change"] is None:
        return "-"
    return f"{found['change']:+.3f} ({_number(found['low'], '+.3f')} to {_number(found['high'], '+.3f')})"


def _number(value: float | None, form: str = ".3f") -> str:
    return "-" if value is None else format(value, form)
