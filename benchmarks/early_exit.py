"""Compare a gate inside the labeler's own network with a separate cheap gate, on the phantom.

    cascade phantom data/phantom
    python benchmarks/early_exit.py data/phantom --seeds 2

One network is trained with two sets of outputs, `any` and each label: an exit after an early convolution, and the head.
A row that the exit rejects costs the layers up to it; a row that passes costs the rest as well, and nothing twice
(Teerapittayanon, McDanel & Kung 2016, BranchyNet). "joint" adds both losses. "detached" stops the gradient of the
exit's loss at the trunk (Kaya, Hong & Dumitras 2019), so that the trunk is trained for the head alone. No network is
fine-tuned, so the separate gate is compared with the same kind of labeler.

Printed per seed, for each place of the exit and for the separate gate of configs/phantom-multilabel.yaml, on held-out
patients: the arithmetic of the exit and of a row on average, as shares of the flat model's; the share of rows past the
exit at 95 % recall of each label; the AUROC of `any` at the exit; and the macro average precision of all six labels for
the head on every row, and for exit and head merged as in a cascade.
"""

from __future__ import annotations

import argparse
import warnings
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import layers
from scipy.special import expit

from cascade import KerasClassifier
from cascade.config.yaml_file import load_config
from cascade.data import Dataset, read_data
from cascade.data.label_matrix import LabelMatrix
from cascade.data.splits import grouped_holdout
from cascade.estimators.scoring import gate_log_odds
from cascade.metrics import label_auroc, label_average_precision
from cascade.metrics.operations import operations_per_row
from cascade.rules.probability.calibration import fit_calibration
from cascade.rules.probability.stack import fit_stack
from cascade.rules.thresholds.gate_threshold import gate_threshold
from cascade.utils.log_odds import log_odds

CONFIG = Path(__file__).parents[1] / "configs/phantom-multilabel.yaml"
RECALL = 0.95
WIDTH = 24
PLACES = (1, 2)
"""Convolutions before the exit, of three."""


def pooled(x: Any) -> Any:
    """Return the mean and the maximum over an image, as the networks of the package have before their head."""
    return layers.Concatenate()([layers.GlobalAveragePooling2D()(x), layers.GlobalMaxPooling2D()(x)])


