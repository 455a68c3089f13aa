"""The steps of a retraining; each uses the results of the steps before it."""

from __future__ import annotations

import json
import logging
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cascade.config.schema import RunConfig
from cascade.data import Dataset
from cascade.data.rows import n_rows, spaced_rows, take
from cascade.drift import compare_profiles, profile_of
from cascade.errors import ModelRefusedError
from cascade.predictor import CascadePredictor
from cascade.registry import ModelRegistry
from cascade.registry.version import ModelVersion
from cascade.reports.html import training_data
from cascade.reports.report_text import report_table
from cascade.reports.verdict import verdict_text
from cascade.retraining.checks.validation import new_rows, validate_data
from cascade.retraining.decision.candidate import candidate
from cascade.retraining.decision.candidate_file import read_candidate, write_candidate
from cascade.retraining.decision.decision import PromotionDecision, decide, decide_first
from cascade.retraining.decision.speed import SpeedChange, measure_in_turns
from cascade.retraining.memory.arrivals import Arrivals
from cascade.retraining.memory.held_out import held_out_rows
from cascade.retraining.memory.record import TrainingRecord
from cascade.retraining.memory.remembered import DECISION
from cascade.retraining.memory.row_hashes import RowHashes

from . import fitted
from . import version as versions

logger = logging.getLogger("cascade.pipeline")

ARRIVALS = "arrivals.json"
TIMED_ROWS = 1000
"""Rows whose prediction is timed: enough for full batches, few enough that images are decoded in seconds."""
CHALLENGER, CHAMPION, SCORES = "challenger.npz", "champion.npz", "challenger-scores.npz"


@dataclass(frozen=True)
class Champion:
    """The version that serves, its model, and the record of its data."""

    version: ModelVersion
    predictor: CascadePredictor
    record: TrainingRecord


@dataclass(frozen=True)
class Retraining:
    """What the steps of a run have in common.

    Attributes
    ----------
    config : RunConfig
    hashes : RowHashes
        Of the data.
    champion : Champion or None
    testing : ndarray of int
        Held-out rows, on which both models are evaluated.
    findings : list of dict
        What is unusual about the data.
    drift : dict or None
        Differences of the new rows from those the champion was trained on.
    """

    config: RunConfig
    hashes: RowHashes
    champion: Champion | None
    testing: Any
    findings: list[dict[str, Any]]
    drift: dict[str, Any] | None

    @property
    def data(self) -> Dataset:
        """All rows."""
        return self.hashes.data

    @property
    def training(self) -> Any:
        """Rows to train on."""
        return np.setdiff1d(np.arange(len(self.data)), self.testing)

    @property
    def held_out(self) -> Dataset:
        """The rows of `testing`."""
        return self.data.part(self.testing)


def champion_of(registry: ModelRegistry, version: ModelVersion) -> Champion:
    """Return the model and the record of a version.

    Raises
    ------
    ModelRefusedError
        If the version has no record.
    """
    # Without a record, rows that the champion was trained on could be held out, which would favour it.
    record = versions.record_in(registry.files(str(version)))
    if record is None:
        raise ModelRefusedError(
            f"`{version}` has no {versions.RECORD} to check new data against; train and register a new version."
        )
    return Champion(version, CascadePredictor.load(registry.folder(str(version))), record)


def validate_step(config: RunConfig, hashes: RowHashes, champion: Champion | None, home: Path) -> dict[str, Any]:
    """Check the data and choose held-out rows; the folder `home` has the record of arrivals."""
    data, keys = hashes.data, hashes.keys
    arrivals = Arrivals.read(home / ARRIVALS).grown(keys)
    # Before the checks: rows that are refused now still arrived before those of the next run.
    arrivals.write(home / ARRIVALS)
    record, predictor = (None, None) if champion is None else (champion.record, champion.predictor)
    held = held_out_rows(data, record, config.data.test_size, config.seed, hashes)
    limits, options = config.retrain.limits.limits(), config.data
    findings = validate_data(
        data, held, record, predictor, limits, options.any_label, options.allow_missing, hashes, arrivals.of(keys)
    )
    return {"findings": [vars(finding) for finding in findings], "testing": np.flatnonzero(held).tolist()}


