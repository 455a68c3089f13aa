"""Fit a cascade, score held-out rows and report on them."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cascade.config.build import build_cascade
from cascade.config.schema import RunConfig
from cascade.data import Dataset
from cascade.predictor import CascadePredictor
from cascade.reports.report import evaluate
from cascade.rules.rules import Scores

from .progress import StageBars
from .run_data import remembered


@dataclass(frozen=True)
class TimedScores:
    """Scores of some rows, and the rate at which they were computed.

    Attributes
    ----------
    scores : Scores
    rows_per_second : float
    """

    scores: Scores
    rows_per_second: float

    def save(self, path: Path) -> None:
        """Write a `.npz` file of arrays."""
        own = self.scores
        np.savez(path, gate_z=own.gate_z, passed=own.passed, labeler_z=own.labeler_z, rate=self.rows_per_second)

    @classmethod
    def load(cls, path: Path) -> TimedScores:
        """Read what `save` wrote."""
        with np.load(path, allow_pickle=False) as held:
            return cls(Scores(held["gate_z"], held["passed"], held["labeler_z"]), float(held["rate"]))


def fit(config: RunConfig, data: Dataset, training: Any) -> CascadePredictor:
    """Fit gate, labeler and rules on some rows; calibration and certificate are part of it."""
    part = data.part(training)
    assert part.Y is not None
    model = build_cascade(config, data).fit(part.X, part.labels.masked(), groups=part.groups)
    predictor: CascadePredictor = model.predictor_
    return predictor.described(data.feature_names, *remembered(config, data))


def timed_scores(predictor: CascadePredictor, data: Dataset) -> TimedScores:
    """Score all rows of `data`, with progress bars."""
    started = time.monotonic()
    scores = predictor.score(data.X, progress=StageBars())
    return TimedScores(scores, len(data) / (time.monotonic() - started))


def report_on(predictor: CascadePredictor, found: TimedScores, data: Dataset) -> dict[str, Any]:
    """Report on labelled rows that were scored."""
    assert data.Y is not None
    report = evaluate(predictor, found.scores, data.labels, data.groups)
    report["overall"]["rows_per_second"] = found.rows_per_second
    return report


def report_on_held_out(predictor: CascadePredictor, found: TimedScores, data: Dataset, testing: Any) -> dict[str, Any]:
    """Report on the rows `testing` of the data that a cascade was trained on."""
    report = report_on(predictor, found, data.part(testing))
    report["natural_prevalence"] = data.natural_prevalence
    report["certificate"] = None if predictor.certificate is None else predictor.certificate.to_json()
    return report
