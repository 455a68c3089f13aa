"""Train a challenger on new data and let it take the champion's place if it is shown to be better: step by step."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np

from cascade.config.schema import RunConfig
from cascade.data import Dataset
from cascade.errors import BusyError, ConfigError, DataError
from cascade.registry import ModelRegistry
from cascade.registry.champions import previous
from cascade.registry.version import ModelVersion
from cascade.retraining.decision.decision import PromotionDecision
from cascade.retraining.memory.row_hashes import RowHashes, labelled
from cascade.retraining.steps import StoredSteps, key_of
from cascade.store import Exporter
from cascade.utils.environment import code_version
from cascade.utils.locking import claimed

from .steps import retrain as retrain_steps
from .steps.run_data import load
from .steps.version import new_version

logger = logging.getLogger("cascade.pipeline")

HOME = ".retrain"


def run(config: RunConfig, models: Path, fresh: bool = False) -> dict[str, Any]:
    """Retrain and return what came of it; the same data, config, code and champion are not done twice.

    Raises
    ------
    BusyError
        If another process retrains a model of this name, or another champion came meanwhile.
    DataError
        If the data is refused; the champion stays.
    """
    if config.flat is not None:
        raise ConfigError("`flat` cannot be retrained: the policy judges cascades. Train and register it by hand.")
    Exporter(config.exported_to())
    registry = ModelRegistry(models, make=True)
    with claimed(models / config.name / HOME):
        data = load(config).with_dense_labels()
        # One pass over the rows, which may be files, serves every step.
        hashes = RowHashes(data)
        steps, before = _begun(config, data, hashes, registry, models / config.name / HOME, fresh)
        finished = steps.known("finished")
        result = finished or _retrain(config, data, hashes, registry, steps, before, models)
        serving = registry.champion(config.name)
        serves = serving is not None and serving.number == result["challenger"]
        return {**result, "was_finished": finished is not None, "serves": serves}


def _retrain(
    config: RunConfig,
    data: Dataset,
    hashes: RowHashes,
    registry: ModelRegistry,
    steps: StoredSteps,
    before: ModelVersion | None,
    models: Path,
) -> dict[str, Any]:
    champion = None if before is None else retrain_steps.champion_of(registry, before)
    home = models / config.name / HOME
    validated = steps.facts("validated", lambda: retrain_steps.validate(config, hashes, champion, home))
    _refuse(validated["findings"])
    drift = steps.facts("compared", lambda: retrain_steps.compare(hashes, champion))["drift"]
    job = retrain_steps.Retraining(
        config, hashes, champion, np.array(validated["testing"]), validated["findings"], drift
    )
    model = steps.files("trained", lambda folder: retrain_steps.fit(job, folder)) / "model"
    answers = steps.files("evaluated", lambda folder: retrain_steps.evaluate(job, model, folder))
    decided = steps.facts("decided", lambda: retrain_steps.judge(job, answers).to_json())
    named = steps.facts("named", lambda: {"version": new_version()})
    version = retrain_steps.publish(
        job, model, answers, PromotionDecision.from_json(decided), models / config.name / named["version"]
    )
    sentence = decided["sentence"]
    registered = steps.facts("registered", lambda: registry.register(config.name, version, sentence).to_json())
    if decided["answer"] == "promote":
        _refuse_another(registry.champion(config.name), before, registered["number"])
        registry.promote(config.name, registered["number"], sentence)
    result = steps.facts("finished", lambda: _told(job, registered, decided, version))
    # The version has them.
    steps.drop("trained", "evaluated")
    return result


def _begun(
    config: RunConfig, data: Dataset, hashes: RowHashes, registry: ModelRegistry, home: Path, fresh: bool
) -> tuple[StoredSteps, ModelVersion | None]:
    """Steps of this run, and the champion that it began with: its own challenger may have been promoted already."""
    depends = [config.model_dump(mode="json"), _rows_digest(data, hashes), code_version()]
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


def _rows_digest(data: Dataset, hashes: RowHashes) -> str:
    """Digest of every row with its labels and group."""
    assert data.Y is not None
    rows = labelled(hashes.keys, data.labels).tolist()
    return key_of(rows, hashes.groups.tolist(), list(data.label_names), data.feature_names)


def _refuse(findings: list[dict[str, Any]]) -> None:
    """The most serious finding comes first; the others are told."""
    refused = bool(findings) and findings[0]["answer"] == "refuse"
    for finding in findings[refused:]:
        logger.warning("%s: %s", finding["answer"], finding["sentence"])
    if refused:
        raise DataError(findings[0]["sentence"])


def _refuse_another(current: ModelVersion | None, before: ModelVersion | None, challenger: int) -> None:
    """Who became champion while the challenger was trained has not been compared with it."""
    known = (None if before is None else before.number, challenger)
    if (None if current is None else current.number) not in known:
        raise BusyError(f"`{current}` became champion meanwhile; start again to compare the challenger with it.")


def _told(
    job: retrain_steps.Retraining, registered: dict[str, Any], decided: dict[str, Any], version: Path
) -> dict[str, Any]:
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
    left = result["answer"] == "promote" and not result["serves"]
    again = [f"it was finished before{'; another version serves now' * left}"] if result["was_finished"] else []
    where = f"challenger: models:/{result['name']}/{result['challenger']} from {result['version']}"
    return "\n".join([*found, PromotionDecision.from_json(result["decision"]).table(), "", where, *again])
