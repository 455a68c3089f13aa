"""Charts of the page: panels drawn from curves given as plain data."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from cascade.reports.html.layout.numbers import count, interval, number, share, short
from cascade.reports.html.layout.panels import MOST_PANELS, Panel, Table
from cascade.reports.html.layout.scales import Linear, LogOdds, Ratios, log_odds_over

TABLE_STEPS = 12
"""Steps between the thresholds listed in a table; the explorer has about 120."""


def gate_panels(explorer: Mapping[str, Any]) -> list[Panel]:
    """Return a panel of rows examined and one of recall per label, by gate threshold."""
    labels = explorer["labels"][:MOST_PANELS]
    return [_examined_panel(explorer), *(_kept_panel(explorer, label) for label in labels)]


def gate_scale(explorer: Mapping[str, Any]) -> LogOdds:
    """Return the scale of gate thresholds.

    Useful thresholds are small, so the scale is in log-odds; thresholds of 0 and 1 are clipped to its ends.
    """
    return log_odds_over(explorer["thresholds"])


def cost(explorer: Mapping[str, Any], passed: int) -> float | None:
    """Return the operations of the cascade over those of the labeler on every row; None if unknown."""
    share_of_gate = explorer["gate_share"]
    # The gate runs on every row, the labeler on the share that passes.
    return None if share_of_gate is None else share_of_gate + passed / max(explorer["rows"], 1)


def saving(relative: float | None) -> str:
    """Return what follows from a relative cost, as the explorer's script does for other thresholds.

    Examples
    --------
    >>> saving(0.49), saving(1.197), saving(None)
    ('saves 51.0 %', 'saves nothing, costs 19.7 % more', 'has an unknown cost')
    """
    if relative is None:
        return "has an unknown cost"
    return f"saves {share(1 - relative)}" if relative < 1 else f"saves nothing, costs {share(relative - 1)} more"


def _some(explorer: Mapping[str, Any]) -> list[int]:
    """Return the indices of the thresholds listed in tables, including the model's."""
    last = len(explorer["thresholds"]) - 1
    return sorted({round(step * last / TABLE_STEPS) for step in range(TABLE_STEPS + 1)} | {explorer["own"]})


def _gate_panel(explorer: Mapping[str, Any], y: Linear, **more: Any) -> Panel:
    return Panel(x=gate_scale(explorer), y=y, x_title="gate threshold", y_title="", **more)


def _examined_panel(explorer: Mapping[str, Any]) -> Panel:
    limits, at, passed = explorer["thresholds"], explorer["own"], explorer["passed"]
    shares = [each / max(explorer["rows"], 1) for each in passed]
    costs = [cost(explorer, each) for each in passed]
    rows = [(short(limits[i]), share(shares[i]), share(costs[i])) for i in _some(explorer)]
    panel = _gate_panel(
        explorer,
        # Thresholds ascend, so the first one has the highest cost; the axis is extended in quarters to include it.
        Linear(math.ceil(4 * max(costs[0] or 1.0, 1.0))),
        title="Rows examined",
        note=f"{share(shares[at])} at the model's threshold",
        summary=f"Share of rows examined and relative operations by gate threshold; {share(shares[at])} of the rows "
        f"at the model's threshold {short(limits[at])}.",
        table=Table("Rows examined by threshold", ("threshold", "rows examined", "operations"), tuple(rows)),
    )
    panel.line("reference", zip(limits, shares, strict=True)).line("cost", zip(limits, costs, strict=True))
    return panel.across("fitted", limits[at]).dot("plain", limits[at], shares[at])


def _kept_panel(explorer: Mapping[str, Any], label: Mapping[str, Any]) -> Panel:
    limits, at = explorer["thresholds"], explorer["own"]
    n = label["positives"]
    recall = [each / n if n else None for each in label["kept"]]
    shares = [each / max(explorer["rows"], 1) for each in explorer["passed"]]
    ends = [interval(*pair) for pair in zip(label["low"], label["high"], strict=True)]
    rows = [(short(limits[i]), number(recall[i]), ends[i], share(shares[i])) for i in _some(explorer)]
    panel = _gate_panel(
        explorer,
        Linear(),
        title=label["label"],
        note=f"{share(recall[at])} of {count(n)} pass",
        summary=f"Recall of {label['label']} at the gate by threshold: {number(recall[at])} ({ends[at]}) at the "
        f"model's threshold {short(limits[at])}.",
        table=Table("Recall by threshold", ("threshold", "recall", "95 % interval", "rows examined"), tuple(rows)),
    )
    # The share of rows is the recall of a gate that passes rows at random.
    panel.band(limits, label["low"], label["high"]).line("reference", zip(limits, shares, strict=True))
    panel.line("curve", zip(limits, recall, strict=True)).across("fitted", limits[at])
    return panel.dot("point", limits[at], recall[at])


