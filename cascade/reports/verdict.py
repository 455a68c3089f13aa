"""The verdict on a trained cascade: what follows from the figures of its report, as plain findings."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from cascade.comparison.against_flat import judged, saves
from cascade.reports.report_text import WIDTH

Report = Mapping[str, Any]

NEAR_CHANCE = 0.55
"""AUROC up to which a gate is near chance, where 0.5 is chance."""

NEARLY_ALL = 0.9
"""Share of rows past the gate, or of the labeler's arithmetic, from which a gate saves next to nothing."""

EXPLODED = 1.1
"""Log loss over that of constant prevalences from which a loss exploded.

The constant has the prevalences of the held-out rows, so a model that learned nothing from its features is a little
above it."""

MOST_SENTENCES = 3
"""Sentences at the end of the text; the report and the page have all findings."""

MOST_NAMED = 3
"""Labels named in a sentence; the figures of a finding have all."""


@dataclass(frozen=True)
class Finding:
    """One thing that follows from a report.

    Attributes
    ----------
    finding : str
        Its kind, for programs.
    level : {"note", "warning"}
    sentence : str
    figures : dict
        The figures that it is based on; plain data.
    """

    finding: str
    level: Literal["note", "warning"]
    sentence: str
    figures: dict[str, Any] = field(default_factory=dict)


def verdict(report: Report) -> list[dict[str, Any]]:
    """Return what follows from a report, the most important finding first.

    Parameters
    ----------
    report : mapping
        Output of `cascade.reports.report.evaluate`; `flat` has the comparison with a flat model, where there is one.

    Returns
    -------
    list of dict
        Each has `finding`, `level` ("note" or "warning"), `sentence` and `figures`. The first one compares the cascade
        with a constant prediction. The others are on the flat model, the gate, labels at chance, and labels whose
        probabilities are worse than a constant.
    """
    findings = [_quality(report), _flat(report), _gate(report), _at_chance(report), _worse_than_prevalence(report)]
    return [asdict(finding) for finding in findings if finding is not None]


def verdict_text(findings: Sequence[Mapping[str, Any]]) -> str:
    """Return the first findings as text, in one to three sentences of at most 120 columns."""
    sentences = [f"verdict: {finding['sentence']}" for finding in findings[:MOST_SENTENCES]]
    return "\n".join(textwrap.fill(sentence, WIDTH, subsequent_indent="  ") for sentence in sentences)


def _quality(report: Report) -> Finding:
    """Compare the probabilities with those of a constant prediction: each label's prevalence on every row."""
    overall, constant = report["overall"], report["constant"]
    model = "flat model" if report["model"] == "flat" else "cascade"
    difference, low, high = (constant[key] for key in ("difference", "low", "high"))
    # Without any positive the constant has a loss of 0, which every model would exceed.
    if not overall["rows_with_label"] or low is None:
        return Finding("not_judged", "warning", f"No held-out row has a label, so the {model} cannot be judged.")
    figures = {
        "weighted_log_loss": overall["weighted_log_loss"],
        "constant": constant["weighted_log_loss"],
        "difference": difference,
        "low": low,
        "high": high,
        "macro_average_precision": overall["macro_average_precision"],
        "chance": constant["macro_average_precision"],
    }
    measured = (
        "log loss {weighted_log_loss:.4f} against {constant:.4f} for constant prevalences "
        "(difference {difference:+.4f}, 95 % {low:+.4f} to {high:+.4f}), "
        "macro average precision {macro_average_precision:.3f} against {chance:.3f}"
    ).format(**figures)
    if high < 0:
        sentence = f"The {model} is better than predicting no label: {measured}."
        return Finding("better_than_constant", "note", sentence, figures)
    if low > 0 and overall["weighted_log_loss"] > EXPLODED * constant["weighted_log_loss"]:
        sentence = f"The loss exploded: {measured}. Check learning rate, features and the number of calibration rows."
        return Finding("loss_exploded", "warning", sentence, figures)
    sentence = f"The {model} is not shown to be better than predicting no label: {measured}."
    return Finding("not_better_than_constant", "warning", sentence, figures)


