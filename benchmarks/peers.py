"""Prediction from memory beside what scikit-learn and imbalanced-learn offer, in turns in one run, as ratios.

    python benchmarks/peers.py --results benchmarks/results/peers.json

A feature table of problem A's shape, 32 features; 16,000 rows are learned from, others predicted by `predict` of

    peer stack    MultiOutputClassifier(CalibratedClassifierCV(make_pipeline(RandomUnderSampler(), learner), cv=3))
    flat          MultiOutputClassifier(learner), or one network of all labels
    cascade       the same learner as gate and in each label's model, multi-label or balanced in three bags

with each learner; and by networks, exported and by Keras' own `predict`. A ratio above 1 says that the cascade
answers so many times as many rows a second. It is the median of the rounds with the least and the largest of them, in
processor time on one thread, which other work on the machine moves less than the clock. Beside each: the share of rows
past the gate, the least recall of a label there, 1 / (c1/c2 + p), which is how often the cascade could answer in the
time of its labeler on all rows, and what share of that it reached, and the macro average precision of all.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

# Read when the libraries are loaded.
os.environ["OMP_NUM_THREADS"] = os.environ["TF_NUM_INTRAOP_THREADS"] = "1"

import numpy as np
from feature_table import draw_table
from imblearn.pipeline import make_pipeline
from imblearn.under_sampling import RandomUnderSampler
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score
from sklearn.multioutput import MultiOutputClassifier
from sklearn.neural_network import MLPClassifier

from cascade import BalancedBinaryRelevance, CascadeClassifier, CascadePredictor, KerasClassifier
from cascade.store.exporting import Exporter
from cascade.store.network_spec import network_spec
from cascade.store.opening import open_export
from cascade.store.plain_file import ModelFiles

RUNTIMES = ("litert", "onnx")
TRAINING_ROWS = 16_000
BAGS = 3
"""As many balanced draws a label as the peer stack makes in its three folds."""
SCORED_ROWS = 20_000

LEARNERS: dict[str, Callable[[], Any]] = {
    "logistic regression": lambda: LogisticRegression(max_iter=300),
    "MLP": lambda: MLPClassifier((64, 64), max_iter=15, random_state=0),
    "boosted trees": lambda: HistGradientBoostingClassifier(
        max_iter=40, max_leaf_nodes=15, early_stopping=False, random_state=0
    ),
}


def peer_stack(learner: Any) -> Any:
    stack = make_pipeline(RandomUnderSampler(random_state=0), clone(learner))
    return MultiOutputClassifier(CalibratedClassifierCV(stack, cv=3))


def proba_of(model: Any, X: np.ndarray) -> np.ndarray:
    found = model.predict_proba(X)
    return np.column_stack([one[:, 1] for one in found]) if isinstance(found, list) else found


class Contest:
    """Models that are given the same rows, round by round in turns."""

    def __init__(self, X: np.ndarray, Y: np.ndarray, rounds: int) -> None:
        self.X, self.Y, self.rounds = X, Y, rounds
        self.scored = slice(0, SCORED_ROWS)

    def seconds(self, runs: dict[str, Callable[[], object]]) -> dict[str, np.ndarray]:
        """Processor time of each, one value a round; a first round warms up."""
        taken: dict[str, list[float]] = {name: [] for name in runs}
        for _ in range(self.rounds + 1):
            for name, run in runs.items():
                started = time.process_time()
                run()
                taken[name].append(time.process_time() - started)
        return {name: np.array(times[1:]) for name, times in taken.items()}

    def precision(self, proba: np.ndarray) -> float:
        """Macro average precision on the rows that are scored."""
        return float(average_precision_score(self.Y[self.scored], proba, average="macro"))

    def measure(self, learner: str, rivals: dict[str, Any], cascades: dict[str, CascadePredictor]) -> dict[str, Any]:
        """Rates of all, and each cascade against each rival: one that predicts all rows, and its probabilities."""
        runs = {name: run for name, (run, _) in rivals.items()}
        for name, predictor in cascades.items():
            runs[name] = lambda p=predictor: p.predict(self.X)
            runs[f"{name}: gate"] = lambda p=predictor: p.gate.predict_proba(self.X)
            runs[f"{name}: labeler"] = lambda p=predictor: p.labeler.predict_proba(self.X)
        seconds = self.seconds(runs)
        answers = {name: self.precision(proba(self.X[self.scored])) for name, (_, proba) in rivals.items()}
        rates = {name: float(len(self.X) / np.median(seconds[name])) for name in runs}
        return {
            "learner": learner,
            "rows_per_second": rates,
            "average_precision": answers,
            "cascades": [
                self.of_cascade(name, predictor, seconds, list(rivals)) for name, predictor in cascades.items()
            ],
        }

    def of_cascade(
        self, name: str, predictor: CascadePredictor, seconds: dict[str, np.ndarray], rivals: list[str]
    ) -> dict[str, Any]:
        """Its gate, its quality, and its speed beside the rivals' and beside what its gate allows."""
        answer = predictor.examine(self.X)
        passed, own = answer.passed_gate, seconds[name]
        gate, labeler = (float(np.median(seconds[f"{name}: {stage}"])) for stage in ("gate", "labeler"))
        limit = 1 / (gate / labeler + float(passed.mean()))
        against_labeler = labeler / float(np.median(own))
        return {
            "cascade": name,
            "passed": float(passed.mean()),
            "least_recall": min(float(passed[column > 0].mean()) for column in self.Y.T),
            "average_precision": self.precision(answer.proba[self.scored]),
            "limit": limit,
            "share_of_limit": against_labeler / limit,
            "against": {rival: spread(seconds[rival] / own) for rival in rivals},
        }


