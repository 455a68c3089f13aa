"""Small frozen encoders of images, and lists of images, which tests write to a folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image

COLUMNS = 12


def kernel(channels: int = 3, columns: int = COLUMNS, seed: int = 0) -> NDArray[np.float32]:
    """Return random convolutions of 3 x 3 pixels: columns, channels, height, width."""
    return (np.random.default_rng(seed).normal(size=(columns, channels, 3, 3)) / 255).astype(np.float32)


def graph(size: int | str = 16, channels: int = 3, **changes: Any) -> bytes:
    """Return an ONNX graph of random convolutions with stride 2, whose positive parts are averaged.

    Changes are `first=False` for NHWC, `mapped` for an output of positions, `batch`, `columns`, `seed`, `operator`,
    `domain` and `dtype`.
    """
    from onnx import TensorProto, helper, numpy_helper

    weights = kernel(channels, changes.get("columns", COLUMNS), changes.get("seed", 0))
    dtype, batch = changes.get("dtype", TensorProto.FLOAT), changes.get("batch", "rows")
    operator, domain = changes.get("operator", "Relu"), changes.get("domain", "")
    first = changes.get("first", True)
    nodes = [] if dtype == TensorProto.FLOAT else [helper.make_node("Cast", ["images"], ["floats"], to=1)]
    source = nodes[-1].output[0] if nodes else "images"
    if not first:
        nodes.append(helper.make_node("Transpose", [source], ["channels_first"], perm=[0, 3, 1, 2]))
        source = "channels_first"
    nodes.append(helper.make_node("Conv", [source, "weights"], ["states"], strides=[2, 2]))
    nodes.append(helper.make_node(operator, ["states"], ["positive"], domain=domain))
    sides: list[Any] = [None] * 2
    outputs = [helper.make_tensor_value_info("positive", TensorProto.FLOAT, [batch, len(weights), *sides])]
    if not changes.get("mapped", False):
        nodes.append(helper.make_node("GlobalAveragePool", ["positive"], ["means"]))
        nodes.append(helper.make_node("Flatten", ["means"], ["vector"]))
        outputs.append(helper.make_tensor_value_info("vector", TensorProto.FLOAT, [batch, len(weights)]))
    shape = [batch, channels, size, size] if first else [batch, size, size, channels]
    taken = [helper.make_tensor_value_info("images", dtype, shape)]
    made = helper.make_graph(nodes, "encoder", taken, outputs, [numpy_helper.from_array(weights, "weights")])
    opsets = [helper.make_opsetid(name, 17) for name in {"", domain}]
    return bytes(helper.make_model(made, opset_imports=opsets, ir_version=8).SerializeToString())


def write_graph(path: Path, *args: Any, **changes: Any) -> Path:
    """Write a graph; return its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(graph(*args, **changes))
    return path


def write_keras(path: Path, size: int = 16, channels: int = 3) -> Path:
    """Write the Keras network that computes the same as `graph`, compiled as if it was trained; return its path."""
    import keras

    import cascade.estimators.neural  # noqa: F401  (imports Keras quietly)

    taken = keras.Input((size, size, channels))
    states = keras.layers.Conv2D(COLUMNS, 3, strides=2, activation="relu", use_bias=False)(taken)
    network = keras.Model(taken, keras.layers.GlobalAveragePooling2D()(states))
    network.layers[1].set_weights([kernel(channels).transpose(2, 3, 1, 0)])
    network.compile(optimizer="adam", loss="mse")
    path.parent.mkdir(parents=True, exist_ok=True)
    network.save(path)
    return path


def encoded(images: NDArray[Any], seed: int = 0, columns: int = COLUMNS) -> NDArray[np.float64]:
    """Compute what `graph` does of images (n, height, width, channels), by sums over shifted images."""
    pixels, weights = images.astype(np.float64), kernel(images.shape[3], columns, seed)
    side = (images.shape[1] - 3) // 2 + 1
    states = sum(
        pixels[:, row : row + 2 * side - 1 : 2, column : column + 2 * side - 1 : 2] @ weights[:, :, row, column].T
        for row in range(3)
        for column in range(3)
    )
    return np.asarray(np.maximum(states, 0).mean(axis=(1, 2)))


def marked_images(n: int, size: int, seed: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return noise, and two labels: a red part and a blue part of an image."""
    rng = np.random.default_rng(seed)
    Y = (rng.random((n, 2)) < (0.2, 0.12)).astype(np.int64)
    X = rng.integers(0, 120, (n, size, size, 3)).astype(np.uint8)
    quarter = size // 4
    X[Y[:, 0] == 1, quarter : 3 * quarter, quarter : 3 * quarter, 0] += 60
    X[Y[:, 1] == 1, : 2 * quarter, quarter:, 2] += 50
    return X, Y


def write_images(folder: Path, n: int, size: int, seed: int) -> None:
    """Write images as PNG files with the list `labels.csv`."""
    X, Y = marked_images(n, size, seed)
    folder.mkdir(parents=True, exist_ok=True)
    names = [f"{number:04d}.png" for number in range(n)]
    for name, image in zip(names, X, strict=True):
        Image.fromarray(image).save(folder / name)
    frame = pd.DataFrame({"file": names, "scratch": Y[:, 0], "dent": Y[:, 1]})
    frame.to_csv(folder / "labels.csv", index=False)
