"""Compare trainings in mixed precision with those in float32, on the phantom: processor time and quality.

    cascade phantom data/phantom --rows 12000
    python benchmarks/precision.py data/phantom --seeds 3

Both are trained in turns, with the same seeds, on one processor or on the GPU that TensorFlow sees. Printed are, per
network, the processor time of an epoch in mixed precision as a share of that in float32; then per seed macro average
precision and log loss of the labels with 20 positives and more, for `cnn` on held-out patients.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np

from cascade import KerasClassifier
from cascade.data import Dataset, read_data
from cascade.data.readers.table.columns import Roles
from cascade.data.splits import grouped_holdout
from cascade.estimators.neural.training.precision import MIXED, PLAIN, has_bfloat16
from cascade.metrics import label_average_precision

ROUNDS = 5
NETWORKS = (("cnn", {}, 2048), ("cnn", {"width": 64}, 1024))
"""Networks, their options, and the rows of an epoch."""
FEWEST = 20


def classifier(network: str, options: dict[str, object], precision: str, epochs: int, seed: int = 0) -> KerasClassifier:
    """Return a network that is trained as in configs/phantom-multilabel.yaml, for fewer epochs."""
    return KerasClassifier(
        network,
        options,
        epochs=epochs,
        batch_size=64,
        learning_rate=0.004,
        validation_size=0,
        random_state=seed,
        training={"precision": precision},
    )


def seconds(model: KerasClassifier, X: np.ndarray, Y: np.ndarray) -> float:
    """Return the processor time of a training."""
    started = time.process_time()
    model.fit(X, Y)
    return time.process_time() - started


def ratio(network: str, options: dict[str, object], X: np.ndarray, Y: np.ndarray) -> float:
    """Return the time of an epoch in mixed precision over that in float32; what begins a training is left out."""
    shares = []
    for _ in range(ROUNDS):
        epoch = []
        for precision in (PLAIN, MIXED):
            short, long = (seconds(classifier(network, options, precision, epochs), X, Y) for epochs in (1, 4))
            epoch.append((long - short) / 3)
        shares.append(epoch[1] / epoch[0])
    return float(np.median(shares))


def quality(data: Dataset, X: np.ndarray, precision: str, seed: int) -> tuple[float, float]:
    """Return macro average precision and log loss on held-out patients."""
    held = grouped_holdout(data.Y, data.groups, 0.25, 0)
    model = classifier("cnn", {"flip": True}, precision, 12, seed).fit(X[~held], data.Y[~held])
    truth, proba = data.Y[held], np.clip(model.predict_proba(X[held]), 1e-7, 1 - 1e-7)
    often = truth.sum(axis=0) >= FEWEST
    loss = -np.where(truth, np.log(proba), np.log1p(-proba))
    precisions = label_average_precision(truth, proba)
    return float(np.mean(precisions[often])), float(loss[:, often].mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--seeds", type=int, default=3)
    given = parser.parse_args()
    data = read_data(given.data, Roles(group="patient"))
    X = np.asarray(data.X[np.arange(len(data))])
    print(f"has bfloat16: {has_bfloat16()}")
    for network, options, rows in NETWORKS:
        share = ratio(network, options, X[:rows], data.Y[:rows])
        print(f"{network} {options}: {share:.2f} of the time", flush=True)
    for seed in range(given.seeds):
        for precision in (PLAIN, MIXED):
            shown = quality(data, X, precision, seed)
            print(f"seed {seed}, {precision}: macro AP {shown[0]:.3f}, log loss {shown[1]:.4f}", flush=True)


if __name__ == "__main__":
    main()
