"""Fit a cascade, score held-out rows and report on them."""

from __future__ import annotations

import time
from typing import Any

from cascade.config.build import build_cascade
from cascade.config.schema import RunConfig
from cascade.data import Dataset
from cascade.data.missing import masked
from cascade.predictor import CascadePredictor
from cascade.reports.report import evaluate
from cascade.rules.rules import Scores

from .progress import StageBars
from .run_data import remembered


def fit(config: RunConfig, data: Dataset, training: Any) -> CascadePredictor:
    """Fit gate, labeler and rules on some rows; calibration and certificate are part of it."""
    part = data.part(training)
    assert part.Y is not None
    model = build_cascade(config, data).fit(part.X, masked(part.Y, part.known), groups=part.groups)
    predictor: CascadePredictor = model.predictor_
    return predictor.described(data.feature_names, *remembered(config, data))


def scored(predictor: CascadePredictor, data: Dataset) -> tuple[Scores, float]:
    """What both models say of some rows, and of how many a second."""
    started = time.monotonic()
    scores = predictor.score(data.X, progress=StageBars())
    return scores, len(data) / (time.monotonic() - started)


def reported(predictor: CascadePredictor, scores: Scores, rate: float, data: Dataset, testing: Any) -> dict[str, Any]:
    """Report on held-out rows of the data that a cascade was trained on."""
    part = data.part(testing)
    assert part.Y is not None
    report = evaluate(predictor, scores, part.Y, part.groups, known=part.known)
    report["overall"]["rows_per_second"] = rate
    report["natural_prevalence"] = data.natural_prevalence
    report["certificate"] = None if predictor.certificate is None else predictor.certificate.to_json()
    return report
