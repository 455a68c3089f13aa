"""Compare a gate inside the labeler's own network with a separate cheap gate, on the phantom.

    cascade phantom data/phantom
    python benchmarks/early_exit.py data/phantom --seeds 3

One network is trained with two sets of outputs, `any` and each label: an exit after an early convolution, and the head.
A row that the exit rejects costs the layers up to it; a row that passes costs the rest as well, and nothing twice
(Teerapittayanon, McDanel & Kung 2016, BranchyNet). "joint" adds both losses. "detached" stops the gradient of the
exit's loss at the trunk (Kaya, Hong & Dumitras 2019), so that the trunk is trained for the head alone. No network is
fine-tuned, so separate gates are compared with the same kind of labeler. There are three: 16 wide at half of the height
and width, 12 wide with a last stride of 2, and one with the layers of the exit after the first convolution.

Printed per seed, for each gate, on held-out patients: the arithmetic of the gate and of a row on average, as shares of
the flat model's; the share of rows past the gate at the recalls of configs/phantom-multilabel.yaml; the AUROC of `any`
at the gate; and the macro average precision of all six labels for the labeler on every row, and for both merged.
"""

from __future__ import annotations

import argparse
import warnings
from dataclasses import dataclass
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
from cascade.data.splits import group_numbers, grouped_holdout
from cascade.estimators.scoring import gate_log_odds
from cascade.metrics import label_auroc, label_average_precision
from cascade.metrics.operations import operations_per_row
from cascade.rules.probability.calibration import fit_calibration
from cascade.rules.probability.stack import fit_stack
from cascade.rules.thresholds.gate_recall import gate_recalls
from cascade.rules.thresholds.gate_threshold import gate_threshold
from cascade.utils.log_odds import log_odds

CONFIG = Path(__file__).parents[1] / "configs/phantom-multilabel.yaml"
WIDTH = 24
PLACES = (1,)
"""Convolutions before the exit, of three."""
BRANCH = (16, 32)
"""Widths of the exit's own convolutions."""


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


def scaled(inputs: Any) -> Any:
    """Return images of the network's scale, mirrored at random while it is trained."""
    return layers.RandomFlip("horizontal")(layers.Rescaling(1 / 127.5, offset=-1.0)(inputs))


def branch(x: Any, n_outputs: int) -> Any:
    """Return the logits of an exit."""
    # Early features are local: two more convolutions of small size let the exit see the whole image.
    for width in BRANCH:
        x = layers.Conv2D(width, 3, strides=2, padding="same", activation="relu")(x)
    return layers.Dense(n_outputs)(pooled(x))


def exit_alone(shape: tuple[int, ...], n_outputs: int) -> keras.Model:
    """Return a network of the first convolution and an exit."""
    inputs = keras.Input(shape)
    return keras.Model(inputs, branch(convolutions()[0](scaled(inputs)), n_outputs))


