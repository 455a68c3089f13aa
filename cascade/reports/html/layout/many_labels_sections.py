"""Sections of the page of a many-label model."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from cascade.reports.html.layout.data_sections import data_section, lint_section
from cascade.reports.html.layout.numbers import count, interval, number
from cascade.reports.html.layout.panels import Panel, Table
from cascade.reports.html.layout.scales import Powers, Ratios
from cascade.reports.html.layout.section import Section, Tile

Data = Mapping[str, Any]

MOST_LABELS = 100
"""Labels in the table of metrics; `report.json` has all of them."""


def many_labels_sections(data: Data) -> list[Section]:
    """Return all sections in page order; those on data only if there are facts about the data."""
    report = data["report"]
    of_data = [] if data["data"] is None else [data_section(data["data"]), lint_section(data["data"])]
    return [_summary(report["overall"]), _first(report["top_k"]), _counts(report), _figures(report["labels"]), *of_data]


def _summary(overall: Data) -> Section:
    tiles = [
        Tile("Micro average precision", number(overall["micro_average_precision"]), _chance(overall, "micro")),
        Tile("Macro average precision", number(overall["macro_average_precision"]), _chance(overall, "macro")),
        Tile("Micro F1", number(overall["micro_f1"]), "of the predicted labels"),
        Tile("Predicted over true labels", number(overall["labels_predicted_over_true"], 2)),
        Tile("Held-out rows", count(overall["rows"]), f"{number(overall['labels_per_row'], 2)} labels per row"),
    ]
    return Section("summary", "Summary", "How good is the model on held-out rows?", {"tiles": tiles})


def _chance(overall: Data, mean: str) -> str:
    return f"chance {number(overall[f'{mean}_chance'])}"


def _first(top: list[Data]) -> Section:
    keys = ("precision", "best_precision", "recall", "best_recall", "ndcg", "propensity_precision")
    rows = tuple((str(each["k"]), *(number(each[key]) for key in keys)) for each in top)
    columns = ("k", "precision", "best possible", "recall", "best possible", "nDCG", "propensity-scored precision")
    table = Table("The k most probable labels of each row", columns, rows)
    question = "How many of the most probable labels are correct?"
    return Section("first", "Most probable labels", question, {"table": table}, "table")


def _counts(report: Data) -> Section:
    labels = report["labels"]
    spread = {key: report["overall"][key] for key in ("sum_ratio_uncalibrated", "sum_ratio", "count_ratio")}
    rows = tuple(
        (key.replace("_", " "), number(held["median"]), interval(held["low"], held["high"]))
        for key, held in spread.items()
    )
    table = Table("Ratios over true rows", ("ratio", "median of labels", "5 to 95 % of labels"), rows)
    panels = [
        _cloud("Predicted over true rows", labels, "count_ratio", table),
        _cloud("Sum of probabilities over true rows", labels, "sum_ratio", table),
    ]
    return Section(
        "counts", "Count ratios", "Is each label predicted as often as it occurs?", {"panels": panels}, "panels"
    )


def _cloud(title: str, labels: Data, key: str, table: Table) -> Panel:
    # Labels without a true row have no ratio, and no position on a logarithmic axis.
    true = [value for value in labels["positives"] if value > 0]
    largest = max(true, default=10.0)
    # The axis has at least one power of ten: a scale from 1 to 1 would divide by 0.
    panel = Panel(
        title=title,
        note="one point per label",
        summary=f"{title}, by the number of rows with the label; the table has the quantiles.",
        x=Powers(math.ceil(math.log10(max(largest, 10.0)))),
        y=Ratios(),
        x_title="rows with the label",
        y_title="ratio",
        table=table,
    )
    points = [pair for pair in zip(labels["positives"], labels[key], strict=True) if pair[0] > 0]
    return panel.line("reference", [(1.0, 1.0), (largest, 1.0)]).cloud(points)


def _figures(labels: Data) -> Section:
    order = sorted(range(len(labels["label"])), key=lambda k: -labels["positives"][k])[:MOST_LABELS]
    keys = ("average_precision", "f1", "sum_ratio", "count_ratio")
    rows = tuple(
        (labels["label"][k], count(labels["positives"][k]), *(number(labels[key][k]) for key in keys)) for k in order
    )
    title = f"The {len(order)} most frequent of {len(labels['label'])} labels"
    table = Table(title, ("label", "rows", "AP", "F1", "sum ratio", "count ratio"), rows)
    return Section("figures", "Metrics", "What are the metrics of each label?", {"table": table}, "table")
