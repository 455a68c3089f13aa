"""The report as text: a table of labels, the ledger, the slices and a summary."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from textwrap import wrap
from typing import Any

from cascade.rules.thresholds.gate_costs import GateCosts

WIDTH = 120
"""Most characters of a line."""

Layout = tuple[tuple[str, str, str], ...]
"""Per column: the keys of its values, separated by spaces, its title and its format."""

LABELS: Layout = (
    ("label", "label", "{}"),
    ("positives", "rows", "{:.0f}"),
    ("prevalence", "prevalence", "{:.4f}"),
    ("auroc", "AUROC", "{:.3f}"),
    ("average_precision", "AP", "{:.3f}"),
    ("f1", "F1", "{:.3f}"),
    ("gate_recall", "gate recall", "{:.3f}"),
    ("sum_ratio_uncorrected", "raw sum", "{:.2f}"),
    ("sum_ratio_merged", "merged sum", "{:.2f}"),
    ("sum_ratio", "sum ratio", "{:.2f}"),
    ("sum_ratio_low sum_ratio_high", "95 % of sum", "{:.2f}-{:.2f}"),
)

LABELS_MORE: Layout = (
    ("label", "label", "{}"),
    ("average_precision_low average_precision_high", "95 % of AP", "{:.3f}-{:.3f}"),
    ("count_ratio", "count ratio", "{:.2f}"),
    ("f2", "F2", "{:.3f}"),
    ("log_loss", "log loss", "{:.4f}"),
    ("brier", "Brier", "{:.4f}"),
    ("brier_positives", "of pos.", "{:.4f}"),
    ("brier_negatives", "of neg.", "{:.4f}"),
    ("calibration_error", "cal. error", "{:.3f}"),
    ("calibration_slope", "slope", "{:.2f}"),
    ("calibration_intercept", "intercept", "{:.2f}"),
)

LEDGER: Layout = (
    ("label", "label", "{}"),
    ("positives", "rows", "{}"),
    ("found", "found", "{}"),
    ("lost_at_gate", "lost at gate", "{}"),
    ("lost_at_labeler", "lost at labeler", "{}"),
    ("false_alarms", "false alarms", "{}"),
)

SLICES: Layout = (
    ("slice", "", "{}"),
    ("rows", "rows", "{}"),
    ("macro_auroc", "AUROC", "{:.3f}"),
    ("macro_average_precision", "AP", "{:.3f}"),
    ("weighted_log_loss", "log loss", "{:.4f}"),
    ("f2_ciw", "F2", "{:.3f}"),
    ("f1_normal", "F1 normal", "{:.3f}"),
    ("subset_accuracy", "rows right", "{:.3f}"),
    ("hamming_loss", "Hamming", "{:.4f}"),
    ("samples_f1", "samples F1", "{:.3f}"),
    ("jaccard", "Jaccard", "{:.3f}"),
)

GATE_COSTS: Layout = (
    ("label", "label", "{}"),
    ("recall", "wanted recall", "{:.3g}"),
    ("positives", "rows", "{}"),
    ("kept", "kept", "{}"),
    ("bound", "bound", "{:.3f}"),
    ("alone", "passing if alone", "{:.3f}"),
    ("without", "without it", "{:.3f}"),
)

SUMMARY = (
    "rows",
    "rows_with_label",
    "share_past_gate",
    "gate_threshold",
    "gate_auroc",
    "macro_average_precision",
    "macro_average_precision_findings",
    "micro_average_precision",
    "weighted_log_loss",
    "undefined_labels",
    "rows_per_second",
)


def report_table(report: dict[str, Any]) -> str:
    """Return a report as text: metrics per label, the ledger, the slices and the summary of all rows."""
    labels, book = report["labels"], report["ledger"]
    parts = [
        # Two tables, since one with all columns would be wider than 120 characters.
        grid(LABELS, labels),
        grid(LABELS_MORE, labels),
        [*grid(LEDGER, book["labels"]), _empty_rows(book), *_wrapped(never_set(labels))],
        grid(SLICES, _slices(report)),
        *_gate_costs(report),
        _summary(report["overall"]),
    ]
    return "\n\n".join("\n".join(lines) for lines in parts)


def never_set(labels: list[dict[str, Any]]) -> list[str]:
    """Return a sentence for each label whose bit is never set, with its figures on the evaluated rows.

    Parameters
    ----------
    labels : list of dict
        Entry `labels` of a report.

    Examples
    --------
    >>> never_set([{"label": "crack", "decision_threshold": None, "average_precision": 0.02, "auroc": 0.61}])
    ['crack is never set (AUROC 0.61, AP 0.02): for bits, decide it by a cost, precision or recall']
    """
    return [
        f"{row['label']} is never set (AUROC {_short(row['auroc'])}, AP {_short(row['average_precision'])}): "
        "for bits, decide it by a cost, precision or recall"
        # Reports of earlier versions have no such entry.
        for row in labels
        if row.get("decision_threshold", 0.0) is None
    ]


def _slices(report: dict[str, Any]) -> list[dict[str, Any]]:
    slices = report["slices"]
    return [
        {"slice": "all rows"} | report["overall"],
        {"slice": "  predicted all empty"} | report["all_empty"],
        {"slice": "with a label"} | slices["with_label"]["overall"],
        {"slice": "past the gate"} | slices["past_gate"]["overall"],
    ]


def _gate_costs(report: dict[str, Any]) -> list[list[str]]:
    # Only the report of a training run has them, and no model of earlier versions.
    if report.get("gate_costs") is None:
        return []
    costs = GateCosts.from_json(report["gate_costs"])
    return [[*grid(GATE_COSTS, (asdict(cost) for cost in costs.labels)), *_wrapped(costs.notes())]]


def _wrapped(sentences: Iterable[str]) -> list[str]:
    return [line for sentence in sentences for line in wrap(sentence, WIDTH)]


def _empty_rows(book: dict[str, Any]) -> str:
    return (
        f"of {book['empty_rows']} empty rows, {book['empty_past_gate']} passed the gate "
        f"and {book['empty_with_alarm']} were given a label"
    )


def _summary(overall: dict[str, Any]) -> list[str]:
    lines = []
    for key in SUMMARY:
        # Some entries exist only in certain reports, such as `rows_per_second` where the scoring was timed.
        if key in overall:
            low, high = overall.get(f"{key}_low"), overall.get(f"{key}_high")
            interval = "" if low is None else f" ({_short(low)}-{_short(high)})"
            lines.append(f"{key.replace('_', ' ')}: {_short(overall[key])}{interval}")
    return lines


def grid(layout: Layout, rows: Iterable[dict[str, Any]]) -> list[str]:
    """Return the lines of a table, with its head."""
    lines = [[title for _, title, _ in layout]]
    lines += [[_cell(row, keys, form) for keys, _, form in layout] for row in rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(layout))]
    # The first column has names, the others numbers, which are easier to compare when aligned to the right.
    return [
        "  ".join(
            cell.rjust(width) if column else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    ]


def _cell(row: dict[str, Any], keys: str, form: str) -> str:
    values = [row.get(key) for key in keys.split()]
    # An interval with one undefined end is not shown at all. Slices lack some metrics, so a key may be absent.
    return "-" if None in values else form.format(*values)


def _short(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
