"""What a job's output depends on besides its input, in a form that a second start can compare."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path
from typing import Any

from cascade.batch.answers import Answers
from cascade.data.columns import Roles
from cascade.store.manifest import read_manifest
from cascade.store.shared import versions

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


def identify(model: Path, answers: Answers, roles: Roles) -> dict[str, dict[str, Any]]:
    """Name model, settings and versions: other packages give other last digits and other files."""
    return {
        "model": {"sha256": read_manifest(model)["sha256"]},
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
