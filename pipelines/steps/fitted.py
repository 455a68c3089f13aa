"""Fit a cascade, score held-out rows and report on them."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, fields
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
    """Scores of rows, and the rate at which they were computed.

    Attributes
    ----------
    scores : Scores
    rows_per_second : float
    """

    scores: Scores
    rows_per_second: float

    def save(self, path: Path) -> None:
        """Write a `.npz` file of arrays."""
        np.savez(path, **asdict(self.scores), rate=self.rows_per_second)

    @classmethod
    def load(cls, path: Path) -> TimedScores:
        """Read what `save` wrote."""
        with np.load(path, allow_pickle=False) as arrays:
            return cls(Scores(**{field.name: arrays[field.name] for field in fields(Scores)}), float(arrays["rate"]))


def fit(config: RunConfig, data: Dataset, training: Any) -> CascadePredictor:
    """Fit gate, labeler and rules on the rows `training`, with calibration and certificate."""
    part = data.part(training)
    assert part.Y is not None
    # All data and not only the part: a missing feature in a held-out row must be refused before the training too.
    model = build_cascade(config, data).fit(part.X, part.labels.masked(), groups=part.groups)
    predictor: CascadePredictor = model.predictor_
    return predictor.described(data.feature_names, *remembered(config, data))


def timed_scores(predictor: CascadePredictor, data: Dataset) -> TimedScores:
    """Score all rows of `data`, with progress bars."""
    started = time.monotonic()
    scores = predictor.score(data.X, progress=StageBars())
    return TimedScores(scores, len(data) / (time.monotonic() - started))


def report_on(predictor: CascadePredictor, timed: TimedScores, data: Dataset) -> dict[str, Any]:
    """Return the report on labelled rows that were scored."""
    assert data.Y is not None
    report = evaluate(predictor, timed.scores, data.labels, data.groups)
    report["overall"]["rows_per_second"] = timed.rows_per_second
    return report


def report_on_held_out(predictor: CascadePredictor, timed: TimedScores, data: Dataset, testing: Any) -> dict[str, Any]:
    """Return the report on the held-out rows `testing` of a training run's data."""
    report = report_on(predictor, timed, data.part(testing))
    # Facts of the run that the scores do not have: figures on raised prevalences must be read as such.
    report["natural_prevalence"] = data.natural_prevalence
    report["certificate"] = None if predictor.certificate is None else predictor.certificate.to_json()
    report["gate_costs"] = predictor.provenance.get("gate_costs")
    return report
