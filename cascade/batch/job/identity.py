"""The identity of a job: everything besides its input that its output depends on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cascade.batch.outputs.predictions import TablePredictor
from cascade.data.readers.cache.cached_files import DECODING_PACKAGES
from cascade.data.readers.table.columns import Roles
from cascade.store.manifest import peek_manifest
from cascade.utils.environment import installed_versions, versions

NAMES = {"model": "the model", "input": "the input", "settings": "a setting", "versions": "a version of a package"}
LONGEST = 24

# Packages that read rows or may compute predictions, besides those that a model records.
PACKAGES = ("pyarrow", "scipy", "ai-edge-litert", "onnxruntime", *DECODING_PACKAGES)


def identify(model: Path, predictor: TablePredictor, roles: Roles) -> dict[str, dict[str, Any]]:
    """Return model, settings and versions: with other packages, last digits and output files differ."""
    return {
        "model": {"sha256": peek_manifest(model)["sha256"]},
        "settings": {
            "group": roles.group,
            "id": roles.id,
            "allow_missing": roles.allow_missing,
            **predictor.settings,
        },
        "versions": {**versions(), **installed_versions(PACKAGES)},
    }


def difference(begun: dict[str, Any], wanted: dict[str, Any]) -> str | None:
    """Describe the first difference of `wanted` from the identity that the job began with; None if they agree."""
    # In the order of `NAMES`: another model usually changes settings too, and is then the useful message.
    for part, name in NAMES.items():
        before, now = begun.get(part) or {}, wanted.get(part) or {}
        if before != now:
            # A key that exists only in the earlier identity has no value now; the part itself is named instead.
            key = next((key for key in now if before.get(key) != now[key]), part)
            return f"{name} changed ({key} was {_brief(before.get(key))}, now {_brief(now.get(key))})"
    return None


def _brief(value: Any) -> str:
    return repr(value) if len(repr(value)) <= LONGEST else f"{str(value)[:LONGEST]}..."
