"""Train a challenger on new data and let it take the champion's place if it is shown to be better: step by step."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cascade.batch.folder import claimed
from cascade.config import RunConfig
from cascade.data import Dataset
from cascade.drift import compare_profiles, profile_of
from cascade.environment import code_version
from cascade.errors import ConfigError, DataError, ModelRefusedError
from cascade.fingerprint import fingerprint
from cascade.missing import masked
from cascade.predictor import CascadePredictor
from cascade.registry import ModelRegistry
from cascade.registry.champions import previous
from cascade.registry.version import ModelVersion
from cascade.report_text import table
from cascade.retraining.answers_file import read_answers, write_answers
from cascade.retraining.decision import Decision, decide, decide_first
from cascade.retraining.held_out import held_out_rows, new_rows
from cascade.retraining.identity import content_hashes
from cascade.retraining.judge import candidate
from cascade.retraining.record import TrainingRecord
from cascade.retraining.steps import StoredSteps, key_of
from cascade.retraining.validation import validate_data
from cascade.store import Exporter
from pipelines import train

logger = logging.getLogger("cascade.pipeline")

HOME = ".retrain"
DECISION = "decision.json"
CHALLENGER, CHAMPION = "challenger.npz", "champion.npz"


@dataclass(frozen=True)
class Champion:
    """Who serves: its version, the model, and what is remembered of its rows."""

    version: ModelVersion
    predictor: CascadePredictor
    record: TrainingRecord


@dataclass(frozen=True)
class Retraining:
    """What every step of a run can see.

    Attributes
    ----------
    config : RunConfig
    data : Dataset
    champion : Champion or None
    testing : ndarray of int
        Rows that both models are judged on.
    findings : list of dict
        What is odd about the data.
    drift : dict or None
        How far the new rows are from those the champion was trained on.
    """

    config: RunConfig
    data: Dataset
    champion: Champion | None
    testing: Any
    findings: list[dict[str, Any]]
    drift: dict[str, Any] | None

    @property
    def training(self) -> Any:
        """Rows to train on."""
        return np.setdiff1d(np.arange(len(self.data)), self.testing)

    @property
    def held_out(self) -> Dataset:
        """The rows of `testing`."""
        return self.data.part(self.testing)


def run(config: RunConfig, models: Path, fresh: bool = False) -> dict[str, Any]:
    """Retrain and return what came of it; the same data, config, code and champion are not done twice.

    Raises
    ------
    BusyError
        If another process retrains a model of this name.
    DataError
        If the data is refused; the champion stays.
    """
    if config.flat is not None:
        raise ConfigError("`flat` cannot be retrained: the policy judges cascades. Train and register it by hand.")
    Exporter(config.exported_to())
    registry = ModelRegistry(models, make=True)
    with claimed(models / config.name / HOME):
        data = train.load(config).with_dense_labels()
        steps, before = _begun(config, data, registry, models / config.name / HOME, fresh)
        finished = steps.known("finished")
        if finished is not None:
            return {**finished, "was_finished": True}
        return {**_retrain(config, data, registry, steps, before, models), "was_finished": False}


def _retrain(
    config: RunConfig,
    data: Dataset,
    registry: ModelRegistry,
    steps: StoredSteps,
    before: ModelVersion | None,
    models: Path,
) -> dict[str, Any]:
    champion = None if before is None else _champion(registry, before)
    validated = steps.facts("validated", lambda: _validated(config, data, champion))
    _refuse(validated["findings"])
    drift = steps.facts("compared", lambda: _compared(data, champion))["drift"]
    job = Retraining(config, data, champion, np.array(validated["testing"]), validated["findings"], drift)
    model = steps.files("trained", lambda folder: _trained(job, folder)) / "model"
    answers = steps.files("evaluated", lambda folder: _evaluated(job, model, folder))
    decided = steps.facts("decided", lambda: _decided(job, answers).to_json())
    named = steps.facts("named", lambda: {"version": train.new_version()})
    version = _published(job, model, answers, Decision.from_json(decided), models / config.name / named["version"])
    registered = steps.facts("registered", lambda: registry.register(config.name, version).to_json())
    if decided["answer"] == "promote":
        registry.promote(config.name, registered["number"], decided["sentence"])
    result = steps.facts("finished", lambda: _told(job, registered, decided, version))
    # The version has them.
    steps.drop("trained", "evaluated")
    return result


def _begun(
    config: RunConfig, data: Dataset, registry: ModelRegistry, home: Path, fresh: bool
) -> tuple[StoredSteps, ModelVersion | None]:
    """Steps of this run, and the champion that it began with: its own challenger may have been promoted already."""
    assert data.Y is not None
    content = fingerprint(data.X, data.Y, data.groups, data.known)
    depends = [config.model_dump(mode="json"), content, _rows_digest(data), code_version()]
    current = registry.champion(config.name)
    steps = _steps_from(home, depends, current)
    if fresh:
        steps.forget()
    if current is None or fresh or steps.folder.exists():
        return steps, current
    before = _champion_before(registry, current)
    earlier = _steps_from(home, depends, before)
    promoted = (earlier.known("registered") or {}).get("number") == current.number
    return (earlier, before) if promoted else (steps, current)


def _steps_from(home: Path, depends: list[Any], champion: ModelVersion | None) -> StoredSteps:
    return StoredSteps(home / key_of(depends, None if champion is None else champion.sha256))


def _champion_before(registry: ModelRegistry, current: ModelVersion) -> ModelVersion | None:
    number = previous(registry.champions(current.name), current.number)
    return None if number is None else registry.version(f"models:/{current.name}/{number}")


def _rows_digest(data: Dataset) -> str:
    """Of every row: the fingerprint samples."""
    names = "" if data.numbered else "\n".join(map(str, data.ids.tolist()))
    return key_of(content_hashes(data.X).tolist(), names, list(data.label_names), data.feature_names)


def _champion(registry: ModelRegistry, version: ModelVersion) -> Champion:
    files = registry.files(str(version))
    if not (files / train.RECORD).exists():
        raise ModelRefusedError(f"`{version}` has no {train.RECORD} to check new data against; train and register it.")
    record = TrainingRecord.from_json(json.loads((files / train.RECORD).read_text(encoding="utf-8")))
    return Champion(version, CascadePredictor.load(registry.folder(str(version))), record)


def _validated(config: RunConfig, data: Dataset, champion: Champion | None) -> dict[str, Any]:
    record, predictor = (None, None) if champion is None else (champion.record, champion.predictor)
    held = held_out_rows(data, record, config.data.test_size, config.seed)
    limits, given = config.retrain.limits.limits(), config.data
    found = validate_data(data, held, record, predictor, limits, given.any_label, given.allow_missing)
    return {"findings": [vars(finding) for finding in found], "testing": np.flatnonzero(held).tolist()}


def _refuse(findings: list[dict[str, Any]]) -> None:
    for finding in findings:
        logger.warning("%s: %s", finding["answer"], finding["sentence"])
    refused = [finding["sentence"] for finding in findings if finding["answer"] == "refuse"]
    if refused:
        raise DataError(refused[0])


def _compared(data: Dataset, champion: Champion | None) -> dict[str, Any]:
    """Profile of the rows that the champion has not seen, against that of the rows it was trained on."""
    profile = None if champion is None else champion.predictor.profile
    if champion is None or profile is None or not new_rows(data, champion.record).any():
        return {"drift": None}
    part = data.part(np.flatnonzero(new_rows(data, champion.record)))
    assert part.Y is not None
    same_labels = data.label_names == champion.predictor.labels
    current = profile_of(
        part.X,
        masked(part.Y, part.known) if same_labels else None,
        part.groups,
        feature_names=data.feature_names,
        predictor=champion.predictor,
        like=profile,
    )
    report = compare_profiles(profile, current)
    for finding in report.drifted():
        logger.info("drift: %s", finding.sentence)
    return {"drift": report.to_json()}


def _trained(job: Retraining, folder: Path) -> None:
    train.fit(job.config, job.data, job.training).save(folder / "model", job.config.exported_to())


def _evaluated(job: Retraining, model: Path, folder: Path) -> None:
    write_answers(folder / CHALLENGER, candidate(CascadePredictor.load(model), job.held_out))
    if job.champion is not None:
        write_answers(folder / CHAMPION, candidate(job.champion.predictor, job.held_out))


def _decided(job: Retraining, answers: Path) -> Decision:
    challenger, groups = read_answers(answers / CHALLENGER), job.held_out.groups
    policy = job.config.retrain.promotion.policy()
    asked = [finding["sentence"] for finding in job.findings if finding["answer"] == "ask"]
    if job.champion is None:
        return decide_first(challenger, groups, policy, asked)
    rules = job.champion.predictor.rules
    any_label = None if rules.plan.any_index is None else rules.labels[rules.plan.any_index]
    return decide(read_answers(answers / CHAMPION), challenger, groups, policy, any_label, asked)


def _published(job: Retraining, model: Path, answers: Path, decision: Decision, version: Path) -> Path:
    if not version.exists():
        predictor = CascadePredictor.load(model)
        scores, rate = train.scored(predictor, job.held_out)
        report = train.reported(predictor, scores, rate, job.data, job.testing)
        report |= {"decision": decision.to_json(), "findings": job.findings, "drift": job.drift}
        proba = read_answers(answers / CHALLENGER).outcome.proba
        record = train.remembered_rows(job.data, job.testing, proba)
        texts = {train.RECORD: record, DECISION: json.dumps(decision.to_json(), indent=2)}
        text = f"{table(report)}\n\n{decision.table()}"
        train.publish(job.config, predictor, report, text, version, texts=texts)
    return version


def _told(job: Retraining, registered: dict[str, Any], decided: dict[str, Any], version: Path) -> dict[str, Any]:
    return {
        "name": job.config.name,
        "answer": decided["answer"],
        "sentence": decided["sentence"],
        "champion": None if job.champion is None else job.champion.version.number,
        "challenger": registered["number"],
        "version": str(version),
        "findings": job.findings,
        "drift": job.drift,
        "decision": decided,
    }


def text(result: dict[str, Any]) -> str:
    """Table of reasons, the answer and where the challenger is."""
    found = [f"{finding['answer']}: {finding['sentence']}" for finding in result["findings"]]
    drifted = [] if result["drift"] is None else result["drift"]["drifted"]
    found += [f"drift, {one['verdict']}: {one['sentence']}" for one in drifted]
    again = ["it was finished before"] if result["was_finished"] else []
    where = f"challenger: models:/{result['name']}/{result['challenger']} from {result['version']}"
    return "\n".join([*found, Decision.from_json(result["decision"]).table(), "", where, *again])
