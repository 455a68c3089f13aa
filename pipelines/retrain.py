"""Train a challenger on new data and promote it if it is shown to be better than the champion, step by step."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np

from cascade.config.build import with_defaults
from cascade.config.schema import RunConfig
from cascade.data import Dataset
from cascade.errors import BusyError, ConfigError, DataError, ModelRefusedError
from cascade.estimators.resumption import resumable
from cascade.registry import ModelRegistry
from cascade.registry.champions import previous
from cascade.registry.client import is_there
from cascade.registry.version import ModelVersion
from cascade.retraining.decision.decision import PromotionDecision
from cascade.retraining.memory.remembered import REGISTERED, registered_before
from cascade.retraining.memory.row_hashes import RowHashes, labelled
from cascade.retraining.steps import StoredSteps
from cascade.store import Exporter
from cascade.utils.environment import code_version
from cascade.utils.keys import key_of
from cascade.utils.locking import claimed

from .steps import retrain as retrain_steps
from .steps.progress import step_bars
from .steps.run_data import cached, key_content, load
from .steps.version import new_version

logger = logging.getLogger("cascade.pipeline")

HOME = ".retrain"
"""Folder of stored steps within a model's folder; the dot keeps it out of the list of versions."""
STATES = "states"
"""Folder of the states of networks in training, within that of the steps."""


@step_bars()
def run(config: RunConfig, models: Path, fresh: bool = False) -> dict[str, Any]:
    """Retrain and return the result; a finished run with the same data, config, code and champion is not repeated.

    Parameters
    ----------
    config : RunConfig
    models : path
        Folder of all models.
    fresh : bool
        Start over instead of resuming or returning a finished run.

    Returns
    -------
    dict
        Among others `answer` ("promote", "keep" or "ask"), `sentence`, the numbers of `champion` and `challenger`,
        `was_finished`, and whether the challenger `serves` now.

    Raises
    ------
    BusyError
        If another process retrains a model of this name, or another version became champion meanwhile.
    DataError
        If the data is refused; the champion continues to serve.
    """
    if config.flat is not None:
        raise ConfigError("`flat` cannot be retrained: the promotion policy compares cascades. Use `cascade train`.")
    # Raises for a runtime that is not installed, which would otherwise end the run after the training.
    Exporter(config.exported_to())
    # Before a database is made: it would be empty, and later runs would find a registry without a champion.
    if not is_there(models):
        _refuse_unknown(registered_before(models / config.name, models / config.name / HOME), config.name)
    registry = ModelRegistry(models, make=True)
    # One run per name: two would write the same steps and decide against the same champion.
    with claimed(models / config.name / HOME):
        data = load(config).with_dense_labels()
        config = with_defaults(config, data)
        data = cached(config, data, models)
        # Shared by all steps, since hashing reads every row, and rows may be files.
        hashes = RowHashes(data)
        steps, before = _stored_run(config, data, hashes, registry, models / config.name / HOME, fresh)
        # A run that has promoted the first champion itself had none before it either.
        if registry.champion(config.name) is None:
            _refuse_lost_champion(registry, config.name, models / config.name, steps)
        finished = steps.known("finished")
        result = finished or _retrain(config, data, hashes, registry, steps, before, models)
        # Looked up each time: after a finished run a person may have promoted or rolled back a version.
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
    # Each step is stored when it ends; a step that a killed run left unfinished is done again from its start.
    validated = steps.facts("validated", lambda: retrain_steps.validate_step(config, hashes, champion, home))
    _refuse(validated["findings"])
    drift = steps.facts("compared", lambda: retrain_steps.compare_step(hashes, champion))["drift"]
    job = retrain_steps.Retraining(
        config, hashes, champion, np.array(validated["testing"]), validated["findings"], drift
    )
    # Networks keep their states beside the step, which is one long computation.
    with resumable(steps.folder / STATES):
        model = steps.files("trained", lambda folder: retrain_steps.fit_step(job, folder)) / "model"
    steps.drop(STATES)
    evaluated = steps.files("evaluated", lambda folder: retrain_steps.evaluate_step(job, model, folder))
    timed = steps.facts("timed", lambda: retrain_steps.time_step(job, model))
    decided = steps.facts("decided", lambda: retrain_steps.judge_step(job, evaluated, timed).to_json())
    # The name is a time. It is stored before the version is written, so a resumed run does not write a second one.
    named = steps.facts("named", lambda: {"version": new_version()})
    version = retrain_steps.publish_step(
        job, model, evaluated, PromotionDecision.from_json(decided), models / config.name / named["version"]
    )
    sentence = decided["sentence"]
    # A run killed between registration and this file registers again, which returns the same version by its digest.
    registered = steps.facts(REGISTERED, lambda: registry.register(config.name, version, sentence).to_json())
    # Last of all: until the alias moves, the champion serves, and everything before can be repeated.
    if decided["answer"] == "promote":
        _refuse_another(registry.champion(config.name), before, registered["number"])
        registry.promote(config.name, registered["number"], sentence)
    result = steps.facts("finished", lambda: _result(job, registered, decided, version))
    # Model and predictions are the largest files, and the version has a copy of what is needed.
    steps.drop("trained", "evaluated")
    return result