def compare_step(hashes: RowHashes, champion: Champion | None) -> dict[str, Any]:
    """Compare the profile of new rows with that of the rows the champion was trained on."""
    data = hashes.data
    # A model without a profile, such as one of an earlier release, cannot be compared with.
    profile = None if champion is None else champion.predictor.profile
    fresh = np.empty(0, np.intp) if champion is None else np.flatnonzero(new_rows(hashes.keys, champion.record))
    if champion is None or profile is None or not len(fresh):
        return {"drift": None}
    part = data.part(fresh)
    assert part.Y is not None
    # Prevalences are compared by column, so they need the same labels in the same order.
    same_labels = data.label_names == champion.predictor.label_names
    current = profile_of(
        part.X,
        part.labels.masked() if same_labels else None,
        part.groups,
        feature_names=data.feature_names,
        predictor=champion.predictor,
        like=profile,
    )
    report = compare_profiles(profile, current)
    for finding in report.drifted():
        logger.info("drift: %s", finding.sentence)
    return {"drift": report.to_json()}


def fit_step(job: Retraining, folder: Path) -> None:
    """Train, calibrate and certify the challenger, and save it to `folder`."""
    predictor = fitted.fit(job.config, job.data, job.training)
    versions.saving(job.config, predictor)(folder / "model")


def evaluate_step(job: Retraining, model: Path, folder: Path) -> None:
    """Predict the held-out rows with champion and challenger, and save the predictions to `folder`."""
    # From its folder, since a resumed run has no trained model in memory. It is judged in the runtime that will serve.
    timed = _predict(CascadePredictor.load(model), job.held_out, folder / CHALLENGER)
    # The scores are kept for the report, which needs more than the predictions.
    timed.save(folder / SCORES)
    if job.champion is not None:
        _predict(job.champion.predictor, job.held_out, folder / CHAMPION)


def _predict(predictor: CascadePredictor, data: Dataset, path: Path) -> fitted.TimedScores:
    timed = fitted.timed_scores(predictor, data)
    prediction = predictor.decide(timed.scores)
    write_candidate(path, candidate(predictor.label_names, prediction, data))
    return timed


def time_step(job: Retraining, model: Path) -> dict[str, Any]:
    """Measure champion and challenger in turns on a part of the held-out rows, if the policy limits a loss of speed."""
    if job.champion is None or job.config.retrain.promotion.speed is None:
        return {"speed": None}
    # Loaded before anything is measured, and apart from the step before, which a killed run may have completed.
    champion, challenger = job.champion.predictor, CascadePredictor.load(model)
    X = take(job.data.X, job.testing[spaced_rows(len(job.testing), TIMED_ROWS)])
    speed = measure_in_turns(lambda: champion.score(X), lambda: challenger.score(X), n_rows(X))
    return {"speed": asdict(speed)}


def judge_step(job: Retraining, evaluated: Path, timed: dict[str, Any]) -> PromotionDecision:
    """Decide by the policy of the config, from the predictions in the folder `evaluated` and the step `timed`."""
    challenger, groups = read_candidate(evaluated / CHALLENGER), job.held_out.groups
    policy = job.config.retrain.promotion.policy()
    # Findings of "ask" do not stop the training; here they keep the challenger from an automatic promotion.
    questions = [finding["sentence"] for finding in job.findings if finding["answer"] == "ask"]
    if job.champion is None:
        return decide_first(challenger, groups, policy, questions)
    rules = job.champion.predictor.rules
    any_label = None if rules.plan.any_index is None else rules.label_names[rules.plan.any_index]
    speed = None if timed["speed"] is None else SpeedChange(**timed["speed"])
    champion = read_candidate(evaluated / CHAMPION)
    return decide(champion, challenger, groups, policy, any_label, questions, speed)


def publish_step(job: Retraining, model: Path, evaluated: Path, decision: PromotionDecision, version: Path) -> Path:
    """Write the challenger as a version, with report, record and decision."""
    # The folder appears by a rename, so if it exists a killed run had completed it.
    if not version.exists():
        predictor = CascadePredictor.load(model)
        timed = fitted.TimedScores.load(evaluated / SCORES)
        report = fitted.report_on_held_out(predictor, timed, job.data, job.testing)
        facts = training_data(predictor, job.data, job.testing, timed.scores, report, decision.to_json())
        report |= {"decision": decision.to_json(), "findings": job.findings, "drift": job.drift}
        proba = read_candidate(evaluated / CHALLENGER).outcome.proba
        record = versions.record_text(predictor, job.data, job.testing, proba, job.hashes)
        texts = {
            versions.RECORD: record,
            DECISION: json.dumps(decision.to_json(), indent=2),
            versions.PAGE: versions.run_page(job.config, facts, version),
        }
        text = f"{report_table(report)}\n\n{verdict_text(report['verdict'])}\n\n{decision.table()}"
        # Copied as it was evaluated: saving it again would export and time its networks a second time.
        versions.publish(job.config, lambda place: shutil.copytree(model, place), report, text, version, texts=texts)
    return version
