"""The Keras adapter: scikit-learn's manners, same seed same network, shapes fixed, NaN stopped."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis.strategies import floats, integers
from scipy import sparse
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.multiclass import OneVsRestClassifier

from cascade import BalancedBinaryRelevance, CascadeClassifier, KerasClassifier
from cascade.data import read_data
from cascade.data.rows import RowView
from cascade.errors import ConfigError, DataError
from cascade.estimators.neural.batches import IndexedBatches
from cascade.estimators.neural.networks import NETWORKS, build_network
from cascade.estimators.neural.standardisation import moments


@pytest.fixture(scope="module")
def table() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    X = rng.normal(3, 5, size=(3000, 4)).astype(np.float32)
    return X, (X[:, :2] > 5).astype(int)


def test_binary_and_multilabel_targets(table: tuple[np.ndarray, np.ndarray]) -> None:
    X, Y = table
    binary = KerasClassifier("mlp", epochs=5).fit(X, Y[:, 0])
    assert binary.predict_proba(X).shape == (3000, 2)
    assert roc_auc_score(Y[:, 0], binary.predict_proba(X)[:, 1]) > 0.98
    many = KerasClassifier("mlp", epochs=5).fit(X, Y)
    assert many.predict_proba(X).shape == (3000, 2)
    assert roc_auc_score(Y, many.predict_proba(X)) > 0.98
    assert many.predict(X).shape == Y.shape
    np.testing.assert_array_equal(binary.classes_, [0, 1])


def test_clone_keeps_every_parameter() -> None:
    model = KerasClassifier("cnn", network_options={"width": 12}, epochs=3, random_state=4)
    assert clone(model).get_params() == model.get_params()


def test_same_seed_same_network_and_another_seed_another(table: tuple[np.ndarray, np.ndarray]) -> None:
    X, Y = table
    answers = [KerasClassifier("mlp", epochs=2, random_state=s).fit(X, Y).predict_proba(X) for s in (1, 1, 2)]
    np.testing.assert_array_equal(answers[0], answers[1])
    assert not np.array_equal(answers[0], answers[2])


def test_training_leaves_the_callers_random_numbers_alone(table: tuple[np.ndarray, np.ndarray]) -> None:
    X, Y = table
    np.random.seed(5)  # noqa: NPY002
    expected = np.random.random()  # noqa: NPY002
    np.random.seed(5)  # noqa: NPY002
    KerasClassifier("mlp", epochs=1).fit(X[:200], Y[:200])
    assert np.random.random() == expected  # noqa: NPY002


def test_an_epoch_sees_each_row_once_in_an_order_of_its_own() -> None:
    X = np.arange(50, dtype=np.float32)[:, None]
    batches = IndexedBatches(X, np.zeros((50, 1), np.float32), None, np.arange(50), 8, seed=1)
    orders = []
    for _ in range(2):
        orders.append(np.concatenate([batches[i][0][:, 0] for i in range(len(batches))]))
        batches.on_epoch_end()
    assert sorted(orders[0]) == sorted(orders[1]) == list(range(50))
    assert not np.array_equal(*orders)


def test_nan_ends_training_with_a_sentence(table: tuple[np.ndarray, np.ndarray]) -> None:
    X, Y = table
    broken = X.copy()
    broken[7, 0] = np.nan
    with pytest.raises(DataError, match="not finite"):
        KerasClassifier("mlp", epochs=2, validation_size=0).fit(RowView(broken, np.arange(len(Y))), Y)
    with pytest.raises(DataError, match="contains NaN"):
        KerasClassifier("mlp", epochs=2, validation_size=0).fit(broken, Y)
    images = np.zeros((len(Y), 8, 8, 1), np.float32)
    images[-1, 3, 3] = np.inf
    with pytest.raises(DataError, match="not finite"):
        KerasClassifier("cnn", epochs=1, validation_size=0).fit(images, Y)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"network": "vgg"}, "`network` must be a function or one of"),
        ({"network": "cnn", "network_options": {"depth": 3}}, "network_options"),
        ({"epochs": 0}, "`epochs` must be a whole number of 1 or more. Received 0"),
        ({"learning_rate": 0.0}, "learning_rate"),
        ({"validation_size": 1.0}, "validation_size"),
    ],
)
def test_wrong_parameters_are_named(options: dict, sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        KerasClassifier(**options).fit(np.zeros((20, 32, 32, 1), np.uint8), np.arange(20) % 2)


@pytest.mark.parametrize("name", ["mobilenet_v3_small", "efficientnet_v2_b0"])
def test_applications_take_grey_and_colour(name: str) -> None:
    for channels in (1, 3):
        network = build_network(name, (32, 32, channels), 5, "uint8", {})
        assert network(np.zeros((2, 32, 32, channels), np.uint8)).shape == (2, 5)
    with pytest.raises(ConfigError, match="1 or 3 channels"):
        NETWORKS[name]((32, 32, 2), 5, "uint8")


def two_blocks(input_shape: tuple[int, ...], n_outputs: int, units: int = 4) -> keras.Model:
    inputs = keras.Input(input_shape)
    return keras.Model(inputs, keras.layers.Dense(n_outputs)(keras.layers.Dense(units, activation="relu")(inputs)))


def test_a_users_own_network(table: tuple[np.ndarray, np.ndarray]) -> None:
    X, Y = table
    model = KerasClassifier(two_blocks, network_options={"units": 7}, epochs=1).fit(X, Y)
    assert model.network_.layers[1].units == 7


def test_the_labeler_starts_from_the_gates_trunk(phantom_folder: Path) -> None:
    data = read_data(phantom_folder)
    gate = KerasClassifier("cnn", {"width": 6}, epochs=1)
    frozen = KerasClassifier("cnn", {"width": 6, "flip": True}, epochs=1, learning_rate=1e-12, batch_size=32)
    model = CascadeClassifier(gate, frozen, share_trunk=True).fit(data.X, data.Y, groups=data.groups)
    ours, theirs = (stage.network_.trainable_weights[0] for stage in (model.labeler_, model.gate_))
    np.testing.assert_allclose(ours, theirs, atol=1e-6)
    other = KerasClassifier("cnn", {"width": 9}, epochs=1)
    with pytest.raises(ConfigError, match="share_trunk"):
        CascadeClassifier(gate, other, share_trunk=True).fit(data.X, data.Y, groups=data.groups)


def test_a_warm_start_continues_from_the_weights_of_the_previous_fit(table: tuple[np.ndarray, np.ndarray]) -> None:
    X, Y = table
    model = KerasClassifier("mlp", epochs=3, validation_size=0.0, warm_start=True, random_state=0).fit(X, Y)
    before = [weight.copy() for weight in model.network_.get_weights()]
    model.set_params(learning_rate=1e-9, epochs=1).fit(X[:500], Y[:500])
    for old, new in zip(before, model.network_.get_weights(), strict=True):
        np.testing.assert_allclose(new, old, atol=1e-5)
    assert model.fit(X[:, :3], Y).network_.input_shape == (None, 3)
    # Another number of outputs is another network.
    assert model.fit(X, Y[:, 0]).network_.output_shape == (None, 1)
    cold = KerasClassifier("mlp", epochs=3, validation_size=0.0, random_state=0)
    again = cold.fit(X, Y).fit(X, Y).network_.get_weights()
    np.testing.assert_array_equal(again[-2], before[-2])


def trained_rows(caplog: pytest.LogCaptureFixture, stage: str) -> list[int]:
    lines = [record.getMessage() for record in caplog.records if record.getMessage().startswith(stage)]
    return [int(line.split(": ")[1].split(" ")[0]) for line in lines]


@pytest.mark.parametrize("pool", ["positives", "gated", "all"])
def test_a_pretrained_labeler_has_seen_all_fitting_rows_and_then_its_pool(
    pool: str, table: tuple[np.ndarray, np.ndarray], caplog: pytest.LogCaptureFixture
) -> None:
    X, Y = table[0], (table[0][:, :2] > 9).astype(int)
    network = KerasClassifier("mlp", epochs=4, learning_rate=0.002)
    cascade = CascadeClassifier(network, network, negative_pool=pool, pretrain="all")
    with caplog.at_level("INFO", "cascade.fitting"):
        model = cascade.fit(X, Y)
    fitted = model.predictor_.provenance["rows_fitted"]
    # It begins as the flat model.
    assert trained_rows(caplog, "flat model") == [fitted]
    rest = trained_rows(caplog, "labeler, fine-tuning")
    assert len(rest) == (0 if pool == "all" else 1)
    assert all(Y.any(axis=1).sum() * 0.7 < rows < fitted for rows in rest)
    # The settings of the fine-tuning are not those of the labeler.
    assert model.labeler_.get_params()["learning_rate"] == 0.002
    assert (model.labeler_.epochs, model.labeler_.warm_start) == (4, False)
    proba = model.predict_proba(X)
    np.testing.assert_allclose(proba.sum(axis=0), Y.sum(axis=0), rtol=0.3)


def test_balanced_networks_are_not_pretrained(table: tuple[np.ndarray, np.ndarray]) -> None:
    X, Y = table[0], (table[0][:, :2] > 9).astype(int)
    balanced = BalancedBinaryRelevance(KerasClassifier("mlp", epochs=1), n_bags=1)
    first, second = (
        CascadeClassifier(LogisticRegression(), balanced, pretrain=rows).fit(X, Y).predict_proba(X)
        for rows in ("none", "all")
    )
    np.testing.assert_array_equal(first, second)


def test_pretraining_does_not_change_other_estimators_and_is_checked(table: tuple[np.ndarray, np.ndarray]) -> None:
    X, Y = table[0], (table[0][:, :2] > 9).astype(int)
    linear = OneVsRestClassifier(LogisticRegression())
    first, second = (
        CascadeClassifier(LogisticRegression(), linear, pretrain=rows).fit(X, Y).predict_proba(X)
        for rows in ("none", "all")
    )
    np.testing.assert_array_equal(first, second)
    with pytest.raises(ConfigError, match="`pretrain` must be one of"):
        CascadeClassifier(LogisticRegression(), linear, pretrain="positives").fit(X, Y)


def test_images_on_disk_and_in_memory_give_the_same_cascade(png_folder: Path) -> None:
    data = read_data(png_folder)
    held, Y = data.X[np.arange(len(data))], data.Y[:, 3:5]
    model = CascadeClassifier(
        KerasClassifier("cnn", {"width": 6}, epochs=1, batch_size=16),
        BalancedBinaryRelevance(KerasClassifier("cnn", {"width": 6}, epochs=1, batch_size=16), n_bags=1),
    )
    on_disk = clone(model).fit(data.X, Y, groups=data.groups).predict_proba(data.X)
    in_memory = clone(model).fit(held, Y, groups=data.groups).predict_proba(held)
    assert np.unique(on_disk).size > len(data)
    np.testing.assert_array_equal(on_disk, in_memory)


def test_how_many_rows_are_read_at_a_time_never_changes_a_bit(
    phantom_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = read_data(phantom_folder)
    network = KerasClassifier("cnn", epochs=1, batch_size=64)
    model = CascadeClassifier(network, network, negative_pool="positives")
    predictor = model.fit(data.X, data.Y, groups=data.groups).predictor_
    whole = predictor.predict_proba(data.X, gate_threshold=0.1)
    for block in (64, 128, 640):
        monkeypatch.setattr("cascade.estimators.scoring.BLOCK", block)
        np.testing.assert_array_equal(predictor.predict_proba(data.X, gate_threshold=0.1), whole)
    # Float kernels may round by the place in a batch, so separate calls agree to rounding only.
    single = predictor.predict_proba(RowView(data.X, np.array([7])), gate_threshold=0.1)
    np.testing.assert_allclose(single[0], whole[7], atol=1e-6)


def test_sparse_labels_train_the_same_network() -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 4)).astype("float32")
    Y = (X[:, :3] + rng.normal(size=(300, 3)) > 1.5).astype(np.uint8)
    options = {"network_options": {"width": 8, "depth": 1}, "epochs": 3, "loss": "weighted"}
    dense = KerasClassifier("mlp", **options).fit(X, Y, groups=np.arange(300) // 3)
    given = KerasClassifier("mlp", **options).fit(X, sparse.csr_array(Y), groups=np.arange(300) // 3)
    np.testing.assert_array_equal(given.predict_proba(X), dense.predict_proba(X))


def test_a_shared_trunk_computes_with_the_means_that_it_is_saved_with() -> None:
    from cascade.estimators.neural.networks import build_network, copy_trunk
    from cascade.estimators.neural.standardisation import NORMALIZATION

    X = np.random.default_rng(0).normal(5, 3, size=(200, 4)).astype(np.float32)
    source, target = (build_network("mlp", (4,), n, "float32", {}) for n in (1, 3))
    source.get_layer(NORMALIZATION).adapt(X)
    target.get_layer(NORMALIZATION).adapt(X[:20] - 1)
    copy_trunk(source, target)
    before, after = (network.get_layer(NORMALIZATION)(X) for network in (source, target))
    np.testing.assert_array_equal(np.asarray(before), np.asarray(after))


def test_rare_columns_are_bounded_and_constant_ones_have_no_effect() -> None:
    rng = np.random.default_rng(0)
    X = np.zeros((4000, 5), np.float32)
    X[:, 0] = rng.normal(1000, 0.5, 4000)
    X[:, 1] = rng.lognormal(3, 2, 4000)
    X[17, 2] = 0.3  # one row in 4,000
    X[:, 3] = 7
    y = (X[:, 0] > 1000).astype(int)
    for rows in (X, sparse.csr_matrix(X)):
        model = KerasClassifier("mlp", epochs=3, validation_size=0).fit(rows, y)
        clipped = keras.Model(model.network_.inputs, model.network_.layers[2].input).predict(X, verbose=0)
        assert abs(clipped).max() == pytest.approx(5)
        np.testing.assert_allclose(clipped[:, 0], np.clip((X[:, 0] - X[:, 0].mean()) / X[:, 0].std(), -5, 5), atol=2e-3)
        np.testing.assert_array_equal(clipped[:, 3:], 0)
        other = X[:50].copy()
        other[:, 3:] = 1e6
        np.testing.assert_array_equal(model.predict_proba(other), model.predict_proba(X[:50]))


@given(offset=floats(-1e4, 1e4), scale=floats(0.01, 100), seed=integers(0, 99))
@settings(max_examples=25)
def test_moments_of_sparse_rows_are_those_of_dense_ones(offset: float, scale: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    X = np.where(rng.random((60, 3)) < 0.4, rng.normal(offset, scale, (60, 3)), 0).astype(np.float32)
    rows = np.flatnonzero(rng.random(60) < 0.8)
    for given_rows in (X, sparse.csr_matrix(X)):
        mean, variance = moments(given_rows, rows)
        exact = X[rows].astype(np.float64)
        np.testing.assert_allclose(mean, exact.mean(axis=0), rtol=1e-6, atol=1e-9)
        np.testing.assert_allclose(variance, exact.var(axis=0), rtol=1e-4)
