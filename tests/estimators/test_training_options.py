"""Options of the optimisation: each has its effect, and a killed training ends with the same weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("keras")

import keras

from cascade import KerasClassifier
from cascade.config.build import build_model
from cascade.config.models import KerasModel
from cascade.config.schema import RunConfig
from cascade.data import Dataset
from cascade.errors import ConfigError
from cascade.estimators.neural.training.options import TrainingOptions
from cascade.estimators.resumption import resumable
from cascade.utils.keys import key_of
from cascade_pipelines.steps.run_data import key_content
from tests.estimators.test_resumed_training import Killed, assert_equal, epochs_of, killed_until_done, weights

RNG = np.random.default_rng(0)
X = RNG.normal(size=(256, 4)).astype(np.float32)
Y = np.column_stack([X[:, 0] > 0, X[:, 1] > 1]).astype(np.uint8)


def mlp(training: Any = None, **options: Any) -> KerasClassifier:
    given = {"epochs": 3, "batch_size": 64, "validation_size": 0.0, "random_state": 0}
    return KerasClassifier("mlp", {"width": 4}, training=training, **{**given, **options})


def rates(model: KerasClassifier) -> list[float]:
    """Return the learning rate before each step of a training."""
    seen: list[float] = []

    class Noted(keras.callbacks.Callback):
        def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
            seen.append(float(self.model.optimizer.learning_rate))

    model.set_params(callbacks=lambda: [Noted()]).fit(X, Y)
    return seen


def test_without_options_a_training_is_what_it_was() -> None:
    for one, other in zip(
        weights(mlp().fit(X, Y)), weights(mlp({"warm_up": 0, "weight_decay": 0}).fit(X, Y)), strict=True
    ):
        np.testing.assert_array_equal(one, other)


def test_the_learning_rate_rises_and_then_falls_along_a_cosine() -> None:
    steps = np.arange(12)
    falling = 0.01 * (1 + np.cos(np.pi * np.maximum(steps - 4, 0) / 8)) / 2
    expected = np.where(steps < 4, 0.01 * steps / 4, falling)
    np.testing.assert_allclose(rates(mlp({"warm_up": 1}, learning_rate=0.01)), expected, rtol=1e-5, atol=1e-9)


def test_decay_makes_weights_smaller_and_leaves_biases_alone() -> None:
    plain, decayed = mlp().fit(X, Y).network_, mlp({"weight_decay": 5.0}, learning_rate=0.01).fit(X, Y).network_
    norm = [np.linalg.norm(network.layers[-1].get_weights()[0]) for network in (plain, decayed)]
    assert norm[1] < 0.8 * norm[0]
    # One step with a gradient of 0 changes what is decayed alone: by its share of the learning rate.
    dense = keras.layers.Dense(2)
    dense.build((None, 3))
    dense.bias.assign([1.0, 1.0])
    before = dense.get_weights()
    options = TrainingOptions.of({"weight_decay": 0.5})
    optimizer = options.optimizer(options.schedule(0.1, 1, 10))
    optimizer.build(dense.trainable_variables)
    optimizer.apply([np.zeros_like(one) for one in before])
    np.testing.assert_allclose(dense.get_weights()[0], (1 - 0.1 * 0.5) * before[0], rtol=1e-6)
    np.testing.assert_array_equal(dense.get_weights()[1], before[1])


def test_the_average_is_that_of_the_weights_after_each_step() -> None:
    seen: list[list[np.ndarray]] = []

    class Noted(keras.callbacks.Callback):
        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            seen.append(self.model.get_weights())

    model = mlp({"averaging": 0.8}, callbacks=lambda: [Noted()]).fit(X, Y)
    # The first step begins the average.
    average = seen[0]
    for values in seen[1:]:
        average = [0.8 * mean + 0.2 * value for mean, value in zip(average, values, strict=True)]
    head = model.network_.layers[-1].get_weights()
    for one, other in zip(head, average[-2:], strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)
    # The last weights themselves are others.
    assert np.abs(head[0] - seen[-1][-2]).max() > 1e-4


def test_frozen_epochs_train_the_head_alone_and_then_all_at_a_smaller_rate() -> None:
    trunks: list[np.ndarray] = []
    taken: list[float] = []

    class Noted(keras.callbacks.Callback):
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            trunks.append(self.model.layers[-2].get_weights()[0])

        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            taken.append(float(self.model.optimizer.learning_rate))

    model = mlp({"frozen_epochs": 2, "unfrozen_rate": 0.25}, epochs=2, learning_rate=0.02, callbacks=lambda: [Noted()])
    model.fit(X, Y)
    assert len(trunks) == 4
    np.testing.assert_array_equal(trunks[0], trunks[1])
    assert np.abs(trunks[2] - trunks[1]).max() > 1e-4
    # Each phase has a cosine of its own.
    np.testing.assert_allclose(taken, [0.02, 0.01, 0.005, 0.0025], rtol=1e-5)
    assert all(layer.trainable for layer in model.network_.layers)
    # A trained network has no new head to protect.
    trunks.clear()
    model.set_params(warm_start=True).fit(X, Y)
    assert len(trunks) == 2


OPTIONS = {"weight_decay": 0.01, "warm_up": 0.5, "averaging": 0.9, "frozen_epochs": 2}


def test_a_killed_training_with_all_options_ends_with_the_same_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    undisturbed = weights(mlp(OPTIONS).fit(X, Y))
    resumed, starts = killed_until_done(lambda: mlp(OPTIONS).fit(X, Y), tmp_path, monkeypatch)
    # Five epochs and the ends of two phases.
    assert starts == 8
    assert_equal(weights(resumed), undisturbed)


def figures_of(folder: Path) -> list[dict[str, dict[int, float]]]:
    """Return the figures of each training by name and epoch, in the order in which the trainings began."""
    import tensorflow as tf

    found = []
    for training in sorted(folder.iterdir()):
        (events,) = training.iterdir()
        figures: dict[str, dict[int, float]] = {}
        for record in tf.data.TFRecordDataset(str(events)):
            event = tf.compat.v1.Event.FromString(record.numpy())
            for value in event.summary.value:
                figures.setdefault(value.tag, {})[event.step] = float(tf.make_ndarray(value.tensor))
        found.append(figures)
    return found


def test_figures_for_tensorboard_are_those_of_each_epoch_and_change_no_weight(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    logs = tmp_path / "logs" / "new"
    with caplog.at_level("INFO", "cascade.training"):
        model = mlp({"tensorboard": str(logs), "frozen_epochs": 1}, n_networks=2).fit(X, Y)
    for one, other in zip(weights(model), weights(mlp({"frozen_epochs": 1}, n_networks=2).fit(X, Y)), strict=True):
        np.testing.assert_array_equal(one, other)
    found = figures_of(logs)
    # Two networks in two phases.
    assert [list(each["epoch_loss"]) for each in found] == [[1], [1, 2, 3]] * 2
    shown = [float(line.split("loss ")[1].split(",")[0]) for line in caplog.messages if "epoch" in line]
    written = [value for each in found for value in each["epoch_loss"].values()]
    np.testing.assert_allclose(written, shown[: len(written)], atol=1e-4)
    # The rate after each epoch, along a cosine to 0.
    np.testing.assert_allclose(list(found[1]["epoch_learning_rate"].values()), [1.5e-4, 0.5e-4, 0], atol=1e-7)


def test_a_killed_training_with_figures_for_tensorboard_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    undisturbed, model = weights(mlp().fit(X, Y)), mlp({"tensorboard": str(tmp_path / "logs")})
    with monkeypatch.context() as killing, resumable(tmp_path / "states"):
        epochs_of(killing, kill_after=2)
        with pytest.raises(Killed):
            model.fit(X, Y)
    with resumable(tmp_path / "states"):
        resumed = model.fit(X, Y)
    for one, other in zip(weights(resumed), undisturbed, strict=True):
        np.testing.assert_array_equal(one, other)
    assert [list(each["epoch_loss"]) for each in figures_of(tmp_path / "logs")] == [[1, 2], [3]]


def test_an_own_optimizer_gets_the_learning_rate() -> None:
    model = mlp(optimizer=lambda rate: keras.optimizers.SGD(rate, momentum=0.9), learning_rate=0.05)
    assert rates(model)[0] == pytest.approx(0.05)
    assert not np.array_equal(weights(model)[-2], weights(mlp(learning_rate=0.05).fit(X, Y))[-2])


def test_trainings_of_other_networks_and_optimizers_are_not_shared(tmp_path: Path) -> None:
    """A function that was edited, an optimizer of another kind, and rows that were encoded otherwise."""

    def own(activation: str) -> Any:
        def network(shape: tuple[int, ...], n_outputs: int) -> keras.Model:
            inputs = keras.Input(shape)
            return keras.Model(inputs, keras.layers.Dense(n_outputs)(keras.layers.Dense(4, activation)(inputs)))

        return network

    def momentum(value: float) -> Any:
        return lambda rate: keras.optimizers.SGD(rate, momentum=value)

    def fitted(network: Any, rows: np.ndarray = X, **options: Any) -> np.ndarray:
        model = KerasClassifier(network, epochs=2, batch_size=64, validation_size=0.0, random_state=0, **options)
        return model.fit(rows, Y).predict_log_odds(rows)

    cases = [
        (own("relu"), {}),
        (own("tanh"), {}),
        ("mlp", {"optimizer": momentum(0.0)}),
        ("mlp", {"optimizer": momentum(0.9)}),
        ("embedding_bag", {"rows": X}),
        ("embedding_bag", {"rows": 3 * X}),
    ]
    alone = [fitted(network, **options) for network, options in cases]
    with resumable(tmp_path):
        for (network, options), expected in zip(cases, alone, strict=True):
            # The second time it was trained before, and found again.
            for _ in range(2):
                np.testing.assert_array_equal(fitted(network, **options), expected)
    assert len(list(tmp_path.rglob("*.npz"))) == len(cases) or len([*tmp_path.iterdir()]) == len(cases)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"optimizer": lambda rate: None}, r"`optimizer` must return a Keras optimizer. Received NoneType"),
        ({"optimizer": lambda: None}, r"`optimizer` must be a function of the learning rate"),
        ({"callbacks": lambda: None}, r"`callbacks` must return a list of Keras callbacks"),
        (
            {"training": {"weight_decay": 0.1}, "optimizer": keras.optimizers.SGD},
            r"`optimizer` must be left out with `weight_decay`",
        ),
        ({"training": {"weight_decay": -1}}, r"`training.weight_decay` must be a number of 0 or more"),
        ({"training": {"averaging": 1.0}}, r"`training.averaging` must be a number of 0 or more, and less than 1"),
        ({"training": {"tensorboard": 3}}, r"`training.tensorboard` must be the path of a folder. Received 3"),
        ({"training": {"tensorboard": __file__}}, r"`training.tensorboard` must be a folder that can be made"),
        ({"training": {"frozen_epochs": 1.5}}, r"`training.frozen_epochs` must be a whole number"),
        ({"training": {"unfrozen_rate": 0}}, r"`training.unfrozen_rate` must be a positive number"),
        ({"training": {"decay": 1}}, r"`training` must have options of .*Received 'decay'"),
        ({"training": 3}, r"`training` must be a mapping"),
        ({"training": {"averaging": 0.9}, "validation_size": 0.2}, r"`validation_size` must be 0 with"),
        ({"callbacks": [1]}, r"`callbacks` must be a function"),
    ],
)
def test_wrong_options_are_refused_in_one_sentence(options: dict[str, Any], match: str) -> None:
    with pytest.raises(ConfigError, match=match):
        mlp(**options).fit(X, Y)


def test_a_config_names_options_and_an_own_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own_networks.py").write_text(
        "import keras\n"
        "def wide(shape, n_outputs, width=3):\n"
        "    inputs = keras.Input(shape)\n"
        "    return keras.Model(inputs, keras.layers.Dense(n_outputs)(keras.layers.Dense(width)(inputs)))\n"
    )
    monkeypatch.chdir(tmp_path)
    data = Dataset(X, Y, ("first", "second"), None, np.arange(len(X)).astype(str))
    part = KerasModel(
        network="own_networks:wide", network_options={"width": 5}, training={"weight_decay": 0.1}, epochs=1
    )
    model = build_model(part, data)
    assert model.training["weight_decay"] == 0.1
    assert model.fit(X, Y).network_.layers[1].units == 5
    (tmp_path / "broken_networks.py").write_text("def wide(:\n")
    with pytest.raises(ConfigError, match="`network` must be a function, and 'own_networks:keras' is none"):
        build_model(KerasModel(network="own_networks:keras"), data)
    for name in ("own_networks:absent", "absent_module:wide", "broken_networks:wide"):
        with pytest.raises(ConfigError, match=rf"`network` must be a function that can be imported, '{name}'"):
            build_model(KerasModel(network=name), data)
    # A run begins again where the code of the function was edited.
    config = RunConfig.model_validate(
        {"name": "own", "data": {"path": "t.csv"}, "gate": {"network": "own_networks:wide"}}
    )
    before = key_of(key_content(config))
    assert key_of(key_content(config)) == before
    (tmp_path / "own_networks.py").write_text("wide = None\n")
    assert key_of(key_content(config)) != before
    with pytest.raises(ValueError, match="must be one of mlp"):
        KerasModel(network="own_networks.wide")
