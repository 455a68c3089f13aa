"""What every model folder says of itself: versions of the packages, and the rows it was trained on."""

from __future__ import annotations

import platform
from dataclasses import asdict
from importlib import metadata
from typing import Any

from cascade.signature import InputSignature


def versions() -> dict[str, str]:
    """Versions of the packages that a model depends on, where they are installed."""
    found = {"python": platform.python_version()}
    for package in ("numpy", "scikit-learn", "imbalanced-learn", "skops", "keras", "tensorflow"):
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    from cascade import __version__

    return {"cascade": __version__, **found}


def signature_to_json(signature: InputSignature) -> dict[str, Any]:
    """Plain data, from which `signature_from_json` makes an equal signature."""
    return asdict(signature)


def signature_from_json(body: dict[str, Any]) -> InputSignature:
    """Make a signature of what was saved."""
    shape, names = body["row_shape"], body["feature_names"]
    return InputSignature(
        None if shape is None else tuple(map(int, shape)),
        body["dtype"],
        None if names is None else tuple(map(str, names)),
    )
