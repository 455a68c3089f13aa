"""A finished flat model of many labels as a folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cascade.data.signature import InputSignature, signature_from_json, signature_to_json
from cascade.errors import ModelRefusedError
from cascade.many_labels.calibration import SharedSlope
from cascade.many_labels.cardinality import Cardinality
from cascade.many_labels.decoders import Decoding, Thresholds
from cascade.store.exporting import Exporter
from cascade.store.manifest import read_manifest, write_manifest
from cascade.store.opening import check_rows_of
from cascade.store.parts import load_part, save_part
from cascade.store.refusal import check_provenance, refusing
from cascade.utils.atomic import new_folder
from cascade.utils.environment import versions


@dataclass(frozen=True)
class StoredManyLabels:
    """The parts of a many-label model, as they are saved and loaded.

    Attributes
    ----------
    estimator : fitted multi-label classifier
    label_names : tuple of str
        In column order.
    calibration : SharedSlope
    decoding : Decoding
    signature : InputSignature
    provenance : dict
    """

    estimator: Any
    label_names: tuple[str, ...]
    calibration: SharedSlope
    decoding: Decoding
    signature: InputSignature
    provenance: dict[str, Any]


KIND = "many_labels"
NUMBERS = ("intercept", "of_sum", "of_head")
LARGEST = 1e3


def save_many(model: StoredManyLabels, path: Path, exporter: Exporter | None = None) -> None:
    """Write `model` atomically to a new folder, with an exported network where an exporter is given."""
    decoding, calibration = model.decoding, model.calibration
    with new_folder(path) as folder:
        cardinality = None if decoding.cardinality is None else _cardinality_to_json(decoding.cardinality, folder)
        limits = None if decoding.thresholds is None else decoding.thresholds.log_odds.tolist()
        content = {
            "kind": KIND,
            "versions": versions(),
            "signature": signature_to_json(model.signature),
            "labels": list(model.label_names),
            "calibration": {"slope": calibration.slope, "intercept": calibration.intercept.tolist()},
            "decoding": {"thresholds": limits, "top": decoding.top, "cardinality": cardinality},
            "provenance": model.provenance,
            "model": save_part(model.estimator, folder, "model", exporter),
        }
        write_manifest(folder, content)


def load_many(path: Path, runtime: str, threads: int | None) -> StoredManyLabels:
    """Read a folder that `save_many` wrote."""
    with refusing(path):
        return _load(path, runtime, threads)


@dataclass(frozen=True)
class ManyLabelsDescription:
    """What the manifest of a many-label model says without its network.

    Attributes
    ----------
    label_names : tuple of str
    slope : float
        Of the calibration that all labels share.
    provenance : dict
    versions : dict
        Versions of the packages that saved it.
    """

    label_names: tuple[str, ...]
    slope: float
    provenance: dict[str, Any]
    versions: dict[str, str]


def describe_many(path: Path) -> ManyLabelsDescription:
    """Read and check the manifest of a folder, and the digests of its files; load no model."""
    with refusing(path):
        body = read_manifest(path)
        _refuse_cascade(body, path)
        label_names, calibration = _calibration(body, path)
        provenance = check_provenance(body["provenance"], path)
        return ManyLabelsDescription(label_names, calibration.slope, provenance, body["versions"])


def _load(path: Path, runtime: str, threads: int | None) -> StoredManyLabels:
    body = read_manifest(path)
    _refuse_cascade(body, path)
    labels, calibration = _calibration(body, path)
    decoding = _decoding(body["decoding"], path, len(labels))
    estimator = load_part(body["model"], path, runtime, threads)
    if not hasattr(estimator, "predict_proba"):
        raise ModelRefusedError(f"`{path}` holds a part that does not predict probabilities.")
    signature = signature_from_json(body["signature"])
    check_rows_of(signature, estimator)
    return StoredManyLabels(
        estimator, labels, calibration, decoding, signature, check_provenance(body["provenance"], path)
    )


def _refuse_cascade(body: dict[str, Any], path: Path) -> None:
    if body.get("kind") != KIND:
        raise ModelRefusedError(f"`{path}` holds a cascade; load it with CascadePredictor.")


def _calibration(body: dict[str, Any], path: Path) -> tuple[tuple[str, ...], SharedSlope]:
    """Label names and their calibration."""
    labels = tuple(map(str, body["labels"]))
    calibration = SharedSlope(
        float(body["calibration"]["slope"]), np.array(body["calibration"]["intercept"], dtype=np.float32)
    )
    sound = (
        len(labels) > 0
        and len(set(labels)) == len(labels)
        and np.isfinite(calibration.slope)
        and calibration.slope > 0
        and calibration.intercept.shape == (len(labels),)
        and bool(np.isfinite(calibration.intercept).all())
    )
    if not sound:
        raise ModelRefusedError(f"`{path}` has numbers that do not fit together; it was not written by `save`.")
    return labels, calibration


def _decoding(body: dict[str, Any], path: Path, n_labels: int) -> Decoding:
    limits, top, cardinality = body["thresholds"], body["top"], body["cardinality"]
    thresholds = None if limits is None else Thresholds(np.array(limits, dtype=np.float32))
    one = sum(given is not None for given in (limits, top, cardinality)) == 1
    fits = thresholds is None or (
        thresholds.log_odds.shape == (n_labels,) and bool(np.isfinite(thresholds.log_odds).all())
    )
    if not one or not fits or not (top is None or (type(top) is int and 1 <= top <= n_labels)):
        raise ModelRefusedError(f"`{path}` has a decoder that `save` did not write.")
    return Decoding(thresholds, top, None if cardinality is None else _cardinality_from_json(cardinality, path))


def _cardinality_to_json(cardinality: Cardinality, folder: Path) -> dict[str, Any]:
    numbers = {name: getattr(cardinality, name) for name in NUMBERS}
    return {**numbers, "head": None if cardinality.head is None else save_part(cardinality.head, folder, "head")}


def _cardinality_from_json(body: dict[str, Any], path: Path) -> Cardinality:
    numbers = {name: float(body[name]) for name in NUMBERS}
    if not all(abs(value) <= LARGEST for value in numbers.values()):
        raise ModelRefusedError(f"`{path}` has numbers that do not fit together; it was not written by `save`.")
    return Cardinality(**numbers, head=None if body["head"] is None else load_part(body["head"], path))
