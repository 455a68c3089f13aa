"""Sections of the page of a training run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cascade.reports.flat_table import COLUMNS, flat_rows, measured
from cascade.reports.html.layout.charts import (
    cost,
    gate_panels,
    precision_recall_panels,
    ratio_marks,
    reliability_panels,
    saving,
)
from cascade.reports.html.layout.data_sections import data_section, lint_section
from cascade.reports.html.layout.numbers import count, interval, number, share, short
from cascade.reports.html.layout.panels import MOST_PANELS, Table
from cascade.reports.html.layout.section import Section, Tile
from cascade.reports.report_text import never_set
from cascade.rules.thresholds.certificate import Certificate
from cascade.rules.thresholds.gate_costs import GateCosts

Data = Mapping[str, Any]


def training_sections(data: Data) -> list[Section]:
    """Return all sections in page order; those without content are left out."""
    # Only a retraining has a champion to compare with.
    decision = [] if data["decision"] is None else [_decision(data["decision"])]
    # A flat model has no gate to explore.
    gate = [] if data["explorer"] is None else [_gate(data["explorer"], data["report"])]
    return [
        *_verdict(data["report"]),
        _summary(data["report"]),
        *decision,
        *_flat(data["report"]),
        *gate,
        _ledger(data["report"]),
        _precision_recall(data),
        _calibration(data),
        _counts(data["report"]),
        _figures(data["report"]),
        _mistakes(data["mistakes"]),
        data_section(data["data"]),
        lint_section(data["data"]),
    ]


def _verdict(report: Data) -> list[Section]:
    # Reports of earlier releases have no verdict.
    findings = report.get("verdict")
    question = "What follows from the figures of the held-out rows?"
    return [Section("verdict", "Verdict", question, {"findings": findings}, "findings")] if findings else []


def _flat(report: Data) -> list[Section]:
    # Only a run with `flat_baseline` has a flat model, and its training may have failed.
    flat = report.get("flat")
    if flat is None or "error" in flat:
        return []
    content = {
        "table": Table("The cascade beside a flat model of its labeler's kind", COLUMNS, tuple(flat_rows(flat))),
        "measured": measured(flat),
    }
    return [Section("flat", "Flat model", "Would a model without a gate be as good, and at what cost?", content)]


def _summary(report: Data) -> Section:
    overall = report["overall"]
    # `any` is the OR of the findings, so their average leaves it out.
    key = "macro_average_precision_findings"
    gate = [
        Tile("Gate AUROC", number(overall["gate_auroc"])),
        Tile("Rows past the gate", share(overall["share_past_gate"]), f"threshold {short(overall['gate_threshold'])}"),
    ]
    tiles = [
        Tile("Macro average precision of the findings", number(overall[key]), f"95 %: {_ends(overall, key)}"),
        # Reports of earlier releases do not name their model.
        *([] if report.get("model") == "flat" else gate),
        Tile("Weighted log loss", number(overall["weighted_log_loss"], 4), f"95 %: {_ends(overall, LOG_LOSS, 4)}"),
        Tile("Held-out rows", count(overall["rows"]), f"{count(overall['rows_with_label'])} with a label"),
    ]
    return Section("summary", "Summary", "How good is the model on held-out rows?", {"tiles": tiles})


LOG_LOSS = "weighted_log_loss"


def _ends(row: Data, key: str, digits: int = 3) -> str:
    return interval(row.get(f"{key}_low"), row.get(f"{key}_high"), digits)


def _decision(decision: Data) -> Section:
    question = "Is the challenger better, and nowhere worse than the policy allows?"
    return Section("decision", "Champion against challenger", question, dict(decision))


def _gate(explorer: Data, report: Data) -> Section:
    at = explorer["own"]
    content = {
        "explorer": explorer,
        "at": at,
        "cost": cost(explorer, explorer["passed"][at]),
        "saving": saving(cost(explorer, explorer["passed"][at])),
        "panels": gate_panels(explorer),
        "left_out": max(len(explorer["labels"]) - MOST_PANELS, 0),
        "costs": _gate_costs(report.get("gate_costs")),
        "certificate": _certificate(report["certificate"]),
    }
    question = "What does the gate cost and save, also at other thresholds?"
    return Section("gate", "Gate", question, content)


def _gate_costs(given: Data | None) -> dict[str, Any] | None:
    # Models of earlier versions have none.
    if given is None:
        return None
    costs = GateCosts.from_json(given)
    columns = ("label", "wanted recall", "positives", "kept", "lower bound", "if alone", "without it")
    rows = [
        (
            cost.label,
            short(cost.recall),
            count(cost.positives),
            count(cost.kept),
            number(cost.bound),
            share(cost.alone),
            share(cost.without),
        )
        for cost in costs.labels
    ]
    caption = "Rows past the gate if only this label, or all others, set the threshold"
    return {"notes": costs.notes(), "table": Table(caption, columns, tuple(rows))}


def _certificate(given: Data | None) -> dict[str, Any] | None:
    # Only a model trained with `gate_policy` has one.
    if given is None:
        return None
    certificate = Certificate.from_json(dict(given))
    unit = f"{certificate.unit}s"
    columns = ("label", unit, "lost", "bound", "proven", "certified")
    rows = [
        (row.label, str(row.units), str(row.misses), number(row.bound), number(row.proven), _yes(row.certified))
        for row in certificate.labels
    ]
    return {"statement": certificate.statement(), "table": Table("Certified recall per label", columns, tuple(rows))}


def _yes(value: bool) -> str:
    return "yes" if value else "no"


def _ledger(report: Data) -> Section:
    book = report["ledger"]
    question = "How many positives of each label were found, and where were the others lost?"
    content = {"rows": ledger_rows(book["labels"]), "book": book, "never": never_set(report["labels"])}
    return Section("ledger", "Found and lost", question, content)


def _precision_recall(data: Data) -> Section:
    panels = precision_recall_panels(data["precision_recall"], data["report"]["labels"])
    question = "How precise are the alarms at each recall?"
    return Section("precision-recall", "Precision and recall", question, {"panels": panels})


def _calibration(data: Data) -> Section:
    panels = reliability_panels(data["reliability"], data["report"]["labels"])
    return Section("calibration", "Calibration", "Do observed frequencies match the probabilities?", {"panels": panels})


def _counts(report: Data) -> Section:
    rows = [
        {
            "label": label,
            "sum": ratio_marks(label, "sum_ratio"),
            "count": ratio_marks(label, "count_ratio"),
        }
        for label in report["labels"]
    ]
    question = "Is each label predicted as often as it occurs?"
    return Section("counts", "Count ratios", question, {"rows": rows})


FIGURES = (
    ("prevalence", "prevalence", 4),
    ("auroc", "AUROC", 3),
    ("average_precision", "AP", 3),
    ("f1", "F1", 3),
    ("f2", "F2", 3),
    ("log_loss", "log loss", 4),
    ("brier", "Brier", 4),
    ("calibration_error", "cal. error", 3),
)


def _figures(report: Data) -> Section:
    columns = ("label", "rows", *(title for _, title, _ in FIGURES))
    rows = tuple(
        (row["label"], count(row["positives"]), *(_figure(row, key, digits) for key, _, digits in FIGURES))
        for row in report["labels"]
    )
    question = "What are the metrics of each label, with 95 % intervals over groups?"
    return Section("figures", "Metrics", question, {"table": Table("Metrics per label", columns, rows)}, "table")


def _figure(row: Data, key: str, digits: int) -> str:
    # Text after the line break is shown below the value in small print.
    ends = f"\n{_ends(row, key, digits)}" if row.get(f"{key}_low") is not None else ""
    return number(row[key], digits) + ends


def _mistakes(labels: list[Data]) -> Section:
    question = "Where was the model most confident and wrong? Check these rows: some may be mislabelled."
    every = [mistake for label in labels for mistake in (*label["false_alarms"], *label["misses"])]
    with_text = any(mistake["excerpt"] for mistake in every)
    return Section("mistakes", "Most confident mistakes", question, {"labels": labels, "with_text": with_text})


BAR = 240
"""Width of a bar, as in the view box of its template."""

PARTS = ("found", "lost_at_labeler", "lost_at_gate")


def ledger_rows(labels: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the counts per label with the parts of its bar: kind, left end and width.

    Examples
    --------
    >>> counts = {"label": "bleed", "positives": 4, "found": 3, "lost_at_labeler": 0, "lost_at_gate": 1}
    >>> ledger_rows([counts])[0]["bar"]
    [('found', 0.0, 180.0), ('lost_at_labeler', 180.0, 0.0), ('lost_at_gate', 180.0, 60.0)]
    """
    return [{**label, "bar": _bar(label)} for label in labels]


def _bar(label: Mapping[str, Any]) -> list[tuple[str, float, float]]:
    # A label without positives has an empty bar instead of a division by 0.
    whole = max(label["positives"], 1)
    widths = [round(BAR * label[part] / whole, 1) for part in PARTS]
    # Each part begins where the rounded widths before it end, so that no gap appears between them.
    return [(part, round(sum(widths[:place], start=0.0), 1), widths[place]) for place, part in enumerate(PARTS)]
