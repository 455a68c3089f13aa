"""Find a model: a registered one, a model folder, a version, a name whose newest is meant; and tell what it is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from .steps.locate import find_model, is_flat

FIRST_LABELS = 12


def show(path: Path, models: Path) -> tuple[dict[str, Any], str]:
    """Describe a model by its manifest and rules, as data and as text."""
    folder = find_model(path, models)
    return _show_flat(folder) if is_flat(folder) else _show_cascade(folder)


def _show_flat(folder: Path) -> tuple[dict[str, Any], str]:
    from cascade.many_labels.predictor import ManyLabelPredictor
    from cascade.store.manifest import read_manifest

    model, body = ManyLabelPredictor.load(folder), read_manifest(folder)
    facts = {
        "model": str(folder),
        "labels": len(model.labels),
        "first_labels": list(model.labels[:FIRST_LABELS]),
        "decoder": model.provenance.get("decoder"),
        "slope": model.calibration.slope,
        "rows_fitted": model.provenance.get("rows_fitted"),
        "rows_calibrated": model.provenance.get("rows_calibrated"),
        "versions": body["versions"],
    }
    return facts, "\n".join(f"{key.replace('_', ' ')}: {_plain(value)}" for key, value in facts.items())


def _show_cascade(folder: Path) -> tuple[dict[str, Any], str]:
    from cascade.predictor import CascadePredictor
    from cascade.rules.thresholds.certificate import Certificate
    from cascade.store.manifest import read_manifest

    # What loads fits together; a manifest alone might hold anything.
    adapted = CascadePredictor.load(folder).provenance.get("adapted")
    body = read_manifest(folder)
    rules, proven = body["rules"], body["certificate"]
    any_index = rules["plan"]["any_index"]
    intervals = list(zip(*rules["rejected_interval"], strict=True))
    facts = {
        "model": str(folder),
        "labels": rules["labels"],
        "negative_pool": rules["negative_pool"],
        "gate_threshold": rules["gate_threshold"],
        "thresholds": dict(zip(rules["labels"], map(_reachable, rules["thresholds"]), strict=True)),
        "any_label": None if any_index is None else rules["labels"][any_index],
        "coherence": rules["coherence"],
        "share_of_rejected_rows": dict(zip(rules["labels"], intervals, strict=True)),
        "rows_fitted": body["provenance"].get("rows_fitted"),
        "rows_calibrated": body["provenance"].get("rows_calibrated"),
        **({} if adapted is None else {"adapted_to": adapted["prevalence"]}),
        "versions": body["versions"],
    }
    lines = [f"{key.replace('_', ' ')}: {_plain(value)}" for key, value in facts.items()]
    if proven is None:
        return {**facts, "certificate": None}, "\n".join([*lines, "certificate: none was asked for (`gate_policy`)"])
    certificate = Certificate.from_json(proven)
    text = [*lines, "", certificate.table(), "", certificate.statement()]
    return {**facts, "certificate": proven}, "\n".join(text)


def _reachable(threshold: float) -> float | str:
    """A threshold above 1 is that of a bit which is never set."""
    return threshold if threshold <= 1 else "never set"


def _plain(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_plain(held)}" for name, held in value.items())
    if isinstance(value, list):
        return ", ".join(map(str, value))
    if isinstance(value, tuple):
        return " to ".join(map(_plain, value))
    return f"{value:.4g}" if isinstance(value, float) else str(value)
