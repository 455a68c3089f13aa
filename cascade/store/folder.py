"""A finished cascade as a folder: numbers in the manifest, each model in a file of its own."""

from __future__ import annotations

import platform
from dataclasses import asdict
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from cascade.calibration import Calibration
from cascade.errors import ModelRefusedError
from cascade.labels import LabelPlan
from cascade.merge import check_pool
from cascade.predictor import CascadePredictor
from cascade.publish import new_folder
from cascade.rules import Rules
from cascade.signature import InputSignature
from cascade.store.manifest import read_manifest, write_manifest
from cascade.store.parts import load_part, save_part

CALIBRATIONS = ("gate_calibration", "labeler_calibration", "merged_calibration")


def save_predictor(predictor: CascadePredictor, path: Path) -> None:
    """Write `predictor` to a new folder; it appears whole or not at all."""
    with new_folder(path) as folder:
        content = {
            "versions": _versions(),
            "signature": asdict(predictor.signature),
            "rules": _rules_to_json(predictor.rules),
            "provenance": predictor.provenance,
            "gate": save_part(predictor.gate, folder, "gate"),
            "labeler": None if predictor.labeler is None else save_part(predictor.labeler, folder, "labeler"),
        }
        write_manifest(folder, content)


def load_predictor(path: Path) -> CascadePredictor:
    """Read a folder that `save_predictor` wrote."""
    body = read_manifest(path)
    try:
        rules = _rules_from_json(body["rules"])
        signature = _signature_from_json(body["signature"])
        gate_spec, labeler_spec, provenance = body["gate"], body["labeler"], body["provenance"]
    except (KeyError, TypeError, ValueError) as error:
        raise ModelRefusedError(f"`{path}` has a manifest without a valid {error}; it cannot be used.") from error
    gate = load_part(gate_spec, path)
    labeler = None if labeler_spec is None else load_part(labeler_spec, path)
    return CascadePredictor(gate, labeler, rules, signature, provenance)


def _versions() -> dict[str, str]:
    versions = {"python": platform.python_version()}
    for package in ("numpy", "scikit-learn", "imbalanced-learn", "skops", "keras", "tensorflow"):
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    from cascade import __version__

    return {"cascade": __version__, **versions}


def _rules_to_json(rules: Rules) -> dict[str, Any]:
    body = asdict(rules)
    body["plan"]["learned"] = rules.plan.learned.tolist()
    body["plan"]["share"] = rules.plan.share.tolist()
    for name in CALIBRATIONS:
        body[name] = {side: values.tolist() for side, values in body[name].items()}
    for name in ("rejected_share", "thresholds"):
        body[name] = body[name].tolist()
    return body


def _rules_from_json(body: dict[str, Any]) -> Rules:
    plan = body["plan"]
    any_index = plan["any_index"]
    parts = {name: Calibration(_floats(body[name]["slope"]), _floats(body[name]["intercept"])) for name in CALIBRATIONS}
    return Rules(
        labels=tuple(map(str, body["labels"])),
        plan=LabelPlan(
            None if any_index is None else int(any_index),
            np.array(plan["learned"], dtype=np.intp),
            _floats(plan["share"]),
        ),
        negative_pool=check_pool(body["negative_pool"]),
        gate_threshold=float(body["gate_threshold"]),
        rejected_share=_floats(body["rejected_share"]),
        thresholds=_floats(body["thresholds"]),
        **parts,
    )


def _signature_from_json(body: dict[str, Any]) -> InputSignature:
    shape, names = body["row_shape"], body["feature_names"]
    return InputSignature(
        None if shape is None else tuple(map(int, shape)),
        body["dtype"],
        None if names is None else tuple(map(str, names)),
    )


def _floats(values: Any) -> Any:
    return np.array(values, dtype=np.float64)
