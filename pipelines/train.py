"""Train a cascade from a config, evaluate it on held-out groups, publish it as a version."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import yaml

from cascade.building import build_cascade
from cascade.config import RunConfig
from cascade.data import Dataset, read_data
from cascade.data.columns import Roles
from cascade.data.pixels import PixelOptions
from cascade.environment import environment
from cascade.errors import DataError
from cascade.leakage import label_like_features
from cascade.missing import masked
from cascade.predictor import CascadePredictor
from cascade.publish import new_folder
from cascade.report import evaluate, table
from cascade.splits import grouped_holdout
from cascade.store import Exporter
from pipelines.progress import StageBars
from pipelines.tables import check_columns

logger = logging.getLogger("cascade.pipeline")

FEWEST_GROUPS = 3
MOST_LISTED = 12


def run(config: RunConfig, models: Path) -> tuple[Path, dict[str, Any]]:
    """Train and publish; return the version's folder and its report."""
    started = time.monotonic()
    data = load(config).with_dense_labels()
    # An output that cannot be written must not be found out after the training.
    (models / config.name).mkdir(parents=True, exist_ok=True)
    Exporter(config.exported_to())
    training, testing = split(config, data)
    predictor = _fit(config, data, training)
    fitted = time.monotonic()
    report = _evaluate(predictor, data.part(testing))
    report["seconds"] = {"training": fitted - started, "evaluation": time.monotonic() - fitted}
    report["natural_prevalence"] = data.natural_prevalence
    report["certificate"] = None if predictor.certificate is None else predictor.certificate.to_json()
    version = publish(config, predictor, report, table(report), models)
    return version, report


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


def _fit(config: RunConfig, data: Dataset, training: Any) -> CascadePredictor:
    part = data.part(training)
    assert part.Y is not None
    model = build_cascade(config, data).fit(part.X, masked(part.Y, part.known), groups=part.groups)
    predictor: CascadePredictor = model.predictor_
    return predictor.described(data.feature_names, *remembered(config, data))


def remembered(config: RunConfig, data: Dataset) -> tuple[dict[str, str | None], dict[str, Any] | None]:
    """What a model keeps of how its data was read: columns, and how images or DICOM slices became pixels."""
    pixels = None if data.pixels is None else data.pixels.to_json()
    return {"group": config.data.group, "id": config.data.id}, pixels


def _evaluate(predictor: CascadePredictor, data: Dataset) -> dict[str, Any]:
    started = time.monotonic()
    scores = predictor.score(data.X, progress=StageBars())
    rate = len(data) / (time.monotonic() - started)
    assert data.Y is not None
    report = evaluate(predictor, scores, data.Y, data.groups, known=data.known)
    report["overall"]["rows_per_second"] = rate
    return report


def publish(
    config: RunConfig,
    predictor: Any,
    report: dict[str, Any],
    text: str,
    models: Path,
    plots: Mapping[str, Any] = MappingProxyType({}),
) -> Path:
    """Write model, config, report and figures as a new version; return its folder."""
    version = models / config.name / datetime.now(UTC).strftime("%Y%m%dT%H%M%S%fZ")
    with new_folder(version) as folder:
        predictor.save(folder / "model", config.exported_to())
        resolved = yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False)
        (folder / "config.yaml").write_text(resolved, encoding="utf-8")
        (folder / "environment.json").write_text(json.dumps(environment(), indent=2) + "\n", encoding="utf-8")
        (folder / "report.json").write_text(json.dumps(report, indent=2, allow_nan=False) + "\n", encoding="utf-8")
        (folder / "report.txt").write_text(text + "\n", encoding="utf-8")
        for name, figure in plots.items():
            figure.savefig(folder / name, dpi=120)
    return version


def proven(report: dict[str, Any]) -> str:
    """What the report's certificate says, to print below its table; empty where none was asked for."""
    from cascade.certificate import Certificate

    if report["certificate"] is None:
        return ""
    certificate = Certificate.from_json(report["certificate"])
    return f"\n\n{certificate.table()}\n\n{certificate.statement()}"
