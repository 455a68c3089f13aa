"""Train a cascade from a config, evaluate it on held-out groups, and publish it as a version."""

from __future__ import annotations

import logging
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

from cascade.config.build import with_defaults
from cascade.config.schema import RunConfig
from cascade.data import Dataset
from cascade.reports.flat_table import flat_text
from cascade.reports.html import training_data
from cascade.reports.report import report_table
from cascade.reports.verdict import verdict, verdict_text
from cascade.store import Exporter

from .steps.fitted import fit, report_on_held_out, timed_scores
from .steps.flat_baseline import against_flat
from .steps.progress import step_bars
from .steps.resuming import resumed
from .steps.run_data import cached, load, split
from .steps.version import PAGE, RECORD, kept_on_error, new_version, publish, record_text, run_page, saving

logger = logging.getLogger("cascade.pipeline")


@step_bars()
def run(config: RunConfig, models: Path, fresh: bool = False) -> tuple[Path, dict[str, Any]]:
    """Train and publish; return the folder of the version and its report.

    Networks of a killed run with the same config, data and code are trained further, unless `fresh`.
    """
    started = time.monotonic()
    data = load(config).with_dense_labels()
    # Before the config is published: a later release may have other defaults.
    config = with_defaults(config, data)
    data = cached(config, data, models)
    # A folder that cannot be written and a runtime that is not installed are errors now, not after the training.
    (models / config.name).mkdir(parents=True, exist_ok=True)
    Exporter(config.exported_to())
    with resumed(config, data, models, fresh):
        return _trained(config, data, models, started)


def _trained(config: RunConfig, data: Dataset, models: Path, started: float) -> tuple[Path, dict[str, Any]]:
    training, testing = split(config, data)
    predictor = fit(config, data, training)
    fitted = time.monotonic()
    folder = models / config.name / new_version()
    with kept_on_error(config, predictor, folder):
        timed = timed_scores(predictor, data.part(testing))
        report = report_on_held_out(predictor, timed, data, testing)
        report["seconds"] = {"training": fitted - started, "evaluation": time.monotonic() - fitted}
        with tempfile.TemporaryDirectory() as temporary:
            # Saved before it is published: the comparison times the exported networks, and exporting twice takes
            # minutes.
            model = Path(temporary) / "model"
            saving(config, predictor)(model)
            if config.flat_baseline:
                report["flat"] = against_flat(config, data, (training, testing), predictor, timed, model)
                report["verdict"] = verdict(report)
            # Report, record and page are all made from one scoring of the held-out rows.
            record = record_text(predictor, data, testing, predictor.decide(timed.scores).proba)
            html = run_page(config, training_data(predictor, data, testing, timed.scores, report), folder)
            texts = {RECORD: record, PAGE: html}
            publish(config, lambda place: shutil.copytree(model, place), report, text(report), folder, texts=texts)
    return folder, report


def text(report: dict[str, Any]) -> str:
    """Return a report as text that ends with its verdict."""
    return f"{figures(report)}\n\n{verdict_text(report['verdict'])}"


def figures(report: dict[str, Any]) -> str:
    """Return the figures of a report as text: its tables, the flat model and the certificate, where there is one."""
    return f"{report_table(report)}{beside_flat(report)}{proven(report)}"


def beside_flat(report: dict[str, Any]) -> str:
    """Return the table of cascade and flat model to print below others; empty without a flat model."""
    flat = report.get("flat")
    return "" if flat is None or "error" in flat else f"\n\n{flat_text(flat)}"


def proven(report: dict[str, Any]) -> str:
    """Return the report's certificate as text to print below its table; empty without a `gate_policy`."""
    from cascade.rules.thresholds.certificate import Certificate

    if report["certificate"] is None:
        return ""
    certificate = Certificate.from_json(report["certificate"])
    return f"\n\n{certificate.table()}\n\n{certificate.statement()}"
