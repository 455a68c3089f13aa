"""What the steps of a retraining do, each from what the ones before it found."""

from __future__ import annotations

import json
import logging
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cascade.config.schema import RunConfig
from cascade.data import Dataset
from cascade.drift import compare_profiles, profile_of
from cascade.errors import ModelRefusedError
from cascade.predictor import CascadePredictor
from cascade.registry import ModelRegistry
from cascade.registry.version import ModelVersion
from cascade.reports.html import training_data
from cascade.reports.report_text import table
from cascade.retraining.checks.validation import new_rows, validate_data
from cascade.retraining.decision.candidate import candidate
from cascade.retraining.decision.candidate_file import read_candidate, write_candidate
from cascade.retraining.decision.decision import PromotionDecision, decide, decide_first
from cascade.retraining.memory.arrivals import Arrivals
from cascade.retraining.memory.held_out import held_out_rows
from cascade.retraining.memory.record import TrainingRecord
from cascade.retraining.memory.row_hashes import RowHashes

from . import fitted
from . import version as versions

logger = logging.getLogger("cascade.pipeline")

ARRIVALS = "arrivals.json"
DECISION = "decision.json"
CHALLENGER, CHAMPION, SCORES = "challenger.npz", "champion.npz", "challenger-scores.npz"


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
    hashes : RowHashes
        Of the data.
    champion : Champion or None
    testing : ndarray of int
        Rows that both models are judged on.
    findings : list of dict
        What is odd about the data.
    drift : dict or None
        How far the new rows are from those the champion was trained on.
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
    """The model of a version, and what it remembers; refused where it remembers nothing."""
    record = versions.record_in(registry.files(str(version)))
    if record is None:
        raise ModelRefusedError(
            f"`{version}` has no {versions.RECORD} to check new data against; train and register it."
        )
    return Champion(version, CascadePredictor.load(registry.folder(str(version))), record)


def validate(config: RunConfig, hashes: RowHashes, champion: Champion | None, home: Path) -> dict[str, Any]:
    """What is odd about the data, and which rows both models are judged on; `home` knows which rows came together."""
    data, keys = hashes.data, hashes.keys
    arrivals = Arrivals.read(home / ARRIVALS).grown(keys)
    # Whatever is answered to them: rows that are refused now came before those of the next run.
    arrivals.write(home / ARRIVALS)
    record, predictor = (None, None) if champion is None else (champion.record, champion.predictor)
    held = held_out_rows(data, record, config.data.test_size, config.seed, hashes)
    limits, given = config.retrain.limits.limits(), config.data
    found = validate_data(
        data, held, record, predictor, limits, given.any_label, given.allow_missing, hashes, arrivals.of(keys)
    )
    return {"findings": [vars(finding) for finding in found], "testing": np.flatnonzero(held).tolist()}


def compare(hashes: RowHashes, champion: Champion | None) -> dict[str, Any]:
    """Profile of the rows that the champion has not seen, against that of the rows it was trained on."""
    data = hashes.data
    profile = None if champion is None else champion.predictor.profile
    fresh = np.empty(0, np.intp) if champion is None else np.flatnonzero(new_rows(hashes.keys, champion.record))
    if champion is None or profile is None or not len(fresh):
        return {"drift": None}
    part = data.part(fresh)
    assert part.Y is not None
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


def fit(job: Retraining, folder: Path) -> None:
    """Train, calibrate and certify the challenger."""
    predictor = fitted.fit(job.config, job.data, job.training)
    versions.saving(job.config, predictor)(folder / "model")


def evaluate(job: Retraining, model: Path, folder: Path) -> None:
    """Score the held-out rows with champion and challenger."""
    found = _evaluated(CascadePredictor.load(model), job.held_out, folder / CHALLENGER)
    found.save(folder / SCORES)
    if job.champion is not None:
        _evaluated(job.champion.predictor, job.held_out, folder / CHAMPION)


def _evaluated(predictor: CascadePredictor, data: Dataset, path: Path) -> fitted.TimedScores:
    found = fitted.timed_scores(predictor, data)
    prediction = predictor.decide(found.scores)
    write_candidate(path, candidate(predictor.label_names, prediction, data, found.rows_per_second))
    return found


def judge(job: Retraining, answers: Path) -> PromotionDecision:
    """Decide by the policy of the config."""
    challenger, groups = read_candidate(answers / CHALLENGER), job.held_out.groups
    policy = job.config.retrain.promotion.policy()
    asked = [finding["sentence"] for finding in job.findings if finding["answer"] == "ask"]
    if job.champion is None:
        return decide_first(challenger, groups, policy, asked)
    rules = job.champion.predictor.rules
    any_label = None if rules.plan.any_index is None else rules.label_names[rules.plan.any_index]
    return decide(read_candidate(answers / CHAMPION), challenger, groups, policy, any_label, asked)


def publish(job: Retraining, model: Path, answers: Path, decision: PromotionDecision, version: Path) -> Path:
    """Write the challenger as a version, with report, record and decision."""
    if not version.exists():
        predictor = CascadePredictor.load(model)
        found = fitted.TimedScores.load(answers / SCORES)
        report = fitted.report_on_held_out(predictor, found, job.data, job.testing)
        facts = training_data(predictor, job.data, job.testing, found.scores, report, decision.to_json())
        report |= {"decision": decision.to_json(), "findings": job.findings, "drift": job.drift}
        proba = read_candidate(answers / CHALLENGER).outcome.proba
        record = versions.remembered_rows(job.data, job.testing, proba, job.hashes)
        texts = {
            versions.RECORD: record,
            DECISION: json.dumps(decision.to_json(), indent=2),
            versions.PAGE: versions.laid_out(job.config, facts, version),
        }
        text = f"{table(report)}\n\n{decision.table()}"
        versions.publish(job.config, lambda place: shutil.copytree(model, place), report, text, version, texts=texts)
    return version
