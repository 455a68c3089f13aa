"""Train a cascade from a config, evaluate it on held-out groups, publish it as a version."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import yaml

from cascade.config.build import build_cascade
from cascade.config.schema import RunConfig
from cascade.data import Dataset, read_data
from cascade.data.missing import masked
from cascade.data.readers.columns import Roles
from cascade.data.readers.pixels import PixelOptions
from cascade.data.splits import grouped_holdout
from cascade.errors import DataError
from cascade.lint.leakage import label_like_features
from cascade.predictor import CascadePredictor
from cascade.reports.html import page, training_data
from cascade.reports.report import evaluate, table
from cascade.retraining.memory.record import TrainingRecord, record_of
from cascade.rules.rules import Scores
from cascade.store import Exporter
from cascade.utils.atomic import new_folder
from cascade.utils.environment import environment
from pipelines.steps.progress import StageBars
from pipelines.steps.tables import check_columns

logger = logging.getLogger("cascade.pipeline")

RECORD = "training-record.json"
FEWEST_GROUPS = 3
MOST_LISTED = 12
PAGE = "report.html"


def run(config: RunConfig, models: Path) -> tuple[Path, dict[str, Any]]:
    """Train and publish; return the version's folder and its report."""
    started = time.monotonic()
    data = load(config).with_dense_labels()
    # An output that cannot be written must not be found out after the training.
    (models / config.name).mkdir(parents=True, exist_ok=True)
    Exporter(config.exported_to())
    training, testing = split(config, data)
    predictor = fit(config, data, training)
    fitted = time.monotonic()
    scores, rate = scored(predictor, data.part(testing))
    report = reported(predictor, scores, rate, data, testing)
    report["seconds"] = {"training": fitted - started, "evaluation": time.monotonic() - fitted}
    record = remembered_rows(data, testing, predictor.decide(scores).proba)
    folder = models / config.name / new_version()
    shown = laid_out(config, training_data(predictor, data, testing, scores, report), folder)
    save = saving(config, predictor)
    return publish(config, save, report, table(report), folder, texts={RECORD: record, PAGE: shown}), report


def new_version() -> str:
    """Name of a version: the time."""
    return datetime.now(UTC).strftime("%Y%m%dT%H%M%S%fZ")


def roles_of(config: RunConfig) -> Roles:
    """Column roles as the config gives them."""
    given = config.data
    labels = None if given.labels is None else tuple(given.labels)
    pixels = PixelOptions.of(given.windows, given.image_size)
    return Roles(
        labels, given.group, given.id, given.label_file, given.allow_missing, given.missing_labels, pixels=pixels
    )


def load(config: RunConfig) -> Dataset:
    """Read the data that a config names, and tell what was understood of it."""
    data = read_data(config.data.path, roles_of(config))
    check_columns(data.label_names)
    n_groups = len(np.unique(data.groups)) if data.groups is not None else len(data)
    logger.info(
        "data: %d rows, %d labels, %d groups from %s", len(data), len(data.label_names), n_groups, config.data.path
    )
    if data.feature_names is not None and data.Y is not None:
        logger.info("features: %s", _listed(data.feature_names))
        for sentence in label_like_features(data.X, data.feature_names, data.Y, data.label_names):
            logger.warning("%s: was it made from the labels? Name it in `data.labels`, or take it out.", sentence)
    logger.info("labels: %s; group: %s", _listed(data.label_names), "none" if data.groups is None else "given")
    if n_groups < FEWEST_GROUPS:
        raise DataError(
            f"`{config.data.path}` must hold at least {FEWEST_GROUPS} groups, for fitting, calibration and test. "
            f"Received {n_groups}."
        )
    if not data.natural_prevalence:
        logger.warning("data: rare combinations were raised above their natural share; probabilities follow the data")
    return data


def _listed(names: tuple[str, ...]) -> str:
    more = f" and {len(names) - MOST_LISTED} more" if len(names) > MOST_LISTED else ""
    return f"{len(names)} ({', '.join(names[:MOST_LISTED])}{more})"