def convolutions() -> list[keras.Layer]:
    """Return the convolutions of the package's `cnn`."""
    options = {"padding": "same", "activation": "relu"}
    return [
        layers.Conv2D(WIDTH, 7, strides=4, **options),
        layers.Conv2D(2 * WIDTH, 3, strides=2, **options),
        layers.Conv2D(8 * WIDTH // 3, 3, **options),
    ]


def with_exit(shape: tuple[int, ...], n_outputs: int, place: int, detached: bool) -> keras.Model:
    """Return a network with two sets of outputs in one array: the exit's, then the head's."""
    inputs = keras.Input(shape)
    x = layers.RandomFlip("horizontal")(layers.Rescaling(1 / 127.5, offset=-1.0)(inputs))
    for number, layer in enumerate(convolutions(), 1):
        x = layer(x)
        if number == place:
            early = layers.Lambda(keras.ops.stop_gradient)(x) if detached else x
            # Early features are local: two more convolutions of small size let the exit see the whole image.
            for width in (16, 32):
                early = layers.Conv2D(width, 3, strides=2, padding="same", activation="relu")(early)
            early = layers.Dense(n_outputs // 2)(pooled(early))
    return keras.Model(inputs, layers.Concatenate(name="head")([early, layers.Dense(n_outputs // 2)(pooled(x))]))


def operations_of(layer: Any) -> float:
    """Return two operations per weight of a convolution, times its positions."""
    return 2.0 * float(np.prod(layer.kernel.shape)) * float(np.prod(layer.output.shape[1:3]))


def show(name: str, early: list[np.ndarray], late: list[np.ndarray], Y: list[np.ndarray], costs: list[float]) -> None:
    """Print the figures of an exit and a head; the first rows calibrate, the second are reported on."""
    n_labels = Y[0].shape[1]
    calibration = fit_calibration(early[0], LabelMatrix(Y[0]))
    early = [calibration(z) for z in early]
    limit = log_odds(gate_threshold(expit(early[0][:, 0]), Y[0], RECALL).value)
    passed = [z[:, 0] >= limit for z in early]
    calibration = fit_calibration(late[0][passed[0]], LabelMatrix(Y[0][passed[0]]))
    head = [calibration(z) for z in late]
    # As in a cascade: `any` and the label of the exit beside the head, per label.
    features = [[np.repeat(z[:, :1], n_labels, axis=1), z] for z in early]
    stack = fit_stack(
        head[0][passed[0]],
        [feature[passed[0]] for feature in features[0]],
        LabelMatrix(Y[0][passed[0]]),
        np.ones(int(passed[0].sum())),
    )
    merged = expit(np.where(passed[1][:, None], stack(head[1], features[1]), early[1]))
    exit_share, rest_share = costs
    share, auroc = passed[1].mean(), label_auroc(Y[1][:, :1], expit(early[1][:, :1]))[0]
    cost = exit_share + share * rest_share
    print(
        f"{name:<22}  exit costs {exit_share:.2f}  past exit {share:.2f}  arithmetic {cost:.2f}"
        f"  AUROC {auroc:.4f}  AP of the head {label_average_precision(Y[1], expit(late[1])).mean():.4f}, merged "
        f"{label_average_precision(Y[1], merged).mean():.4f}",
        flush=True,
    )


def run(data: Dataset, seed: int) -> None:
    """Train all networks on one split, and print a line for each exit."""
    held = grouped_holdout(data.Y, data.groups, 0.2, seed + 1)
    training, testing = np.flatnonzero(~held), np.flatnonzero(held)
    apart = grouped_holdout(data.Y[training], data.groups[training], 0.2, seed)
    fitting, parts = training[~apart], [training[apart], testing]
    columns = [data.Y.shape[1] - 1, *range(data.Y.shape[1] - 1)]
    Y = [data.Y[part][:, columns] for part in parts]
    target, n = data.Y[fitting][:, columns], len(columns)
    config = load_config(CONFIG)
    options = config.labeler.model.model_dump(exclude={"kind"})
    flat = KerasClassifier(**options, random_state=seed).fit(data.X[fitting], target)
    whole = operations_per_row(flat)
    gate_options = config.gate.model_dump(exclude={"kind", "targets"})
    gate = KerasClassifier(**gate_options, random_state=seed).fit(data.X[fitting], target)
    scored = [[gate_log_odds(model, data.X, part, n) for part in parts] for model in (gate, flat)]
    show(f"seed {seed} separate gate", *scored, Y, [operations_per_row(gate) / whole, 1.0])
    for place in PLACES:
        for detached in (False, True):
            options |= {"network": with_exit, "network_options": {"place": place, "detached": detached}}
            model = KerasClassifier(**options, random_state=seed).fit(data.X[fitting], np.hstack([target, target]))
            z = [gate_log_odds(model, data.X, part, 2 * n) for part in parts]
            early, late = [part[:, :n] for part in z], [part[:, n:] for part in z]
            costs = [cost / whole for cost in costs_of(model.network_, place)]
            show(f"seed {seed} exit {place}, {'detached' if detached else 'joint'}", early, late, Y, costs)


def costs_of(network: keras.Model, place: int) -> list[float]:
    """Return the arithmetic of a row up to the exit, and from there to the head."""
    found = [layer for layer in network.layers if isinstance(layer, layers.Conv2D)]
    # The exit's own convolutions are the narrow ones that are no part of the trunk.
    trunk = [layer for layer in found if layer.filters in (WIDTH, 2 * WIDTH, 8 * WIDTH // 3)]
    branch = [layer for layer in found if layer not in trunk]
    return [sum(map(operations_of, [*trunk[:place], *branch])), sum(map(operations_of, trunk[place:]))]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("phantom", type=Path)
    parser.add_argument("--seeds", type=int, default=2)
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    data = read_data(given.phantom)
    for seed in range(given.seeds):
        run(data, seed)


if __name__ == "__main__":
    main()