def with_exit(shape: tuple[int, ...], n_outputs: int, place: int, detached: bool) -> keras.Model:
    """Return a network with two sets of outputs in one array: the exit's, then the head's."""
    inputs = keras.Input(shape)
    x = scaled(inputs)
    for number, layer in enumerate(convolutions(), 1):
        x = layer(x)
        if number == place:
            early = branch(layers.Lambda(keras.ops.stop_gradient)(x) if detached else x, n_outputs // 2)
    return keras.Model(inputs, layers.Concatenate(name="head")([early, layers.Dense(n_outputs // 2)(pooled(x))]))


def operations_of(layer: Any) -> float:
    """Return two operations per weight of a convolution, times its positions."""
    return 2.0 * float(np.prod(layer.kernel.shape)) * float(np.prod(layer.output.shape[1:3]))


@dataclass(frozen=True)
class Rows:
    """Rows that calibrate and rows that are reported on, `any` first, with the wanted recalls at the gate."""

    Y: list[np.ndarray]
    group: np.ndarray
    recall: np.ndarray


def show(name: str, early: list[np.ndarray], late: list[np.ndarray], rows: Rows, costs: list[float]) -> None:
    """Print the figures of a gate and a labeler."""
    Y, n_labels = rows.Y, rows.Y[0].shape[1]
    calibration = fit_calibration(early[0], LabelMatrix(Y[0]))
    early = [calibration(z) for z in early]
    limit = log_odds(gate_threshold(expit(early[0][:, 0]), Y[0], rows.recall, None, rows.group, 0).value)
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
    gate_share, labeler_share, again = costs
    share, auroc = passed[1].mean(), label_auroc(Y[1][:, :1], expit(early[1][:, :1]))[0]
    print(
        f"{name:<30}  gate costs {gate_share:.2f}  past gate {share:.2f}  arithmetic "
        f"{gate_share + share * labeler_share:.3f}, as two networks {gate_share + share * (labeler_share + again):.3f}"
        "  "
        f"AUROC {auroc:.4f}  AP of the labeler {label_average_precision(Y[1], expit(late[1])).mean():.4f}, merged "
        f"{label_average_precision(Y[1], merged).mean():.4f}",
        flush=True,
    )


def run(data: Dataset, seed: int) -> None:
    """Train all networks on one split, and print a line for each gate."""
    held = grouped_holdout(data.Y, data.groups, 0.2, seed + 1)
    training, testing = np.flatnonzero(~held), np.flatnonzero(held)
    apart = grouped_holdout(data.Y[training], data.groups[training], 0.2, seed)
    fitting, parts = training[~apart], [training[apart], testing]
    columns = [data.Y.shape[1] - 1, *range(data.Y.shape[1] - 1)]
    target, n, config = data.Y[fitting][:, columns], len(columns), load_config(CONFIG)
    recall = gate_recalls(config.cascade.gate_recall, tuple(data.label_names[column] for column in columns))
    rows = Rows(
        [data.Y[part][:, columns] for part in parts], group_numbers(data.groups[parts[0]], len(parts[0])), recall
    )
    options = config.labeler.model.parameters()

    def scores(**changes: Any) -> tuple[KerasClassifier, list[np.ndarray]]:
        n_outputs = 2 * n if changes.get("network") is with_exit else n
        model = KerasClassifier(**{**options, **changes}, random_state=seed)
        model.fit(data.X[fitting], np.hstack([target] * (n_outputs // n)))
        return model, [gate_log_odds(model, data.X, part, n_outputs) for part in parts]

    flat, flat_z = scores()
    whole = operations_per_row(flat)
    gates: dict[str, dict[str, Any]] = {
        "16 wide, half the image": {"network_options": {"width": 16, "flip": True}, "image_size": 32},
        "12 wide, last stride 2": {"network_options": {"width": 12, "last_stride": 2, "flip": True}},
        "layers of the exit": {"network": exit_alone, "network_options": {}},
    }
    for name, changes in gates.items():
        gate, z = scores(**changes)
        show(f"seed {seed} {name}", z, flat_z, rows, [operations_per_row(gate) / whole, 1.0, 0.0])
    for place in PLACES:
        for detached in (False, True):
            both, z = scores(network=with_exit, network_options={"place": place, "detached": detached})
            early, late = [part[:, :n] for part in z], [part[:, n:] for part in z]
            costs = [cost / whole for cost in costs_of(both.network_, place)]
            show(f"seed {seed} exit {place}, {'detached' if detached else 'joint'}", early, late, rows, costs)


def costs_of(network: keras.Model, place: int) -> list[float]:
    """Return the arithmetic of a row up to the exit, from there to the head, and of the layers that both have."""
    found = [layer for layer in network.layers if isinstance(layer, layers.Conv2D)]
    # The exit's own convolutions are the narrow ones that are no part of the trunk.
    trunk = [layer for layer in found if layer.filters in (WIDTH, 2 * WIDTH, 8 * WIDTH // 3)]
    branch = [layer for layer in found if layer not in trunk]
    parts = [*trunk[:place], *branch], trunk[place:], trunk[:place]
    return [sum(map(operations_of, part)) for part in parts]


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
