"""Compare cascades with a cheap gate with the flat model of the same labeler network, on the phantom.

    cascade phantom data/phantom
    python benchmarks/cheap_gate.py data/phantom --seeds 2

Per seed, all models are fitted on the same rows and predict the same held-out patients. The gate is 16 wide and looks
at 32 pixels. Printed are the macro average precision of all six labels, its difference to the flat model with a paired
95 % interval over patients, the share of rows past the gate, the arithmetic per row as a share of the flat model's, and
the seconds of the fit. A seed takes about 12 minutes on two cores.
"""

from __future__ import annotations

import argparse
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from cascade import CascadeClassifier, KerasClassifier
from cascade.comparison.flat_baseline import FlatClassifier
from cascade.data import Dataset, read_data
from cascade.data.splits import group_numbers, grouped_holdout
from cascade.metrics import AVERAGE_PRECISION, Outcome, macro
from cascade.metrics.bootstrap import paired_difference
from cascade.metrics.operations import operations_per_row

METRIC = macro(AVERAGE_PRECISION)
DRAWS = 500


def network(width: int, epochs: int, **options: Any) -> KerasClassifier:
    """Return the CNN of the phantom's configs."""
    shape = {"flip": True, "width": width}
    return KerasClassifier("cnn", network_options=shape, epochs=epochs, learning_rate=0.004, **options)


def models(seed: int) -> dict[str, Any]:
    """Return the unfitted models by name, the flat one first."""
    gate = network(16, 8, image_size=32)
    labeler = network(24, 20, batch_size=64, patience=5)
    found: dict[str, Any] = {"flat": FlatClassifier(labeler, random_state=seed)}
    for pool in ("positives", "gated"):
        for pretrain in ("none", "all"):
            found[f"cascade, {pool}, pretrain {pretrain}"] = CascadeClassifier(
                gate, labeler, negative_pool=pool, pretrain=pretrain, random_state=seed
            )
    return found


def predicted(model: Any, X: Any, Y: Any) -> tuple[Outcome, float]:
    """Return what a fitted model predicts, and its arithmetic per row."""
    if hasattr(model, "examine"):
        answer = model.examine(X)
        operations = operations_per_row(model.gate_) + answer.passed_gate.mean() * operations_per_row(model.labeler_)
        return Outcome(Y, answer.proba, answer.labels, answer.passed_gate), float(operations)
    passed = np.ones(len(Y), dtype=bool)
    bits = np.zeros(Y.shape, dtype=np.uint8)
    return Outcome(Y, model.predict_proba(X), bits, passed), operations_per_row(model.estimator_)


def run(data: Dataset, seed: int) -> None:
    """Fit all models on one split, and print a line for each."""
    held = grouped_holdout(data.Y, data.groups, 0.2, seed + 1)
    training, testing = data.part(np.flatnonzero(~held)), data.part(np.flatnonzero(held))
    group = group_numbers(testing.groups, len(testing))
    flat: tuple[Outcome, float] | None = None
    for name, model in models(seed).items():
        started = time.monotonic()
        model.fit(training.X, training.Y, groups=training.groups)
        seconds = time.monotonic() - started
        outcome, operations = predicted(model, testing.X, testing.Y)
        flat = (outcome, operations) if flat is None else flat
        change, low, high = paired_difference(METRIC, outcome, flat[0], group, DRAWS)
        print(
            f"seed {seed}  {name:<32} AP {METRIC(outcome)[0]:.4f}  to flat {change[0]:+.4f} ({low[0]:+.4f} to "
            f"{high[0]:+.4f})  past gate {outcome.passed.mean():.2f}  arithmetic {operations / flat[1]:.2f}  "
            f"fit {seconds:.0f} s",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("phantom", type=Path)
    parser.add_argument("--seeds", type=int, default=3)
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    data = read_data(given.phantom)
    for seed in range(given.seeds):
        run(data, seed)


if __name__ == "__main__":
    main()
