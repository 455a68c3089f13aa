"""Networks trained on samples: what they are fed, what is taken off again, and what is saved with them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from scipy import sparse
from scipy.special import expit

from cascade import CascadeClassifier, CascadePredictor, KerasClassifier
from cascade.config.yaml_file import load_config
from cascade.data import read_data
from cascade.data.rows import RowView
from cascade.datasets.phantom import PhantomImages, write_phantom
from cascade.errors import ConfigError, DataError, ModelRefusedError
from cascade.estimators.neural.batches import SampledBatches, TiltedBatches
from cascade.estimators.neural.losses import LogitLoss
from cascade.estimators.neural.networks import build_network
from cascade.estimators.sampling import PastedRows, class_ratios, draw_donors, draw_rare, rarity_weights
from cascade_pipelines.compare import contenders_of

SMALL: dict[str, Any] = {"network_options": {"width": 8, "depth": 1}, "epochs": 2}


def drawn(n: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Features, labels and true probabilities: one rare label, two others."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 4)).astype("float32")
    p = expit(X[:, :3] * 1.5 - [5.5, 3.0, 2.5])
    return X, (rng.random(p.shape) < p).astype(np.uint8), p


def epoch(batches: SampledBatches) -> tuple[np.ndarray, np.ndarray]:
    """First feature and labels of all rows of an epoch."""
    parts = [batches[number] for number in range(len(batches))]
    return np.concatenate([part[0][:, 0] for part in parts]), np.concatenate([part[1] for part in parts])


@pytest.mark.parametrize(
    ("option", "moved"),
    [
        ("rare", [0]),
        ({"kind": "rare", "gamma": 1.0}, [0]),
        ({"kind": "ml_ros", "share": 1.0}, [0]),
        ({"kind": "lp_rus", "share": 0.5}, [1, 2]),
    ],
)
def test_sums_of_probabilities_are_right_and_far_off_without_the_correction(option: Any, moved: list[int]) -> None:
    X, Y, _ = drawn(12_000, 1)
    other, _, p = drawn(12_000, 2)
    speed = {"epochs": 12, "batch_size": 256, "learning_rate": 0.006}
    model = KerasClassifier("mlp", {"width": 16, "depth": 1}, **speed, sampling=option).fit(X, Y)
    z = model.predict_log_odds(other)
    raw = (expit(z - model.sampling_shift_).sum(axis=0) / p.sum(axis=0))[moved]
    ratio = (model.predict_proba(other).sum(axis=0) / p.sum(axis=0))[moved]
    # Three standard errors of the number of positives: 111 of the rare label, 1,110 and 1,646 of the others.
    assert (abs(ratio - 1) < 3 / np.sqrt(Y[:, moved].sum(axis=0))).all()
    assert (abs(np.log(raw)) > np.log(1.35)).all()


def test_each_epoch_draws_its_own_rows_and_all_have_the_same_number() -> None:
    _, Y, _ = drawn(400, 0)
    X = np.arange(400, dtype=np.float32)[:, None]
    rows = np.arange(50, 350)
    for option in ("rare", "ml_ros", "lp_ros", "ml_rus", "lp_rus"):
        batches = SampledBatches(X, Y.astype(np.float32), None, rows, 64, 3, option)
        first, labels = epoch(batches)
        batches.on_epoch_end()
        second, _ = epoch(batches)
        assert set(first) | set(second) <= set(rows)
        assert len(first) == len(second)
        assert sorted(first) != sorted(second)
        np.testing.assert_array_equal(labels, Y[first.astype(int)])
        again = SampledBatches(X, Y.astype(np.float32), None, rows, 64, 3, option)
        np.testing.assert_array_equal(epoch(again)[0], first)


def test_the_recorded_ratios_are_those_of_the_rows_drawn_with_their_weights() -> None:
    _, Y, _ = drawn(400, 0)
    weight = np.random.default_rng(0).uniform(0.5, 2, 400).astype(np.float32)
    X, rows = np.arange(400, dtype=np.float32)[:, None], np.arange(50, 350)
    batches = SampledBatches(X, sparse.csr_array(Y.astype(np.float32)), weight, rows, 64, 3, "rare")
    taken = epoch(batches)[0].astype(int)
    np.testing.assert_array_equal(np.concatenate([batches[n][2] for n in range(len(batches))]), weight[taken])
    expected = class_ratios(Y[rows], Y[taken], weight[rows].astype(float), weight[taken].astype(float))
    np.testing.assert_allclose(batches.ratios(), expected)
    assert (batches.ratios()[:, 1] > 1).any()


def test_fewer_rows_than_a_batch_train() -> None:
    X, Y = np.eye(9, 4, dtype=np.float32), np.eye(9, 3, dtype=np.uint8)
    before = KerasClassifier("mlp", **{**SMALL, "epochs": 1}, learning_rate=1e-12, validation_size=0).fit(X, Y)
    start = before.predict_log_odds(X)
    for option in ("rare", "ml_ros", "ml_rus", "lp_ros", "lp_rus"):
        model = KerasClassifier("mlp", **SMALL, batch_size=128, validation_size=0, sampling=option).fit(X, Y)
        assert len(SampledBatches(X, Y.astype(np.float32), None, np.arange(9), 128, 0, option)) == 1
        assert np.abs(model.predict_log_odds(X) - start).max() > 1e-4


def test_validation_rows_keep_their_prevalence_and_weigh_each_class_as_it_is_drawn() -> None:
    X, Y = np.arange(6, dtype=np.float32)[:, None], np.array([[1, 0], [0, 0]] * 3, np.float32)
    ratios = np.array([[0.5, 2.0], [0.25, 4.0]])
    rows, labels, weight = TiltedBatches(X, Y, None, np.arange(6), 6, ratios)[0]
    np.testing.assert_array_equal(rows, X)
    np.testing.assert_array_equal(labels, Y)
    np.testing.assert_allclose(weight, [[2.0, 0.25], [0.5, 0.25]] * 3)
    own = np.arange(1, 7, dtype=np.float32)
    np.testing.assert_allclose(TiltedBatches(X, Y, own, np.arange(6), 6, ratios)[0][2], weight * own[:, None])


def test_early_stopping_is_given_rows_that_training_has_not_each_once(monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[Any] = []
    monkeypatch.setattr("cascade.estimators.neural.classifier.train_network", lambda *given: taken.extend(given))
    X, Y, _ = drawn(600, 0)
    model = KerasClassifier("mlp", **SMALL, sampling="rare", validation_size=0.1).fit(X, Y, groups=np.arange(600) // 3)
    _, training, validation, plan, *_ = taken
    assert isinstance(validation, TiltedBatches)
    assert isinstance(plan.loss, LogitLoss)
    assert sorted([*training.rows, *validation.order]) == list(range(600))
    ratios = validation.ratios.astype(float)
    np.testing.assert_allclose(np.log(ratios[:, 0] / ratios[:, 1]), model.sampling_shift_, atol=1e-6)


def test_the_shift_travels_with_a_saved_model_and_a_forged_one_is_refused(tmp_path: Path) -> None:
    from cascade.store.keras_file import load_network, save_network
    from cascade.store.plain_file import ModelFiles

    X, Y, _ = drawn(1500, 3)
    labeler = KerasClassifier("mlp", **SMALL, sampling={"kind": "rare", "gamma": 1.0}, loss="weighted")
    model = CascadeClassifier(KerasClassifier("mlp", **SMALL), labeler).fit(X, Y)
    assert abs(model.labeler_.sampling_shift_[0]) > 1
    model.save(tmp_path / "model")
    np.testing.assert_array_equal(CascadePredictor.load(tmp_path / "model").predict_proba(X), model.predict_proba(X))
    spec = save_network(model.labeler_, tmp_path / "labeler.keras")
    for forged in ([0.0], [0.0, 0.0, float("nan")], [1e9, 0.0, 0.0], "none", None):
        with pytest.raises(ModelRefusedError, match="`sampling_shift`"):
            load_network({**spec, "sampling_shift": forged}, ModelFiles(tmp_path))


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"sampling": "smote"}, "`sampling` must be one of"),
        ({"sampling": "rare", "loss": "softmax"}, "`sampling` needs a loss with one value per label"),
        ({"sampling": {"kind": "rare", "paste": 0.5}}, "pasting needs an `X` with masks of findings"),
    ],
)
def test_sampling_that_cannot_be_done_is_refused(options: dict[str, Any], sentence: str) -> None:
    X, Y, _ = drawn(200, 0)
    with pytest.raises(ConfigError, match=sentence):
        KerasClassifier("mlp", **SMALL, **options).fit(X, Y)


def test_one_label_has_no_rarity() -> None:
    X, Y, _ = drawn(200, 0)
    with pytest.raises(ConfigError, match="`sampling` needs two labels or more"):
        KerasClassifier("mlp", **SMALL, sampling="rare").fit(X, Y[:, 1])


def test_configs_take_sampling_and_name_what_is_wrong_with_it(tmp_path: Path) -> None:
    path = tmp_path / "run.yaml"
    path.write_text("name: a\ndata: {path: x}\nlabeler: {model: {sampling: {kind: rare, gamma: 0.7}}}\n")
    assert load_config(path).labeler.model.sampling == {"kind": "rare", "gamma": 0.7}
    with pytest.raises(ConfigError, match=r"labeler\.model\.sampling`.*`share` must be in \[1e-06, 0\.9\]"):
        load_config(path, ["labeler.model.sampling={kind: ml_rus, share: 2}"])
    for override in ("gate={sampling: rare}", "labeler.strategy=balanced"):
        with pytest.raises(ConfigError, match="must have no `sampling`"):
            load_config(path, [override])


def test_compare_samples_for_the_models_of_all_labels_alone(scans: Path, tmp_path: Path) -> None:
    path = tmp_path / "run.yaml"
    path.write_text(f"name: a\ndata: {{path: {scans}}}\nlabeler: {{model: {{sampling: rare}}}}\n")
    found = contenders_of(load_config(path), read_data(scans), ("positives",))
    assert found["flat"].estimator.sampling == found["cascade, multi-label, positives"].labeler.sampling == "rare"
    assert found["cascade, balanced, positives"].labeler.estimator.sampling is None


def test_augmented_networks_change_images_in_training_alone_and_load_again(tmp_path: Path) -> None:
    options = {"width": 6, "augment": {"rotation": 0.1, "translation": 0.1, "zoom": 0.2, "contrast": 0.3}}
    network = build_network("cnn", (32, 32, 1), 2, "uint8", options)
    image = np.random.default_rng(0).integers(0, 255, (1, 32, 32, 1)).astype(np.uint8)
    plain = np.asarray(network(image, training=False))
    np.testing.assert_array_equal(plain, np.asarray(network(image, training=False)))
    changed = [np.asarray(network(image, training=True)) for _ in range(2)]
    assert not np.allclose(changed[0], plain, atol=1e-5)
    assert not np.allclose(changed[0], changed[1], atol=1e-5)
    network.save(tmp_path / "a.keras")
    loaded = keras.saving.load_model(tmp_path / "a.keras", safe_mode=True)
    np.testing.assert_array_equal(np.asarray(loaded(image, training=False)), plain)
    for augment in ({"shear": 0.1}, {"zoom": 0.9}, {"zoom": "much"}, [0.1]):
        with pytest.raises(ConfigError, match="`augment"):
            build_network("cnn", (32, 32, 1), 2, "uint8", {"augment": augment})


@pytest.fixture(scope="module")
def scans(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("scans") / "phantom"
    write_phantom(folder, rows=300, size=64, seed=1)
    return folder


def test_the_phantom_knows_where_its_findings_are(scans: Path) -> None:
    Y, X = read_data(scans).Y, PhantomImages(scans)
    masks = X.masks(np.arange(300))
    np.testing.assert_array_equal(masks.any(axis=(1, 2)), Y.any(axis=1))
    np.testing.assert_array_equal(X.masks(np.array([7, 7, 3])), masks[[7, 7, 3]])
    with np.load(scans / "findings.npz") as held:
        row, label, box = held["row"], held["label"], held["box"]
    np.testing.assert_array_equal(np.bincount(label), Y[:, :5].sum(axis=0))
    here = box[row == row[0]]
    rows, columns = np.nonzero(masks[row[0]])
    assert (rows.min(), columns.min()) == tuple(here[:, :2].min(axis=0))
    assert (rows.max() + 1, columns.max() + 1) == tuple(here[:, 2:].max(axis=0))


def test_a_pasted_finding_brightens_the_head_that_it_is_pasted_into(scans: Path) -> None:
    data, X = read_data(scans), PhantomImages(scans)
    donors = np.flatnonzero(data.Y[:, 4])
    rows = np.flatnonzero(~data.Y.any(axis=1))[: len(donors)]
    pasted = PastedRows(X, data.Y, rows, donors)
    changed = pasted[np.arange(len(rows))].astype(float) - X[rows]
    assert 0 < (changed != 0).mean() < 0.1
    assert changed[changed != 0].mean() > 10
    np.testing.assert_array_equal(pasted.Y, data.Y[donors])
    top, left, bottom, right = X.frames(rows).T
    inside = [changed[n, top[n] : bottom[n], left[n] : right[n]].sum() for n in range(len(rows))]
    np.testing.assert_allclose(inside, changed.sum(axis=(1, 2, 3)))


def test_pasted_rows_have_the_labels_of_both_and_views_are_seen_through(scans: Path) -> None:
    data, X = read_data(scans), PhantomImages(scans)
    rows, donors = np.array([5, 9, 20, 21]), np.flatnonzero(data.Y.any(axis=1))[[0, 30, 7, 3]]
    given = np.where([True, False, True, True], donors, -1)
    pasted = PastedRows(X, data.Y, rows, given)
    expected = data.Y[rows] | np.where(given[:, None] >= 0, data.Y[donors], 0)
    np.testing.assert_array_equal(pasted.Y, expected)
    np.testing.assert_array_equal(PastedRows(X, sparse.csr_array(data.Y), rows, given).Y.toarray(), expected)
    np.testing.assert_array_equal(pasted[np.array([1])], X[rows[[1]]])
    order = np.random.default_rng(0).permutation(300)
    place = np.argsort(order)
    view = RowView(RowView(X, np.arange(300)), order)
    seen = PastedRows(view, data.Y[order], place[rows], np.where(given >= 0, place[donors], -1))
    np.testing.assert_array_equal(seen[np.arange(4)], pasted[np.arange(4)])
    # An empty row shows no finding, so it has none to give.
    nothing = PastedRows(X, data.Y, rows[:1], np.flatnonzero(~data.Y.any(axis=1))[:1])
    np.testing.assert_array_equal(nothing[np.array([0])], X[rows[:1]])
    with pytest.raises(DataError, match="`donors` must be one per row"):
        PastedRows(X, data.Y, rows, donors[:2])


def test_donors_are_rows_with_a_label_and_more_often_rare_ones(scans: Path) -> None:
    Y = read_data(scans).Y
    donors = draw_donors(Y, 20_000, 0.5, gamma=1.0)
    given = donors[donors >= 0]
    assert len(given) == 10_000
    assert Y[given].any(axis=1).all()
    weight = rarity_weights(Y, 1.0) * Y.any(axis=1)
    np.testing.assert_allclose(Y[given, 0].mean(), (weight @ Y[:, 0]) / weight.sum(), atol=0.02)
    assert (draw_donors(np.zeros((4, 2)), 3, 1.0) == -1).all()


def test_a_labeler_trains_on_pasted_findings_and_records_what_they_did(scans: Path) -> None:
    data, X = read_data(scans), PhantomImages(scans)
    gate = KerasClassifier("cnn", {"width": 6}, epochs=1)
    labeler = KerasClassifier("cnn", {"width": 6}, epochs=2, sampling={"kind": "rare", "gamma": 0.5, "paste": 0.5})
    model = CascadeClassifier(gate, labeler).fit(X, data.Y, groups=data.groups)
    alone = KerasClassifier("cnn", {"width": 6}, epochs=1, sampling="rare").fit(X, data.Y[:, :5], groups=data.groups)
    pasted = KerasClassifier("cnn", {"width": 6}, epochs=1, sampling={"kind": "rare", "paste": 0.5}).fit(
        X, data.Y[:, :5], groups=data.groups
    )
    assert (pasted.sampling_shift_ < alone.sampling_shift_).all()
    assert np.isfinite(model.predict_proba(X)).all()


def test_pasting_uses_training_rows_alone_and_draws_anew_each_epoch(scans: Path) -> None:
    data, X = read_data(scans), PhantomImages(scans)
    rows = np.flatnonzero(data.Y.any(axis=1))[::2]
    batches = SampledBatches(
        X, data.Y.astype(np.float32), None, rows, 16, 0, {"kind": "rare", "gamma": 0.5, "paste": 1.0}
    )
    for _ in range(2):
        source = batches.X
        assert isinstance(source, PastedRows)
        assert set(source.rows) | set(source.donors[source.donors >= 0]) <= set(rows)
        labels = np.concatenate([batches[n][1] for n in range(len(batches))])
        np.testing.assert_array_equal(labels, source.Y)
        batches.on_epoch_end()
    assert not np.array_equal(source.donors, batches.X.donors)
    assert len(draw_rare(data.Y[rows])) == len(source)
