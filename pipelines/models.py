"""Describe a model: its labels, decision rules and certificate."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from .steps.locate import find_model, is_many_labels

FIRST_LABELS = 12
"""Names that are shown of a many-label model, which may have thousands."""


def show(path: Path, models: Path) -> tuple[dict[str, Any], str]:
    """Return the description of a model, as data and as text."""
    # Only the manifest is read: no network is loaded, so Keras need not be installed.
    folder = find_model(path, models)
    return _show_many_labels(folder) if is_many_labels(folder) else _show_cascade(folder)


def _show_many_labels(folder: Path) -> tuple[dict[str, Any], str]:
    from cascade.many_labels.folder import describe_many

    described = describe_many(folder)
    facts = {
        "model": str(folder),
        "labels": len(described.label_names),
        "first_labels": list(described.label_names[:FIRST_LABELS]),
        "decoder": described.provenance.get("decoder"),
        "slope": described.slope,
        "rows_fitted": described.provenance.get("rows_fitted"),
        "rows_calibrated": described.provenance.get("rows_calibrated"),
        "versions": described.versions,
    }
    return facts, "\n".join(f"{key.replace('_', ' ')}: {_plain(value)}" for key, value in facts.items())


def _show_cascade(folder: Path) -> tuple[dict[str, Any], str]:
    from cascade.store.folder import describe_cascade

    described = describe_cascade(folder)
    rules, provenance, certificate = described.rules, described.provenance, described.certificate
    names, adapted = rules.label_names, provenance.get("adapted")
    # One pair of ends per label; tuples, which `_plain` prints as "low to high".
    intervals = rules.rejected_interval.T.tolist()
    facts = {
        "model": str(folder),
        "labels": list(names),
        "negative_pool": rules.negative_pool,
        "gate_threshold": rules.gate_threshold,
        "thresholds": dict(zip(names, map(_reachable, rules.thresholds.tolist()), strict=True)),
        "any_label": None if rules.plan.any_index is None else names[rules.plan.any_index],
        "coherence": rules.coherence,
        "share_of_rejected_rows": dict(zip(names, map(tuple, intervals), strict=True)),
        "rows_fitted": provenance.get("rows_fitted"),
        "rows_calibrated": provenance.get("rows_calibrated"),
        **({} if adapted is None else {"adapted_to": adapted["prevalence"]}),
        "versions": described.versions,
    }
    lines = [f"{key.replace('_', ' ')}: {_plain(value)}" for key, value in facts.items()]
    if certificate is None:
        return {**facts, "certificate": None}, "\n".join([*lines, "certificate: none (no `gate_policy` was given)"])
    text = [*lines, "", certificate.table(), "", certificate.statement()]
    return {**facts, "certificate": certificate.to_json()}, "\n".join(text)


def _reachable(threshold: float) -> float | str:
    """Return a threshold, or "never set" for one above 1, which no probability reaches."""
    return threshold if threshold <= 1 else "never set"


def _plain(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_plain(item)}" for name, item in value.items())
    if isinstance(value, list):
        return ", ".join(map(str, value))
    if isinstance(value, tuple):
        return " to ".join(map(_plain, value))
    return f"{value:.4g}" if isinstance(value, float) else str(value)