def spread(ratios: np.ndarray) -> dict[str, float]:
    return {"median": float(np.median(ratios)), "least": float(ratios.min()), "largest": float(ratios.max())}


def of_scikit_learn(contest: Contest, name: str, X: np.ndarray, Y: np.ndarray) -> dict[str, Any]:
    """One learner in every form."""
    learner = LEARNERS[name]()
    together = MultiOutputClassifier(clone(learner))
    fitted = {"peer stack": peer_stack(learner).fit(X, Y), "flat": clone(together).fit(X, Y)}
    if isinstance(learner, MLPClassifier):
        together = clone(learner)
        fitted["flat, one network"] = clone(together).fit(X, Y)
    labelers = {
        "cascade, multi-label": together,
        "cascade, balanced": BalancedBinaryRelevance(learner, n_bags=BAGS),
    }
    cascades = {form: CascadeClassifier(clone(learner), one).fit(X, Y).predictor_ for form, one in labelers.items()}
    rivals = {
        form: (lambda m=model: m.predict(contest.X), lambda part, m=model: proba_of(m, part))
        for form, model in fitted.items()
    }
    return contest.measure(name, rivals, cascades)


def of_networks(contest: Contest, X: np.ndarray, Y: np.ndarray, folder: Path) -> dict[str, Any]:
    """Networks of one size, exported; their rivals are the flat one and the scikit-learn MLPs."""
    network = KerasClassifier("mlp", epochs=8)
    CascadeClassifier(network, clone(network)).fit(X, Y).predictor_.save(folder / "model", RUNTIMES)
    flat = clone(network).fit(X, Y)
    spec = {**network_spec(flat), "exports": Exporter(RUNTIMES, 1).export(flat, folder, "flat")}
    exported = open_export(spec, ModelFiles(folder), "auto", 1)
    learner = LEARNERS["MLP"]()
    models = {"peer stack of MLPs": peer_stack(learner).fit(X, Y), "flat MLPClassifier": clone(learner).fit(X, Y)}
    rivals = {
        "flat, exported": (lambda: exported.predict_proba(contest.X), exported.predict_proba),
        "flat, Keras predict": (lambda: flat.network_.predict(contest.X, verbose=0), flat.predict_proba),
        **{
            form: (lambda m=model: m.predict(contest.X), lambda part, m=model: proba_of(m, part))
            for form, model in models.items()
        },
    }
    cascades = {"cascade, exported": CascadePredictor.load(folder / "model", threads=1)}
    return contest.measure("networks", rivals, cascades)


def text(found: dict[str, Any]) -> str:
    """One learner's figures as lines."""
    rates = ", ".join(f"{name} {rate:,.0f}" for name, rate in found["rows_per_second"].items() if ":" not in name)
    scores = ", ".join(f"{name} {score:.3f}" for name, score in found["average_precision"].items())
    lines = [found["learner"], f"  rows/s: {rates}", f"  macro average precision: {scores}"]
    for one in found["cascades"]:
        lines.append(
            "  {cascade}: {passed:.1%} pass, least recall {least_recall:.3f}, average precision "
            "{average_precision:.3f}, limit {limit:.2f}, {share_of_limit:.0%} of it".format(**one)
        )
        for rival, ratio in one["against"].items():
            lines.append(f"    {ratio['median']:6.2f} times {rival} ({ratio['least']:.2f} to {ratio['largest']:.2f})")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=50_000, help="to predict")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--results", type=Path, help="JSON file to write")
    options = parser.parse_args()
    # Fifteen passes of a small network are enough here, whether it has converged or not.
    warnings.simplefilter("ignore")
    X, Y = draw_table(TRAINING_ROWS, seed=0)
    contest, found = Contest(*draw_table(options.rows, seed=1), options.rounds), []
    with tempfile.TemporaryDirectory() as folder:
        tasks = [partial(of_scikit_learn, contest, name, X, Y) for name in LEARNERS]
        for task in (*tasks, partial(of_networks, contest, X, Y, Path(folder))):
            found.append(task())
            print(text(found[-1]), flush=True)
    if options.results is not None:
        options.results.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
