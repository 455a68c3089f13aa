"""Save a many-label model to a folder, and load it."""

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
from cascade.store.manifest import open_manifest, read_manifest, write_manifest
from cascade.store.opening import check_rows_of
from cascade.store.parts import check_files, check_part, load_part, save_part
from cascade.store.plain_file import ModelFiles
from cascade.store.refusal import check_provenance, check_signature, label_names_from, refusing
from cascade.store.skops.outputs import check_stage
from cascade.utils.atomic import new_folder
from cascade.utils.environment import versions
from cascade.utils.types import ProbabilityEstimator


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

    estimator: ProbabilityEstimator
    label_names: tuple[str, ...]
    calibration: SharedSlope
    decoding: Decoding
    signature: InputSignature
    provenance: dict[str, Any]


KIND = "many_labels"
NUMBERS = ("intercept", "of_sum", "of_head")
LARGEST = 1e3


def save_many(model: StoredManyLabels, path: Path, exporter: Exporter | None = None) -> None:
    """Write `model` atomically to a new folder, with exported networks if an exporter is given."""
    decoding, calibration = model.decoding, model.calibration
    with new_folder(path) as folder:
        cardinality = None if decoding.cardinality is None else _cardinality_to_json(decoding.cardinality, folder)
        log_odds = None if decoding.thresholds is None else decoding.thresholds.log_odds.tolist()
        content = {
            "kind": KIND,
            "versions": versions(),
            "signature": signature_to_json(model.signature),
            "labels": list(model.label_names),
            "calibration": {"slope": calibration.slope, "intercept": calibration.intercept.tolist()},
            "decoding": {"thresholds": log_odds, "top": decoding.top, "cardinality": cardinality},
            "provenance": model.provenance,
            "model": save_part(model.estimator, folder, "model", exporter),
        }
        # Last, since it has the digests of the other files.
        write_manifest(folder, content)


def load_many(path: Path, runtime: str, threads: int | None) -> StoredManyLabels:
    """Read a folder that `save_many` wrote."""
    with refusing(path):
        return _load(path, runtime, threads)


@dataclass(frozen=True)
class ManyLabelsDescription:
    """What the manifest of a many-label model says, without loading the model.

    Attributes
    ----------
    label_names : tuple of str
    slope : float
        Slope of the calibration, which all labels share.
    provenance : dict
    versions : dict
        Versions of the packages with which it was saved.
    """

    label_names: tuple[str, ...]
    slope: float
    provenance: dict[str, Any]
    versions: dict[str, str]


def describe_many(path: Path) -> ManyLabelsDescription:
    """Read and check the manifest of a folder and the digests of its files, without loading the model."""
    with refusing(path):
        body = read_manifest(path)
        _refuse_cascade(body, path)
        label_names, calibration = _calibration(body, path)
        _decoding_numbers(body["decoding"], path, len(label_names))
        _check_parts(body, path)
        provenance = check_provenance(body["provenance"], path)
        return ManyLabelsDescription(label_names, calibration.slope, provenance, body["versions"])


def _check_parts(body: dict[str, Any], path: Path) -> None:
    check_signature(body["signature"], path)
    cardinality = body["decoding"]["cardinality"]
    parts = [body["model"], *([] if cardinality is None or cardinality["head"] is None else [cardinality["head"]])]
    for part in parts:
        check_part(part, path)
    check_files(body, parts, path)


def _load(path: Path, runtime: str, threads: int | None) -> StoredManyLabels:
    # All numbers are checked before the model is loaded, which takes longest.
    body, files = open_manifest(path)
    _refuse_cascade(body, path)
    label_names, calibration = _calibration(body, path)
    _check_parts(body, path)
    decoding = _decoding(body["decoding"], files, len(label_names))
    estimator = load_part(body["model"], files, runtime, threads)
    # Files of other runtimes are not read, and must be the saved ones too.
    files.check_rest()
    signature = signature_from_json(body["signature"])
    check_rows_of(signature, estimator)
    check_stage(estimator, len(label_names), signature, f"{path}: model")
    return StoredManyLabels(
        estimator, label_names, calibration, decoding, signature, check_provenance(body["provenance"], path)
    )


def _refuse_cascade(body: dict[str, Any], path: Path) -> None:
    if body.get("kind") != KIND:
        raise ModelRefusedError(f"`{path}` holds a cascade; load it with CascadePredictor.")


def _calibration(body: dict[str, Any], path: Path) -> tuple[tuple[str, ...], SharedSlope]:
    """Read and check label names and their calibration."""
    label_names = label_names_from(body["labels"])
    calibration = SharedSlope(
        float(body["calibration"]["slope"]), np.array(body["calibration"]["intercept"], dtype=np.float32)
    )
    # The file may be from elsewhere: a slope below 0 would reverse the ranking, NaN would reach predictions.
    sound = (
        len(label_names) > 0
        and len(set(label_names)) == len(label_names)
        and np.isfinite(calibration.slope)
        and 0 < calibration.slope <= LARGEST
        and calibration.intercept.shape == (len(label_names),)
        and bool((abs(calibration.intercept) <= LARGEST).all())
    )
    if not sound:
        raise ModelRefusedError(f"`{path}` has numbers that do not fit together; it was not written by `save`.")
    return label_names, calibration


def _decoding(body: dict[str, Any], files: ModelFiles, n_labels: int) -> Decoding:
    cardinality = body["cardinality"]
    thresholds, top = _decoding_numbers(body, files.folder, n_labels)
    return Decoding(thresholds, top, None if cardinality is None else _cardinality_from_json(cardinality, files))


def _decoding_numbers(body: dict[str, Any], path: Path, n_labels: int) -> tuple[Thresholds | None, int | None]:
    """Read and check the numbers of a decoder; a head that predicts the number of labels is not loaded."""
    log_odds, top, cardinality = body["thresholds"], body["top"], body["cardinality"]
    thresholds = None if log_odds is None else Thresholds(np.array(log_odds, dtype=np.float32))
    is_one = sum(option is not None for option in (log_odds, top, cardinality)) == 1
    fits = thresholds is None or (
        thresholds.log_odds.shape == (n_labels,) and bool(np.isfinite(thresholds.log_odds).all())
    )
    # `type`, not `isinstance`: JSON's `true` is an int in Python.
    if not is_one or not fits or not (top is None or (type(top) is int and 1 <= top <= n_labels)):
        raise ModelRefusedError(f"`{path}` has a decoder that `save` did not write.")
    return thresholds, top


def _cardinality_to_json(cardinality: Cardinality, folder: Path) -> dict[str, Any]:
    numbers = {name: getattr(cardinality, name) for name in NUMBERS}
    return {**numbers, "head": None if cardinality.head is None else save_part(cardinality.head, folder, "head")}


def _cardinality_from_json(body: dict[str, Any], files: ModelFiles) -> Cardinality:
    numbers = {name: float(body[name]) for name in NUMBERS}
    # Negated, so that a NaN is refused as well.
    if not all(abs(value) <= LARGEST for value in numbers.values()):
        raise ModelRefusedError(f"`{files.folder}` has numbers that do not fit together; `save` did not write them.")
    return Cardinality(**numbers, head=None if body["head"] is None else load_part(body["head"], files))