def precision_recall_panels(curves: Sequence[Mapping[str, Any]], labels: Sequence[Mapping[str, Any]]) -> list[Panel]:
    """Return one panel of precision by recall per label, noted with the report's average precision."""
    # Curves exist only for the first labels, the report has all of them.
    return [_precision_panel(*pair) for pair in zip(curves, labels[: len(curves)], strict=True)]


def _precision_panel(curve: Mapping[str, Any], label: Mapping[str, Any]) -> Panel:
    ends = interval(label["average_precision_low"], label["average_precision_high"])
    note = f"AP {number(label['average_precision'])} ({ends})"
    points = list(zip(curve["recall"], curve["precision"], curve["low"], curve["high"], strict=True))
    # Curves have steps of 0.02 in recall from 0.02 on, so the table has every tenth: 0.1, 0.2, ... 1.0.
    rows = [(number(r, 2), number(p), interval(low, high)) for r, p, low, high in points[4::5]]
    panel = Panel(
        title=curve["label"],
        note=note,
        summary=f"Precision by recall of {curve['label']}: average precision {number(label['average_precision'])}, "
        f"95 % interval {ends}; chance is {short(curve['prevalence'])}.",
        x=Linear(),
        y=Linear(),
        x_title="recall",
        y_title="precision",
        table=Table("Precision by recall", ("recall", "precision", "95 % interval"), tuple(rows)),
    )
    panel.band(curve["recall"], curve["low"], curve["high"])
    # A random ranking has the label's prevalence as its precision at every recall.
    panel.line("reference", [(0.0, curve["prevalence"]), (1.0, curve["prevalence"])])
    return panel.line("curve", [point[:2] for point in points])


def reliability_panels(curves: Sequence[Mapping[str, Any]], labels: Sequence[Mapping[str, Any]]) -> list[Panel]:
    """Return one panel of observed by predicted share per label, all on the same scale."""
    # Bounds of intervals are not included: one of 0 would stretch all panels. They are clipped instead.
    values = [value for curve in curves for value in (*curve["predicted"], *curve["observed"])]
    scale = log_odds_over(values, widest=3)
    return [_reliability_panel(*pair, scale) for pair in zip(curves, labels[: len(curves)], strict=True)]


def _reliability_panel(curve: Mapping[str, Any], label: Mapping[str, Any], scale: LogOdds) -> Panel:
    slope = number(label["calibration_slope"], 2)
    bins = list(zip(*(curve[key] for key in ("rows", "predicted", "observed", "low", "high")), strict=True))
    rows = [(short(p), count(n), short(o), interval(low, high, 4)) for n, p, o, low, high in bins]
    columns = ("predicted", "rows", "observed", "95 % interval")
    panel = Panel(
        title=curve["label"],
        note=f"slope {slope}, sum ratio {number(label['sum_ratio'], 2)}",
        summary=f"Observed share of {curve['label']} by predicted probability; calibration slope {slope}.",
        x=scale,
        y=scale,
        x_title="predicted",
        y_title="observed",
        table=Table("Observed by predicted share", columns, tuple(rows)),
    )
    # With the same scale on both axes, perfect calibration is the diagonal.
    panel.line("reference", [(scale.low, scale.low), (scale.high, scale.high)])
    for _, predicted, observed, low, high in bins:
        panel.line("whisker", [(predicted, low), (predicted, high)])
        panel.dot("point", predicted, observed)
    return panel


def ratio_marks(label: Mapping[str, Any], key: str) -> dict[str, float] | None:
    """Return the positions of a ratio and its interval in percent of the width; None if undefined."""
    values = [label[f"{key}{end}"] for end in ("_low", "", "_high")]
    if None in values:
        return None
    low, at, high = (round(100 * Ratios()(value), 2) for value in values)
    return {"low": low, "at": at, "high": high}
