"""Train a many-label model from a config, evaluate it on held-out groups, and publish it as a version."""

from __future__ import annotations

import logging
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from cascade.config.build import build_many_labels
from cascade.config.schema import ManyLabelsConfig, RunConfig
from cascade.data import Dataset
from cascade.errors import DataError
from cascade.many_labels.predictor import ManyLabelPredictor
from cascade.many_labels.report import evaluate_many, many_table
from cascade.reports.html import many_labels_data
from cascade.store import Exporter

from .steps.progress import StageBars, step_bars
from .steps.resuming import resumed
from .steps.run_data import cached, load, remembered, split
from .steps.version import PAGE, kept_on_error, new_version, publish, run_page, saving

logger = logging.getLogger("cascade.pipeline")


@step_bars()
def run(config: RunConfig, part: ManyLabelsConfig, models: Path, fresh: bool = False) -> tuple[Path, dict[str, Any]]:
    """Train and publish the model of a config's part `flat`; return the folder of the version and its report.

    The network of a killed run with the same config, data and code is trained further, unless `fresh`.
    """
    started = time.monotonic()
    # Labels stay sparse: a dense array of rows x labels may not fit into memory.
    data = cached(config, load(config), models)
    # A folder that cannot be written and a runtime that is not installed are errors now, not after the training.
    (models / config.name).mkdir(parents=True, exist_ok=True)
    Exporter(config.exported_to())
    with resumed(config, data, models, fresh):
        return _trained(config, part, data, models, started)


def _trained(
    config: RunConfig, part: ManyLabelsConfig, data: Dataset, models: Path, started: float
) -> tuple[Path, dict[str, Any]]:
    training, testing = split(config, data)
    predictor = _fit(config, part, data, training)
    fitted = time.monotonic()
    folder = models / config.name / new_version()
    with kept_on_error(config, predictor, folder):
        # Propensities are defined by the prevalence in training, not by that of the held-out rows.
        report = evaluate(predictor, data.part(testing), _shares(data, training))
        report["seconds"] = {"training": fitted - started, "evaluation": time.monotonic() - fitted}
        html = run_page(config, many_labels_data(report, data, testing), folder)
        version = publish(
            config,
            saving(config, predictor),
            report,
            many_table(report),
            folder,
            plots_of(report),
            {PAGE: html},
        )
    return version, report


def plots_of(report: dict[str, Any]) -> dict[str, Any]:
    """Return figures by file name; none if matplotlib is not installed."""
    if find_spec("matplotlib") is None:
        logger.info("plots: none, matplotlib is not installed (extra `plots`)")
        return {}
    from cascade.plots import plot_counts

    return {"counts.png": plot_counts(report["labels"]).figure}


def evaluate(predictor: ManyLabelPredictor, data: Dataset, label_share: Any = None) -> dict[str, Any]:
    """Return the report on labelled rows, with the rows scored per second."""
    if data.known is not None:
        raise DataError("the many-label model must be evaluated on labels that are all known. Received missing ones.")
    bars, started = StageBars(), time.monotonic()
    report = evaluate_many(predictor, data.X, data.Y, label_share, lambda done, total: bars("rows", done, total))
    report["overall"]["rows_per_second"] = len(data) / (time.monotonic() - started)
    return report


def _fit(config: RunConfig, part: ManyLabelsConfig, data: Dataset, training: Any) -> ManyLabelPredictor:
    rows = data.part(training)
    assert rows.Y is not None
    model = build_many_labels(config, part, data).fit(rows.X, rows.labels.masked(), groups=rows.groups)
    predictor: ManyLabelPredictor = model.predictor_
    return predictor.described(data.feature_names, *remembered(config, data))


def _shares(data: Dataset, training: Any) -> Any:
    assert data.Y is not None
    # The sum of a sparse matrix has two dimensions, that of an array has one.
    return np.asarray(data.Y[training].sum(axis=0), dtype=np.float64).ravel() / len(training)
