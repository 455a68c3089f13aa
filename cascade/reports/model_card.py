"""The model card of a version: Markdown with YAML front matter, in the form that model hubs read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Any

import yaml

from cascade.rules.thresholds.certificate import Certificate

MOST_LABELS = 50
"""Labels that the table of a card has; the report has all of them."""

METRICS = (
    ("macro_average_precision", "macro average precision"),
    ("weighted_log_loss", "weighted log loss"),
    ("log_loss", "log loss"),
    ("share_past_gate", "share of the rows past the gate"),
)
"""Overall figures of a card: those that the report of this kind of model has."""


def model_card(
    version: str,
    config: Mapping[str, Any],
    report: Mapping[str, Any],
    manifest: Mapping[str, Any],
    environment: Mapping[str, Any],
) -> str:
    """Return the model card of a version as Markdown.

    Parameters
    ----------
    version : str
        Name of the version.
    config : mapping
        The resolved config of the run.
    report : mapping
        `report.json`: figures on held-out rows.
    manifest : mapping
        `cascade.json` of the model folder, which has the fingerprint of the training data.
    environment : mapping
        `environment.json`: versions of Python and of the packages.

    Returns
    -------
    str
        YAML front matter with `library_name`, `pipeline_tag`, `tags` and `model-index`, then sections on use, data,
        evaluation, decisions, certificate and environment.

    References
    ----------
    Mitchell et al. (2019), Model cards for model reporting, FAT*.

    Examples
    --------
    >>> report = {"labels": {}, "overall": {"log_loss": 0.125}}
    >>> manifest = {"labels": ["a", "b"], "provenance": {"rows_fitted": 80}, "signature": {"dtype": "number"}}
    >>> config = {"name": "tags", "data": {"path": "data/tags.npz"}}
    >>> card = model_card("1", config, report, manifest, {"versions": {"python": "3.12"}})
    >>> card.splitlines()[:2]
    ['---', 'library_name: cascade-multilabel']
    >>> "| log loss | 0.125 |" in card
    True
    """
    sections = [
        _front_matter(config, report, manifest),
        f"# {config['name']}\n\nVersion {version}, seed {config.get('seed', 0)}.",
        _use(config, report),
        _data(config, manifest),
        _evaluation(report),
        _certificate(report),
        _loading(report, environment),
    ]
    return "\n\n".join(section for section in sections if section)


def _front_matter(config: Mapping[str, Any], report: Mapping[str, Any], manifest: Mapping[str, Any]) -> str:
    task = f"{_rows(manifest['signature'])}-classification"
    metrics = [{"type": key, "name": name, "value": value} for key, name, value in _figures(report)]
    result = {
        "task": {"type": task, "name": "multi-label classification"},
        "dataset": {"type": _dataset(config), "name": _dataset(config)},
        "metrics": metrics,
    }
    content = {
        "library_name": "cascade-multilabel",
        "pipeline_tag": task,
        "tags": ["multi-label", _kind(report).replace(" ", "-")],
        "model-index": [{"name": config["name"], "results": [result]}],
    }
    return f"---\n{yaml.safe_dump(content, sort_keys=False, allow_unicode=True)}---"


def _rows(signature: Mapping[str, Any]) -> str:
    """Return the word of a hub for the kind of rows."""
    shape = signature.get("row_shape") or []
    if len(shape) == 3:
        return "image"
    return "tabular" if shape or signature.get("feature_names") else "text"


def _dataset(config: Mapping[str, Any]) -> str:
    # The name alone: a folder of the machine says nothing to a reader of the card.
    return PurePath(str(config["data"]["path"])).name


def _kind(report: Mapping[str, Any]) -> str:
    return {"cascade": "cascade", "flat": "flat model"}.get(report.get("model", ""), "many-label model")


def _figures(report: Mapping[str, Any]) -> list[tuple[str, str, float]]:
    overall = report["overall"]
    return [(key, name, overall[key]) for key, name in METRICS if overall.get(key) is not None]


def _use(config: Mapping[str, Any], report: Mapping[str, Any]) -> str:
    kinds = {"cascade": "a gate that scores every row, and a labeler for those that pass it"}
    kind = _kind(report)
    what = f"A {kind}: {kinds.get(kind, 'one model of all labels, without a gate')}."
    learned = ""
    if config.get("gate") and kind == "cascade":
        learned = f" Gate: `{config['gate'].get('kind')}`; labeler: `{config['labeler']['model'].get('kind')}`."
    verdict = report.get("verdict") or []
    found = "".join(f"* {finding['sentence']}\n" for finding in verdict)
    limits = (
        "Predictions are valid for data that is drawn like the training data. Compare new data with it: a batch job "
        "writes `_monitor.json`. Probabilities are calibrated on rows at natural prevalence; each label has its own "
        "decision threshold."
    )
    return f"## Use and limits\n\n{what}{learned}\n\n{limits}\n\n{found}".rstrip()


def _data(config: Mapping[str, Any], manifest: Mapping[str, Any]) -> str:
    provenance = manifest["provenance"]
    lines = [f"* Source: `{_dataset(config)}`", f"* Rows of the fits: {provenance.get('rows_fitted')}"]
    if "rows_calibrated" in provenance:
        lines.append(f"* Rows of calibration and thresholds: {provenance['rows_calibrated']}")
    if config["data"].get("group"):
        lines.append(f"* Groups: column `{config['data']['group']}`; rows of a group are on one side of each split")
    digests = {key: value for key, value in provenance.get("data", {}).items() if key.startswith("sha256")}
    lines += [f"* {key.replace('_', ' ')}: `{value}`" for key, value in digests.items()]
    return "## Training data\n\n" + "\n".join(lines)


def _evaluation(report: Mapping[str, Any]) -> str:
    lines = ["## Evaluation", "", "On rows that no fit has used.", "", "| figure | value |", "|---|---|"]
    lines += [f"| {name} | {value:.4g} |" for _, name, value in _figures(report)]
    labels = report["labels"]
    # A many-label model has a list per figure in place of a row per label, and mostly too many for a table.
    return "\n".join(lines) + (_label_table(labels) if isinstance(labels, Sequence) else "")


def _label_table(labels: Sequence[Mapping[str, Any]]) -> str:
    lines = [
        "",
        "",
        "| label | rows | average precision (95 %) | F1 | gate recall | sum ratio | decision threshold |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in labels[:MOST_LABELS]:
        interval = f"{_cell(row, 'average_precision_low')} to {_cell(row, 'average_precision_high')}"
        cells = [_cell(row, key) for key in ("average_precision", "f1", "gate_recall", "sum_ratio")]
        threshold = _cell(row, "decision_threshold") if row.get("decision_threshold") is not None else "never set"
        name = str(row["label"]).replace("|", "\\|").replace("\n", " ")
        figures = f"{cells[0]} ({interval}) | {cells[1]} | {cells[2]} | {cells[3]}"
        lines.append(f"| {name} | {row['positives']:.0f} | {figures} | {threshold} |")
    return "\n".join(lines)


def _cell(row: Mapping[str, Any], key: str) -> str:
    value = row.get(key)
    return "-" if value is None else f"{value:.3f}"


def _certificate(report: Mapping[str, Any]) -> str:
    body = report.get("certificate")
    if body is None:
        return ""
    certificate = Certificate.from_json(body)
    return f"## Certificate\n\n{certificate.statement()}\n\n```text\n{certificate.table()}\n```"


def _loading(report: Mapping[str, Any], environment: Mapping[str, Any]) -> str:
    name = "ManyLabelPredictor" if _kind(report) == "many-label model" else "CascadePredictor"
    versions = ", ".join(f"{package} {number}" for package, number in environment["versions"].items())
    code = f'from cascade import {name}\n\npredictor = {name}.load("model")  # the folder beside this card'
    return f"## Load\n\nLoading runs no code from the folder.\n\n```python\n{code}\n```\n\nTrained with {versions}."
