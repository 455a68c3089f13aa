"""What a job's output depends on besides its input, in a form that a second start can compare."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path
from typing import Any

from cascade.batch.outputs.predictions import TablePredictor
from cascade.data.readers.columns import Roles
from cascade.store.manifest import peek_manifest
from cascade.utils.environment import versions

NAMES = {"model": "the model", "input": "the input", "settings": "a setting", "versions": "a version of a package"}
LONGEST = 24

# What reads rows, and what may answer for them.
PACKAGES = (
    "pyarrow",
    "scipy",
    "pillow",
    "ai-edge-litert",
    "onnxruntime",
    "pydicom",
    "pylibjpeg-openjpeg",
    "pylibjpeg-rle",
    "python-gdcm",
)


def identify(model: Path, answers: TablePredictor, roles: Roles) -> dict[str, dict[str, Any]]:
    """Name model, settings and versions: other packages give other last digits and other files."""
    return {
        "model": {"sha256": peek_manifest(model)["sha256"]},
        "settings": {
            "group": roles.group,
            "id": roles.id,
            "allow_missing": roles.allow_missing,
            **answers.settings,
        },
        "versions": {**versions(), **_more_versions()},
    }


def _more_versions() -> dict[str, str]:
    """Versions of what reads, computes and writes besides the packages a model is saved with, where installed."""
    found = {}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def difference(begun: dict[str, Any], wanted: dict[str, Any]) -> str | None:
    """Tell the first thing in which `wanted` is not as the job was begun; None where there is none."""
    for part, name in NAMES.items():
        told, now = begun.get(part) or {}, wanted.get(part) or {}
        if told != now:
            key = next((key for key in now if told.get(key) != now[key]), part)
            return f"{name} changed ({key} was {_brief(told.get(key))}, now {_brief(now.get(key))})"
    return None


def _brief(value: Any) -> str:
    return repr(value) if len(repr(value)) <= LONGEST else f"{str(value)[:LONGEST]}..."
