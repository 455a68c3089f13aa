"""Train a cascade from a config, evaluate it on held-out groups, publish it as a version."""

from __future__ import annotations

import logging
import time
from pathlib import Path
from typing import Any

from cascade.config.schema import RunConfig
from cascade.reports.html import training_data
from cascade.reports.report import table
from cascade.store import Exporter

from .steps.fitted import fit, report_on_held_out, timed_scores
from .steps.run_data import load, split
from .steps.version import PAGE, RECORD, laid_out, new_version, publish, remembered_rows, saving

logger = logging.getLogger("cascade.pipeline")


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
    found = timed_scores(predictor, data.part(testing))
    report = report_on_held_out(predictor, found, data, testing)
    report["seconds"] = {"training": fitted - started, "evaluation": time.monotonic() - fitted}
    record = remembered_rows(data, testing, predictor.decide(found.scores).proba)
    folder = models / config.name / new_version()
    shown = laid_out(config, training_data(predictor, data, testing, found.scores, report), folder)
    save = saving(config, predictor)
    return publish(config, save, report, table(report), folder, texts={RECORD: record, PAGE: shown}), report


def proven(report: dict[str, Any]) -> str:
    """What the report's certificate says, to print below its table; empty where none was asked for."""
    from cascade.rules.thresholds.certificate import Certificate

    if report["certificate"] is None:
        return ""
    certificate = Certificate.from_json(report["certificate"])
    return f"\n\n{certificate.table()}\n\n{certificate.statement()}"