def _stored_run(
    config: RunConfig, data: Dataset, hashes: RowHashes, registry: ModelRegistry, home: Path, fresh: bool
) -> tuple[StoredSteps, ModelVersion | None]:
    """Return the steps of this run, and the champion at its start."""
    depends = [key_content(config), _rows_digest(data, hashes), code_version()]
    current = registry.champion(config.name)
    steps = _steps_from(home, depends, current)
    if fresh:
        steps.forget()
    if current is None or fresh or steps.folder.exists():
        return steps, current
    # The key contains the champion at the start. If this run has promoted its challenger already, that is the
    # champion now, and the stored steps have the key of the champion before it.
    before = _champion_before(registry, current)
    earlier = _steps_from(home, depends, before)
    promoted = (earlier.known(REGISTERED) or {}).get("number") == current.number
    return (earlier, before) if promoted else (steps, current)


def _refuse_lost_champion(registry: ModelRegistry, name: str, folder: Path, steps: StoredSteps) -> None:
    """Raise if there was a champion before: a first model must only beat chance, and would replace it unseen."""
    past = registry.champions(name) if registry.has(name) else []
    # A run that was killed while it promoted the first champion has written the list and not moved the alias yet.
    begun = (steps.known(REGISTERED) or {}).get("number")
    if past and not (past == [begun] and steps.known("finished") is None):
        raise ModelRefusedError(
            f"{name!r} has no champion, and version {past[-1]} was; restore it, or `cascade models promote` another."
        )
    known = {version.sha256 for version in registry.versions(name)} if registry.has(name) else set()
    before = registered_before(folder, folder / HOME)
    _refuse_unknown({digest: place for digest, place in before.items() if digest not in known}, name)


def _refuse_unknown(before: dict[str, str], name: str) -> None:
    if before:
        raise ModelRefusedError(
            f"the registry has lost a version of {name!r}, see `{next(iter(before.values()))}`; restore its database, "
            "or register and promote a version by hand."
        )


def _steps_from(home: Path, depends: list[Any], champion: ModelVersion | None) -> StoredSteps:
    return StoredSteps(home / key_of(depends, None if champion is None else champion.sha256))


def _champion_before(registry: ModelRegistry, current: ModelVersion) -> ModelVersion | None:
    number = previous(registry.champions(current.name), current.number)
    # That version may have been deleted since; the present champion is then all that a run can be compared with.
    known = {version.number: version for version in registry.versions(current.name)}
    return None if number is None else known.get(number)


def _rows_digest(data: Dataset, hashes: RowHashes) -> str:
    """Return a digest of every row with its labels and group."""
    assert data.Y is not None
    rows = labelled(hashes.keys, data.labels).tolist()
    return key_of(rows, hashes.groups.tolist(), list(data.label_names), data.feature_names)


def _refuse(findings: list[dict[str, Any]]) -> None:
    """Log the findings, and raise the most serious one if it is a refusal."""
    # Findings are sorted, so a refusal is first; it becomes the error and is not logged as well.
    refused = bool(findings) and findings[0]["answer"] == "refuse"
    for finding in findings[refused:]:
        logger.warning("%s: %s", finding["answer"], finding["sentence"])
    if refused:
        raise DataError(findings[0]["sentence"])


def _refuse_another(current: ModelVersion | None, before: ModelVersion | None, challenger: int) -> None:
    """Refuse to promote if another version became champion during the run: it was not compared with the challenger."""
    # The challenger itself is the champion if a killed run had promoted it already.
    known = (None if before is None else before.number, challenger)
    if (None if current is None else current.number) not in known:
        raise BusyError(f"`{current}` became champion meanwhile; start again to compare the challenger with it.")


def _result(
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
    """Return findings, drift, the table of reasons with the decision, and the place of the challenger as text."""
    findings = [f"{finding['answer']}: {finding['sentence']}" for finding in result["findings"]]
    drifted = [] if result["drift"] is None else result["drift"]["drifted"]
    findings += [f"drift, {one['verdict']}: {one['sentence']}" for one in drifted]
    # Promoted by that run, and replaced or rolled back since: the reader must not take it for the champion.
    replaced = result["answer"] == "promote" and not result["serves"]
    again = [f"it was finished before{'; another version serves now' * replaced}"] if result["was_finished"] else []
    where = f"challenger: models:/{result['name']}/{result['challenger']} from {result['version']}"
    return "\n".join([*findings, PromotionDecision.from_json(result["decision"]).table(), "", where, *again])