def split(config: RunConfig, data: Dataset) -> tuple[Any, Any]:
    """Rows to train on and rows to test on, in whole groups."""
    assert data.Y is not None
    held = grouped_holdout(data.Y, data.groups, config.data.test_size, config.seed + 1)
    return np.flatnonzero(~held), np.flatnonzero(held)


def fit(config: RunConfig, data: Dataset, training: Any) -> CascadePredictor:
    """Fit gate, labeler and rules on some rows; calibration and certificate are part of it."""
    part = data.part(training)
    assert part.Y is not None
    model = build_cascade(config, data).fit(part.X, masked(part.Y, part.known), groups=part.groups)
    predictor: CascadePredictor = model.predictor_
    return predictor.described(data.feature_names, *remembered(config, data))


def remembered(config: RunConfig, data: Dataset) -> tuple[dict[str, str | None], dict[str, Any] | None]:
    """What a model keeps of how its data was read: columns, and how images or DICOM slices became pixels."""
    pixels = None if data.pixels is None else data.pixels.to_json()
    return {"group": config.data.group, "id": config.data.id}, pixels


def scored(predictor: CascadePredictor, data: Dataset) -> tuple[Scores, float]:
    """What both models say of some rows, and of how many a second."""
    started = time.monotonic()
    scores = predictor.score(data.X, progress=StageBars())
    return scores, len(data) / (time.monotonic() - started)


def record_in(folder: Path) -> TrainingRecord | None:
    """What a version remembers of its rows; None where it remembers nothing."""
    path = folder / RECORD
    return TrainingRecord.from_json(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else None


def remembered_rows(data: Dataset, testing: Any, proba: Any) -> str:
    """What a later challenger must know of the rows of this model: which they were, and how it agreed with them."""
    held = np.zeros(len(data), dtype=bool)
    held[testing] = True
    return json.dumps(record_of(data, held, proba).to_json())


def reported(predictor: CascadePredictor, scores: Scores, rate: float, data: Dataset, testing: Any) -> dict[str, Any]:
    """Report on held-out rows of the data that a cascade was trained on."""
    part = data.part(testing)
    assert part.Y is not None
    report = evaluate(predictor, scores, part.Y, part.groups, known=part.known)
    report["overall"]["rows_per_second"] = rate
    report["natural_prevalence"] = data.natural_prevalence
    report["certificate"] = None if predictor.certificate is None else predictor.certificate.to_json()
    return report


def saving(config: RunConfig, predictor: Any) -> Callable[[Path], None]:
    """How a trained model is saved: with its networks exported as the config asks."""
    return lambda folder: predictor.save(folder, config.exported_to())


def laid_out(config: RunConfig, facts: Mapping[str, Any], version: Path) -> str:
    """The page of a run."""
    now = datetime.now(UTC)
    return page(facts, f"{config.name}: training report", f"{now:%d %B %Y, %H:%M} UTC, version {version.name}")


def publish(
    config: RunConfig,
    save_model: Callable[[Path], object],
    report: dict[str, Any],
    text: str,
    version: Path,
    plots: Mapping[str, Any] = MappingProxyType({}),
    texts: Mapping[str, str] = MappingProxyType({}),
) -> Path:
    """Write model, config, report, figures and further texts by file name as a new version; return its folder."""
    with new_folder(version) as folder:
        save_model(folder / "model")
        resolved = yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False)
        (folder / "config.yaml").write_text(resolved, encoding="utf-8")
        (folder / "environment.json").write_text(json.dumps(environment(), indent=2) + "\n", encoding="utf-8")
        (folder / "report.json").write_text(json.dumps(report, indent=2, allow_nan=False) + "\n", encoding="utf-8")
        (folder / "report.txt").write_text(text + "\n", encoding="utf-8")
        for name, content in texts.items():
            (folder / name).write_text(content + "\n", encoding="utf-8")
        for name, figure in plots.items():
            figure.savefig(folder / name, dpi=120)
    return version


def proven(report: dict[str, Any]) -> str:
    """What the report's certificate says, to print below its table; empty where none was asked for."""
    from cascade.rules.thresholds.certificate import Certificate

    if report["certificate"] is None:
        return ""
    certificate = Certificate.from_json(report["certificate"])
    return f"\n\n{certificate.table()}\n\n{certificate.statement()}"
