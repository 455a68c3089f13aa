"""Save and load a cascade: numbers in the manifest, each model in a separate file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cascade.data.signature import InputSignature, signature_from_json, signature_to_json
from cascade.errors import ModelRefusedError
from cascade.estimators.forking import bags_of
from cascade.estimators.runtime.runtimes import AUTO
from cascade.estimators.scoring import computed_by, score_cascade
from cascade.rules.label_plan import LabelPlan
from cascade.rules.probability.calibration import AnyCalibration, Calibration, IsotonicCalibration
from cascade.rules.probability.merge import FLAT, check_pool
from cascade.rules.probability.prior_shift import ByShift, PriorShift
from cascade.rules.probability.stack import Stack
from cascade.rules.rules import Prediction, Rules, check_coherence
from cascade.rules.thresholds.certificate import Certificate
from cascade.store.exporting import Exporter
from cascade.store.int8_rows import Int8Rows
from cascade.store.manifest import open_manifest, read_manifest, write_manifest
from cascade.store.opening import check_rows_of
from cascade.store.parts import check_files, check_part, load_part, save_part
from cascade.store.plain_file import ModelFiles
from cascade.store.refusal import check_provenance, check_signature, label_names_from, refusing
from cascade.store.skops.outputs import check_stage
from cascade.store.soundness import check_rules, is_certificate
from cascade.store.stored import StoredCascade
from cascade.utils.atomic import new_folder
from cascade.utils.environment import versions

PARTS = ("gate", "labeler")
CALIBRATIONS = ("gate_calibration", "labeler_calibration", "merged_calibration")
STACKS = ("stack", "rejected_stack")


def save_cascade(cascade: StoredCascade, path: Path, exporter: Exporter | None = None) -> None:
    """Write `cascade` atomically to a new folder, with exported networks if an exporter is given."""
    int8 = None if exporter is None else exporter.int8
    # Checked first, since exporting takes minutes and would fail on these rows later.
    if int8 is not None:
        int8.check(cascade.signature, len(cascade.rules.label_names))
    with new_folder(path) as folder:
        content = {
            "versions": versions(),
            "signature": signature_to_json(cascade.signature),
            "rules": _rules_to_json(cascade.rules),
            "provenance": cascade.provenance,
            "certificate": None if cascade.certificate is None else cascade.certificate.to_json(),
            "gate": save_part(cascade.gate, folder, "gate", exporter),
            "labeler": None if cascade.labeler is None else save_part(cascade.labeler, folder, "labeler", exporter),
        }
        if int8 is not None:
            content["int8"] = _int8_loss(cascade, folder, content, int8)
        write_manifest(folder, content)


def _int8_loss(cascade: StoredCascade, folder: Path, content: dict[str, Any], rows: Int8Rows) -> dict[str, Any]:
    """Compare the quantised networks in `folder` with the networks that they were converted from."""
    from cascade.store.int8_loss import int8_loss

    # Loaded from the files, so that exactly the networks that users will load are measured.
    gate, labeler = (
        None if part is None else load_part(part, ModelFiles(folder), AUTO) for part in map(content.get, PARTS)
    )
    judged = rows.judged_rows()
    before, after = (
        _predicted(*pair, cascade.rules, judged) for pair in ((cascade.gate, cascade.labeler), (gate, labeler))
    )
    return int8_loss(
        before, after, rows, cascade.rules.label_names, {"gate": computed_by(gate), "labeler": computed_by(labeler)}
    )


def _predicted(gate: Any, labeler: Any, rules: Rules, X: Any) -> Prediction:
    return rules.predict(score_cascade(gate, labeler, rules, X, rules.gate_threshold))


def load_cascade(path: Path, runtime: str, threads: int | None) -> StoredCascade:
    """Load a folder that `save_cascade` wrote."""
    with refusing(path):
        return _load(path, runtime, threads)


@dataclass(frozen=True)
class Description:
    """The content of a cascade's manifest, without its models.

    Attributes
    ----------
    rules : Rules
    provenance : dict
    certificate : Certificate or None
    versions : dict
        Versions of the packages with which it was saved.
    """

    rules: Rules
    provenance: dict[str, Any]
    certificate: Certificate | None
    versions: dict[str, str]


def describe_cascade(path: Path) -> Description:
    """Read and check the manifest of a folder and the digests of its files, without loading a model.

    Raises
    ------
    ModelRefusedError
        If the manifest or a digest is not valid. The models themselves are checked when they are loaded.
    """
    with refusing(path):
        body = read_manifest(path)
        described = _described(body, path)
        _check_parts(body, path)
        return described


def _check_parts(body: dict[str, Any], path: Path) -> None:
    check_signature(body["signature"], path)
    # There is no labeler where no label had anything to learn.
    parts = [body[name] for name in PARTS if name == "gate" or body[name] is not None]
    for part in parts:
        check_part(part, path)
    check_files(body, parts, path)


def _described(body: dict[str, Any], path: Path) -> Description:
    if "rules" not in body:
        raise ModelRefusedError(f"`{path}` holds a many-label model without a gate; load it with ManyLabelPredictor.")
    rules = _rules_from_json(body["rules"])
    check_rules(rules)
    saved = body["certificate"]
    certificate = None if saved is None else Certificate.from_json(saved)
    # A certificate is a claim about safety, so it is proven again from its counts instead of trusted.
    if certificate is not None and not is_certificate(certificate, rules):
        raise ModelRefusedError(f"`{path}` has a certificate that `save` did not write.")
    return Description(rules, check_provenance(body["provenance"], path), certificate, body["versions"])


def _load(path: Path, runtime: str, threads: int | None) -> StoredCascade:
    body, files = open_manifest(path)
    described = _described(body, path)
    _check_parts(body, path)
    gate = load_part(body["gate"], files, runtime, threads)
    labeler = None if body["labeler"] is None else load_part(body["labeler"], files, runtime, threads)
    # Files of other runtimes are not read, and must be the saved ones too.
    files.check_rest()
    signature, rules = signature_from_json(body["signature"]), described.rules
    _check_stages(gate, labeler, rules, signature, path)
    # No dtype but feature names means that the cascade was trained on data frames.
    if signature.dtype is None and signature.feature_names:
        names = np.array(signature.feature_names, dtype=object)
        for part in _without_names(gate, labeler):
            part.feature_names_in_ = names
    return StoredCascade(gate, labeler, rules, signature, described.provenance, described.certificate)


def _check_stages(gate: Any, labeler: Any, rules: Rules, signature: InputSignature, path: Path) -> None:
    check_rows_of(signature, gate, labeler)
    n_learned = len(rules.plan.learned)
    # Rows past the gate would otherwise get the labeler's columns at random, or none.
    if (labeler is None) != (rules.is_flat or n_learned == 0):
        raise ModelRefusedError(f"`{path}` must have a labeler where its rules have labels to learn, and only there.")
    check_stage(gate, rules.n_gate_outputs, signature, f"{path}: gate")
    check_stage(labeler, n_learned, signature, f"{path}: labeler")


def _without_names(*stages: Any) -> Iterator[Any]:
    """Yield the estimators of this package, whose files lack the feature names that skops files keep."""
    for stage in stages:
        if getattr(stage, "one_column_a_label", False):
            yield stage
            yield from _without_names(*bags_of(stage))


def _rules_to_json(rules: Rules) -> dict[str, Any]:
    # The key of the names is the one that every protocol has.
    body = {"labels" if key == "label_names" else key: value for key, value in asdict(rules).items()}
    body["plan"]["learned"] = rules.plan.learned.tolist()
    for name in ("share", "seen", "seen_count"):
        body["plan"][name] = getattr(rules.plan, name).tolist()
    for name in CALIBRATIONS:
        body[name] = _calibration_to_json(getattr(rules, name))
    for name in ("rejected_share", "rejected_interval", "thresholds"):
        body[name] = body[name].tolist()
    if rules.by_shift is not None:
        body["by_shift"] = {name: values.tolist() for name, values in body["by_shift"].items()}
    if rules.gate_label_calibration is not None:
        body["gate_label_calibration"] = _calibration_to_json(rules.gate_label_calibration)
    for name in STACKS:
        if body[name] is not None:
            body[name] = {side: values.tolist() for side, values in body[name].items()}
    return body


def _calibration_to_json(calibration: AnyCalibration) -> dict[str, Any]:
    if isinstance(calibration, IsotonicCalibration):
        return {side: [column.tolist() for column in getattr(calibration, side)] for side in ("knots", "values")}
    return {side: getattr(calibration, side).tolist() for side in ("low", "high", "intercept")}


def _calibration_from_json(body: dict[str, Any]) -> AnyCalibration:
    # The keys show the type, since neither calibration writes one and their keys are disjoint.
    if "knots" in body:
        return IsotonicCalibration(tuple(map(_floats, body["knots"])), tuple(map(_floats, body["values"])))
    return Calibration(_floats(body["low"]), _floats(body["high"]), _floats(body["intercept"]))


def _stack_from_json(body: dict[str, Any] | None) -> Stack | None:
    return None if body is None else Stack(_floats(body["weights"]), _floats(body["intercept"]))


def _rules_from_json(body: dict[str, Any]) -> Rules:
    plan = body["plan"]
    any_index = plan["any_index"]
    gate, labeler, merged = (_calibration_from_json(body[name]) for name in CALIBRATIONS)
    # `type` and not `isinstance`: true would pass as 1, and a cast would turn 1.5 into another column.
    if not all(type(column) is int for column in [*plan["learned"], *([] if any_index is None else [any_index])]):
        raise ModelRefusedError("the manifest's columns must be whole numbers; the model was not written by `save`.")
    learned = np.array(plan["learned"], dtype=np.intp)
    return Rules(
        label_names=label_names_from(body["labels"]),
        plan=LabelPlan(
            None if any_index is None else int(any_index),
            learned,
            _floats(plan["share"]),
            # Reshaped, since an empty list has lost the number of columns.
            np.array(plan["seen"], dtype=np.uint8).reshape(len(plan["seen"]), len(learned)),
            np.array(plan["seen_count"], dtype=np.int64),
        ),
        negative_pool=FLAT if body["negative_pool"] == FLAT else check_pool(body["negative_pool"]),
        gate_threshold=float(body["gate_threshold"]),
        rejected_share=_floats(body["rejected_share"]),
        rejected_interval=_floats(body["rejected_interval"]),
        thresholds=_floats(body["thresholds"]),
        coherence=check_coherence(body["coherence"]),
        # Protocols 3 and 4 have neither key, and those before 6 none of the last three.
        shift=None if body.get("shift") is None else PriorShift(**body["shift"]),
        by_shift=None
        if body.get("by_shift") is None
        else ByShift(*(_floats(body["by_shift"][name]) for name in ("thresholds", "offsets"))),
        gate_label_calibration=None
        if body.get("gate_label_calibration") is None
        else _calibration_from_json(body["gate_label_calibration"]),
        stack=_stack_from_json(body.get("stack")),
        rejected_stack=_stack_from_json(body.get("rejected_stack")),
        gate_calibration=gate,
        labeler_calibration=labeler,
        merged_calibration=merged,
    )


def _floats(values: Any) -> Any:
    return np.array(values, dtype=np.float64)