def _flat(report: Report) -> Finding | None:
    # Only a run with `flat_baseline` has a flat model.
    flat = report.get("flat")
    if flat is None:
        return None
    if "error" in flat:
        sentence = f"The flat model could not be fitted, so nothing is compared with it: {flat['error'].rstrip('.')}."
        return Finding("flat_not_fitted", "warning", sentence, dict(flat))
    precision = flat["macro_average_precision"]
    good = precision["low"] is not None and judged(precision) != "worse" and saves(flat) is not False
    kind = "undefined" if precision["low"] is None else judged(precision)
    return Finding(f"{kind}_against_flat", "note" if good else "warning", flat["sentence"], dict(flat))


def _gate(report: Report) -> Finding | None:
    """Find a gate that ranks rows no better than chance, or one that saves next to nothing."""
    if report["model"] == "flat":
        return None
    overall, over = report["overall"], report["cost"]["over_labeler"]
    share, least = overall["share_past_gate"], overall["gate_auroc_low"]
    keys = ("share_past_gate", "gate_auroc", "gate_auroc_low", "gate_auroc_high")
    figures = {key: overall[key] for key in keys} | {"arithmetic_over_labeler": over}
    passes = f"passes {_percent(share)} of the rows, {_saving(share, over)}"
    if least is not None and least <= NEAR_CHANCE:
        ends = _ends(overall, "gate_auroc")
        sentence = (
            f"The gate is near chance (AUROC {overall['gate_auroc']:.3f}, 95 % {ends}) and {passes}; "
            "train it longer or on other features, or use a flat model."
        )
        return Finding("gate_near_chance", "warning", sentence, figures)
    if max(share, over or 0.0) < NEARLY_ALL:
        return None
    sentence = f"The gate {passes}; use a cheaper gate, a lower gate recall, or a flat model."
    return Finding("gate_saves_nothing", "warning", sentence, figures)


def _saving(share: float, over: float | None) -> str:
    """Return what a gate saves or costs, given its share of rows and the arithmetic over that of the labeler."""
    if over is None:
        return f"so it saves at most {_percent(1 - share)} of the labeler's work"
    if over < 1:
        return f"so gate and labeler save {_percent(1 - over)} of the arithmetic of the labeler on every row"
    return f"so gate and labeler take {_percent(over - 1)} more arithmetic than the labeler on every row"


def _at_chance(report: Report) -> Finding | None:
    """Find labels whose AUROC is not shown to be above 0.5."""
    labels = [row for row in report["labels"] if row["auroc_low"] is not None and row["auroc_low"] <= 0.5]
    if not labels:
        return None
    shown = [f"{row['label']} (AUROC {row['auroc']:.3f}, 95 % {_ends(row, 'auroc')})" for row in labels]
    sentence = f"Not shown to be ranked better than by chance: {_listed(shown)}."
    keys = ("label", "positives", "auroc", "auroc_low", "auroc_high")
    return Finding("labels_at_chance", "warning", sentence, {"labels": _columns(labels, keys)})


def _worse_than_prevalence(report: Report) -> Finding | None:
    """Find labels whose log loss exploded: far above that of their prevalence on every row."""
    labels = [
        row
        for row in report["labels"]
        if row["positives"]
        and row["log_loss_low"] is not None
        and row["log_loss_low"] > EXPLODED * _entropy(row["prevalence"])
    ]
    if not labels:
        return None
    shown = [f"{row['label']} ({row['log_loss']:.4f}, {_entropy(row['prevalence']):.4f})" for row in labels]
    sentence = f"Log loss above that of the prevalence on every row: {_listed(shown)}."
    keys = ("label", "prevalence", "log_loss", "log_loss_low", "log_loss_high")
    return Finding("labels_worse_than_prevalence", "warning", sentence, {"labels": _columns(labels, keys)})


def _entropy(share: float) -> float:
    """Return the log loss of a share that is predicted on every row."""
    return -sum(p * math.log(p) for p in (share, 1 - share) if p > 0)


def _columns(rows: Sequence[Mapping[str, Any]], keys: Sequence[str]) -> list[dict[str, Any]]:
    return [{key: row[key] for key in keys} for row in rows]


def _listed(shown: Sequence[str]) -> str:
    more = f" and {len(shown) - MOST_NAMED} more" if len(shown) > MOST_NAMED else ""
    return f"{', '.join(shown[:MOST_NAMED])}{more}"


def _ends(row: Mapping[str, Any], key: str) -> str:
    return f"{row[f'{key}_low']:.3f} to {row[f'{key}_high']:.3f}"


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"
