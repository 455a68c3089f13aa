"""Differences of two versions in config, data, rules, package versions and metrics, key by key."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cascade.errors import ModelRefusedError
from cascade.registry.packaging import DATA
from cascade.registry.tracking import MODEL, flattened, metrics_of, read_config, read_report
from cascade.store.manifest import NAME, peek_manifest

END = re.compile(r"_(low|high)(/|$)")
"""Bounds of intervals, which are left out because they would outnumber the metrics themselves."""
RULES = ("labels", "negative_pool", "gate_threshold", "coherence")


@dataclass(frozen=True)
class Difference:
    """One key in which two versions differ.

    Attributes
    ----------
    part : {"config", "data", "rules", "versions", "metrics"}
    key : str
    a, b : number, str, list or None
        None if a version does not have the key.
    """

    part: str
    key: str
    a: Any
    b: Any


def differences(a: Path, b: Path) -> list[Difference]:
    """Compare the folders of two versions, written by `cascade train` or registered.

    Raises
    ------
    ModelRefusedError
        If one of them is not the folder of a version.
    """
    left, right = dict(_facts(a)), dict(_facts(b))
    # A dict instead of a set keeps the order of the first version.
    keys = dict.fromkeys([*left, *right])
    return [
        Difference(*place, left.get(place), right.get(place)) for place in keys if left.get(place) != right.get(place)
    ]


def text(changes: list[Difference]) -> str:
    """Return the differences as text, one per line, below the names of the parts."""
    lines: list[str] = []
    for part in dict.fromkeys(one.part for one in changes):
        lines.append(part)
        lines += [f"  {one.key}: {_plain(one.a)} -> {_plain(one.b)}" for one in changes if one.part == part]
    return "\n".join(lines) or "no difference"


def _facts(folder: Path) -> Iterator[tuple[tuple[str, str], Any]]:
    # The former is the place in a registered version, where MLflow's own files surround the model folder.
    model = next((place for place in (folder / MODEL / DATA, folder / MODEL) if (place / NAME).exists()), None)
    if model is None:
        raise ModelRefusedError(
            f"`{folder}` is not a version; give a folder that train wrote, or models:/NAME/VERSION."
        )
    # Without hashing: the differences are shown, no model is loaded.
    body = peek_manifest(model)
    try:
        parts = {
            "config": read_config(folder),
            "data": body["provenance"].get("data", {}),
            "rules": _rules(body),
            "versions": body["versions"],
            "metrics": {key: value for key, value in metrics_of(read_report(folder)) if not END.search(key)},
        }
    except (KeyError, TypeError, AttributeError) as error:
        raise ModelRefusedError(
            f"`{folder}` lacks a part of a version ({error}); give a folder that train wrote."
        ) from error
    return (((part, key), value) for part, facts in parts.items() for key, value in flattened(facts))


def _rules(body: dict[str, Any]) -> dict[str, Any]:
    """Return what decides the bits of a model, from its manifest."""
    if "rules" not in body:
        # A many-label model: label names and slope are in its manifest, the decoder in what it keeps of its fit.
        return {
            "labels": body["labels"],
            "slope": body["calibration"]["slope"],
            "decoder": body["provenance"].get("decoder"),
        }
    rules = body["rules"]
    chosen = {key: rules[key] for key in RULES}
    # By label name, so that a changed threshold is shown with its label.
    chosen["thresholds"] = dict(zip(rules["labels"], rules["thresholds"], strict=True))
    return chosen


def _plain(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
