"""Compare cascades with a cheap gate with flat models of the same labeler network, on the phantom.

    cascade phantom data/phantom
    python benchmarks/cheap_gate.py data/phantom --seeds 3

Per seed, all models are fitted on the same rows and predict the same held-out patients:

    flat           the labeler network of configs/phantom-multilabel.yaml on every row, with Platt calibration
    cascade        that config: a gate 16 wide at 32 pixels, and the network behind it
    wide cascade   the same gate, and a labeler 36 wide behind it: about the arithmetic of the flat model

Printed are the macro average precision of all six labels and the log loss, their differences to the flat model with a
paired 95 % interval over patients, the share of rows past the gate, the arithmetic and the measured time per row as
shares of the flat model's, both in LiteRT on one thread, and the seconds of the fit. The last lines pool the held-out
patients of all seeds. A seed takes about 8 minutes on two cores.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cascade import CascadeClassifier, CascadePredictor
from cascade.comparison.shared_fit import SharedFit, sharing_fits
from cascade.config.build import build_cascade
from cascade.config.yaml_file import load_config
from cascade.data import Dataset, read_data
from cascade.data.splits import group_numbers, grouped_holdout
from cascade.metrics import AVERAGE_PRECISION, LOG_LOSS, Outcome, macro
from cascade.metrics.bootstrap import paired_difference
from cascade.metrics.operations import operations_per_row

METRICS = {"AP": macro(AVERAGE_PRECISION), "log loss": macro(LOG_LOSS)}
CONFIG = Path(__file__).parents[1] / "configs/phantom-multilabel.yaml"
DRAWS = 1000
WIDE = 36
TIMED_ROWS = 4096
ROUNDS = 9


@dataclass(frozen=True)
class Answer:
    """What a fitted model predicts, and what a row costs."""

    outcome: Outcome
    operations: float
    predictor: CascadePredictor


def models(data: Dataset, seed: int) -> dict[str, CascadeClassifier]:
    """Return the unfitted models by name, the flat one first."""
    config = load_config(CONFIG)
    cascade, wide = (build_cascade(config, data).set_params(random_state=seed) for _ in range(2))
    # Both have the same gates, which are fitted once.
    for model in (cascade, wide):
        model.set_params(gate=SharedFit(model.gate))
    wide.labeler.set_params(network_options={**wide.labeler.network_options, "width": WIDE})
    flat = build_cascade(config, data).set_params(gate="none", random_state=seed)
    return {"flat": flat, "cascade": cascade, "wide cascade": wide}


def answer(model: CascadeClassifier, X: Any, Y: Any) -> Answer:
    """Predict the held-out rows."""
    prediction = model.examine(X)
    operations = operations_per_row(model.gate_)
    if model.labeler_ is not None:
        operations += prediction.passed_gate.mean() * operations_per_row(model.labeler_)
    outcome = Outcome(Y, prediction.proba, prediction.labels, prediction.passed_gate)
    fitted = model.predictor_
    gate = getattr(fitted.gate, "estimator_", fitted.gate)
    return Answer(outcome, float(operations), CascadePredictor(gate, fitted.labeler, fitted.rules, fitted.signature))


def time_ratios(answers: dict[str, Answer], X: Any) -> dict[str, float]:
    """Return each model's time per row as a share of the first one's: the median of rounds that alternate."""
    with tempfile.TemporaryDirectory() as folder:
        served = {}
        for name, one in answers.items():
            path = Path(folder) / name.replace(" ", "-")
            one.predictor.save(path, runtimes=("litert",))
            served[name] = CascadePredictor.load(path, runtime="litert", threads=1)
        seconds: dict[str, list[float]] = {name: [] for name in served}
        for _ in range(ROUNDS):
            for name, predictor in served.items():
                started = time.perf_counter()
                predictor.predict_proba(X)
                seconds[name].append(time.perf_counter() - started)
    first = seconds[next(iter(seconds))]
    return {
        name: statistics.median(mine / other for mine, other in zip(taken, first, strict=True))
        for name, taken in seconds.items()
    }


def run(data: Dataset, seed: int) -> tuple[dict[str, Answer], np.ndarray]:
    """Fit all models on one split, and print a line for each."""
    held = grouped_holdout(data.Y, data.groups, 0.2, seed + 1)
    training, testing = data.part(np.flatnonzero(~held)), data.part(np.flatnonzero(held))
    group = group_numbers(testing.groups, len(testing))
    answers, seconds = {}, {}
    with sharing_fits() as shared:
        for name, model in models(data, seed).items():
            started, saved = time.monotonic(), shared.saved_seconds
            model.fit(training.X, training.Y, groups=training.groups)
            seconds[name] = time.monotonic() - started + shared.saved_seconds - saved
            answers[name] = answer(model, testing.X, testing.Y)
    ratios = time_ratios(answers, testing.X[:TIMED_ROWS])
    for name in answers:
        print(
            f"seed {seed}  {line(name, answers, group)}  past gate {answers[name].outcome.passed.mean():.2f}  time "
            f"{ratios[name]:.2f}  fit {seconds[name]:.0f} s",
            flush=True,
        )
    return answers, group


def line(name: str, answers: dict[str, Answer], group: np.ndarray) -> str:
    """Describe one model beside the flat one."""
    mine, flat = answers[name], answers["flat"]
    parts = [f"{name:<12}  arithmetic {mine.operations / flat.operations:.2f}"]
    for title, metric in METRICS.items():
        change, low, high = paired_difference(metric, mine.outcome, flat.outcome, group, DRAWS)
        parts.append(
            f"{title} {metric(mine.outcome)[0]:.4f}, to flat {change[0]:+.4f} ({low[0]:+.4f} to {high[0]:+.4f})"
        )
    return "  ".join(parts)


def pooled(runs: list[tuple[dict[str, Answer], np.ndarray]]) -> None:
    """Print each model's mean difference over the seeds, with an interval that draws patients in every seed."""
    for name in runs[0][0]:
        for title, metric in METRICS.items():
            draws = np.array([differences(answers, group, name, metric) for answers, group in runs])
            change, (low, high) = draws[:, 0].mean(), np.quantile(draws[:, 1:].mean(axis=0), [0.025, 0.975])
            share = np.mean([answers[name].operations / answers["flat"].operations for answers, _ in runs])
            spread = f"{change:+.4f} ({low:+.4f} to {high:+.4f})"
            print(f"all seeds  {name:<12}  arithmetic {share:.2f}  {title} to flat {spread}")


def differences(answers: dict[str, Answer], group: np.ndarray, name: str, metric: Any) -> list[float]:
    """Return a model's difference to the flat one on all held-out rows, then on bootstrap samples of patients."""
    mine, flat = answers[name].outcome, answers["flat"].outcome
    members = [np.flatnonzero(group == one) for one in np.unique(group)]
    rng = np.random.default_rng(0)
    found = [float(metric(mine)[0] - metric(flat)[0])]
    for _ in range(DRAWS // 5):
        rows = np.concatenate([members[one] for one in rng.integers(0, len(members), len(members))])
        found.append(float(metric(mine.part(rows))[0] - metric(flat.part(rows))[0]))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("phantom", type=Path)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--first", type=int, default=1, help="the first seed; seed 0 was used to choose the options")
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    data = read_data(given.phantom)
    pooled([run(data, seed) for seed in range(given.first, given.first + given.seeds)])


if __name__ == "__main__":
    main()
