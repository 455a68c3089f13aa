"""Networks of users are built with the shape of a row, and refused by name unless they return logits."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

keras = pytest.importorskip("keras")

from keras.src.backend.common import global_state  # noqa: E402

from cascade import KerasClassifier  # noqa: E402
from cascade.errors import ConfigError  # noqa: E402
from cascade.store.parts import load_part, save_part  # noqa: E402
from cascade.store.plain_file import ModelFiles  # noqa: E402

Network = Callable[[tuple[int, ...], int], Any]


class Subclassed(keras.Model):
    """A network without an input layer, whose layers Keras knows only once it is called."""

    def __init__(self, n_outputs: int, sigmoid: bool) -> None:
        super().__init__()
        self.outer = keras.layers.Dense(n_outputs)
        self.inner = keras.layers.Dense(8, activation="relu")
        self.sigmoid = sigmoid

    def call(self, rows: Any) -> Any:
        z = self.outer(self.inner(rows))
        return keras.ops.sigmoid(z) if self.sigmoid else z


def ending(last: Callable[[Any], Any]) -> Network:
    """Return a function that makes a functional network with this last step."""

    def network(shape: tuple[int, ...], n: int) -> Any:
        rows = keras.Input(shape)
        hidden = keras.layers.Dense(8, activation="relu")(rows)
        return keras.Model(rows, last(keras.layers.Dense(n)(hidden)))

    return network


def outputs(make: Callable[[Any, int], Any]) -> Network:
    def network(shape: tuple[int, ...], n: int) -> Any:
        rows = keras.Input(shape)
        return keras.Model(rows, make(rows, n))

    return network


@pytest.fixture
def data() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(240, 6)).astype(np.float32)
    return X, (X[:, :3] + rng.normal(size=(240, 3)) > 1).astype(int)


@pytest.mark.parametrize("n_labels", [1, 3])
@pytest.mark.parametrize(
    "network",
    [
        ending(keras.ops.sigmoid),
        ending(keras.ops.tanh),
        ending(keras.ops.relu),
        ending(keras.ops.log_sigmoid),
        ending(lambda z: keras.layers.Activation("hard_sigmoid")(z)),
        ending(lambda z: keras.ops.clip(z, 0, 1)),
        outputs(lambda rows, n: keras.layers.Dense(n, activation="sigmoid")(rows)),
        lambda shape, n: Subclassed(n, sigmoid=True),
    ],
)
def test_probabilities_are_not_taken_for_logits(
    network: Network, n_labels: int, data: tuple[np.ndarray, np.ndarray]
) -> None:
    X, Y = data
    with pytest.raises(ConfigError, match="must return logits"):
        KerasClassifier(network, epochs=1).fit(X, Y[:, :n_labels])


def test_a_softmax_over_the_labels_is_not_taken_for_logits(data: tuple[np.ndarray, np.ndarray]) -> None:
    with pytest.raises(ConfigError, match="must return logits"):
        KerasClassifier(ending(keras.ops.softmax), epochs=1).fit(*data)


@pytest.mark.parametrize(
    "network",
    [
        ending(lambda z: z),
        ending(lambda z: 10 * keras.ops.tanh(z / 10)),
        outputs(lambda rows, n: keras.layers.Dense(n, kernel_initializer="zeros")(rows)),
        lambda shape, n: keras.Sequential([keras.layers.Dense(8, activation="relu"), keras.layers.Dense(n)]),
        lambda shape, n: Subclassed(n, sigmoid=False),
    ],
)
def test_logits_are_taken_and_the_initial_weights_are_those_of_the_network(
    network: Network, data: tuple[np.ndarray, np.ndarray]
) -> None:
    X, Y = data
    model = KerasClassifier(network, epochs=1, learning_rate=1e-12).fit(X, Y)
    keras.utils.set_random_seed(0)
    fresh = network((6,), 3)
    expected = np.asarray(fresh(X))
    np.testing.assert_allclose(model.predict_log_odds(X), expected, atol=1e-4)


@pytest.mark.parametrize(
    ("network", "sentence"),
    [
        (lambda shape, n: None, "Keras model. Received NoneType"),
        (outputs(lambda rows, n: keras.layers.Dense(n + 1)(rows)), r"shape \(n, 3\), one logit .* shape \(n, 4\)"),
        (outputs(lambda rows, n: {"logits": keras.layers.Dense(n)(rows)}), "one output .* Received a dict"),
        (outputs(lambda rows, n: [keras.layers.Dense(n)(rows)] * 2), "one output .* Received a list"),
        (
            outputs(lambda rows, n: keras.layers.Dense(n)(keras.layers.Reshape((2, 3))(rows))),
            r"Received shape \(n, 2, 3\)",
        ),
    ],
)
def test_a_network_of_another_shape_is_refused_by_name(
    network: Network, sentence: str, data: tuple[np.ndarray, np.ndarray]
) -> None:
    name = network.__name__
    with pytest.raises(ConfigError, match=f"`network` function '{name}' must return .*{sentence}"):
        KerasClassifier(network, epochs=1).fit(*data)


def test_what_a_loaded_or_refused_file_declares_is_not_allocated_later(tmp_path: Path) -> None:
    X = np.random.default_rng(0).normal(size=(60, 3)).astype(np.float32)
    model = KerasClassifier("mlp", {"width": 4}, epochs=1, validation_size=0.0).fit(X, (X[:, 0] > 0).astype(int))
    load_part(save_part(model, tmp_path, "gate"), ModelFiles(tmp_path))
    assert not global_state.get_global_attribute("uninitialized_variables")

    class Twice(keras.Model):
        def __init__(self) -> None:
            super().__init__()
            self.head = keras.layers.Dense(1)

        def call(self, inputs: Any) -> Any:
            return self.head(inputs)

    # Built symbolically, which gives values to all variables that Keras has noted without one.
    own = KerasClassifier(lambda shape, n: Twice(), epochs=1, validation_size=0.0)
    assert own.fit(X, (X[:, 0] > 0).astype(int)).predict_proba(X).shape == (60, 2)
