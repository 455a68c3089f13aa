"""Write a trained model as a new version."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import yaml

from cascade.config.schema import RunConfig
from cascade.data import Dataset
from cascade.errors import CascadeError
from cascade.predictor import CascadePredictor
from cascade.reports.html import page
from cascade.reports.model_card import model_card
from cascade.retraining.memory.record import TrainingRecord, record_of
from cascade.retraining.memory.row_hashes import RowHashes
from cascade.store.manifest import NAME as MANIFEST
from cascade.utils.atomic import new_folder
from cascade.utils.environment import environment
from cascade.utils.plain_json import to_json

RECORD = "training-record.json"
PAGE = "report.html"
CARD = "MODEL_CARD.md"
UNREPORTED = ".unreported"
"""Folder of models whose report failed; the dot keeps it out of the list of versions."""

logger = logging.getLogger("cascade.pipeline")


def new_version() -> str:
    """Return the name of a new version: the time in UTC."""
    # Fixed width down to microseconds, so that the order of names is that of time.
    return datetime.now(UTC).strftime("%Y%m%dT%H%M%S%fZ")


def record_in(folder: Path) -> TrainingRecord | None:
    """Return the record of a version's data, or None if the version has none."""
    path = folder / RECORD
    return TrainingRecord.from_json(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else None


def record_text(
    predictor: CascadePredictor, data: Dataset, testing: Any, proba: Any, hashes: RowHashes | None = None
) -> str:
    """Return the record of a model's data as JSON, for a later challenger; `proba` is of the rows `testing`."""
    held = np.zeros(len(data), dtype=bool)
    held[testing] = True
    return json.dumps(record_of(data, held, proba, hashes, predictor.agreement).to_json())


def saving(config: RunConfig, predictor: Any) -> Callable[[Path], None]:
    """Return the function that saves a trained model, with its networks exported to the config's runtimes."""
    return lambda folder: predictor.save(folder, config.exported_to())


@contextmanager
def kept_on_error(config: RunConfig, predictor: Any, folder: Path) -> Iterator[None]:
    """Save a trained model beside the versions if its report, its page or its figures fail, and raise their error.

    Parameters
    ----------
    config : RunConfig
    predictor : CascadePredictor or ManyLabelPredictor
    folder : path
        Folder of the version that could not be written; the model is kept in `.unreported` beside it.
    """
    try:
        yield
    except Exception:
        place = folder.parent / UNREPORTED / folder.name
        # The first error is the one to see; a full disk may well raise a second one here.
        try:
            with new_folder(place) as temporary:
                saving(config, predictor)(temporary / "model")
            logger.error("the report failed; the trained model is kept in `%s`", place / "model")
        except (OSError, CascadeError) as error:
            logger.error("the report failed, and the trained model could not be kept: %s", error)
        raise


def run_page(config: RunConfig, facts: Mapping[str, Any], version: Path) -> str:
    """Return the HTML page of a run."""
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
    # All files in one rename: a version is complete, or it does not exist.
    with new_folder(version) as folder:
        save_model(folder / "model")
        # With all defaults, so that a later release with other defaults would train the same model.
        resolved, packages = config.model_dump(mode="json"), environment()
        (folder / "config.yaml").write_text(yaml.safe_dump(resolved, sort_keys=False), encoding="utf-8")
        (folder / "environment.json").write_text(json.dumps(packages, indent=2) + "\n", encoding="utf-8")
        (folder / "report.json").write_text(to_json(report, indent=2) + "\n", encoding="utf-8")
        (folder / "report.txt").write_text(text + "\n", encoding="utf-8")
        manifest = json.loads((folder / "model" / MANIFEST).read_text(encoding="utf-8"))
        card = model_card(version.name, resolved, report, manifest, packages)
        for name, content in {CARD: card, **texts}.items():
            (folder / name).write_text(content + "\n", encoding="utf-8")
        for name, figure in plots.items():
            figure.savefig(folder / name, dpi=120)
    return version
