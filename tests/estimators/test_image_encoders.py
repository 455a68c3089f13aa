"""Frozen encoders of images: their numbers, their form of input, and how often they compute an image."""

from __future__ import annotations

import copy
import os
import pickle
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from onnx import TensorProto
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.multioutput import MultiOutputClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from cascade import CascadeClassifier
from cascade.data.rows import RowSource
from cascade.errors import CascadeError, ConfigError, DataError, MissingExtraError
from cascade.estimators.encoding.images import encoder as encoder_module
from cascade.estimators.encoding.images import network
from cascade.estimators.encoding.images.encoder import ImageEncoder
from cascade.estimators.encoding.images.form import InputForm
from cascade.estimators.encoding.images.network import ImageNetwork
from cascade.estimators.encoding.kept_vectors import KeptVectors
from cascade.estimators.runtime.runtimes import RUNTIMES
from cascade.metrics.operations import operations_per_row
from cascade.store.skops.file import load_skops, save_skops
from tests.image_files import COLUMNS, encoded, marked_images, write_graph, write_keras

X, Y = marked_images(300, 16, seed=0)


@pytest.fixture
def computed(monkeypatch: pytest.MonkeyPatch) -> Counter[bytes]:
    """How often each image is computed by a session, of one encoder."""
    counts: Counter[bytes] = Counter()
    compute = ImageNetwork._computed

    def counted(self: ImageNetwork, images: Any) -> Any:
        counts.update(image.tobytes() for image in images)
        return compute(self, images)

    monkeypatch.setattr(ImageNetwork, "_computed", counted)
    network.network_of.cache_clear()
    return counts


def pipeline(path: Path, **options: Any) -> Any:
    return make_pipeline(ImageEncoder(path, **options), StandardScaler(), LogisticRegression())


def labeler(path: Path) -> Any:
    return make_pipeline(ImageEncoder(path), StandardScaler(), MultiOutputClassifier(LogisticRegression()))


FORMS: dict[str, dict[str, Any]] = {
    "channels first": {},
    "channels last": {"first": False},
    "one image": {"batch": 1},
    "the mean over positions": {"mapped": True},
    "whole numbers": {"dtype": TensorProto.UINT8},
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_numbers_are_those_of_an_independent_computation(form: dict[str, Any], tmp_path: Path) -> None:
    made = ImageEncoder(write_graph(tmp_path / "encoder.onnx", **form)).fit(X).transform(X)
    assert made.dtype == np.float32
    np.testing.assert_allclose(made, encoded(X), rtol=2e-5, atol=1e-6)


MEAN, STD = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
RANGES = {"unit": X / 255, "signed": X / 127.5 - 1, "imagenet": (X / 255 - MEAN) / STD}


@pytest.mark.parametrize("pixels", RANGES)
def test_pixels_have_the_range_that_a_network_takes(pixels: str, tmp_path: Path) -> None:
    made = ImageEncoder(write_graph(tmp_path / "encoder.onnx"), pixels=pixels).fit_transform(X)
    np.testing.assert_allclose(made, encoded(RANGES[pixels]), rtol=1e-4, atol=1e-6)


def test_grey_images_are_repeated_for_a_network_of_colours(tmp_path: Path) -> None:
    grey = X[..., :1]
    made = ImageEncoder(write_graph(tmp_path / "encoder.onnx")).fit_transform(grey)
    np.testing.assert_allclose(made, encoded(np.repeat(grey, 3, axis=3)), rtol=2e-5, atol=1e-6)


@pytest.mark.parametrize("size", [16, "side"])
def test_larger_images_are_averaged_down(size: Any, tmp_path: Path) -> None:
    large, _ = marked_images(20, 32, seed=1)
    sums = large.reshape(20, 16, 2, 16, 2, 3).sum(axis=(2, 4), dtype=np.int64)
    given = {} if size == 16 else {"image_size": 16}
    made = ImageEncoder(write_graph(tmp_path / "encoder.onnx", size), **given).fit_transform(large)
    np.testing.assert_allclose(made, encoded((sums + 2) // 4), rtol=2e-5, atol=1e-6)


@pytest.mark.parametrize("runtime", ["keras", "litert"])
def test_each_runtime_gives_the_same_numbers(runtime: str, tmp_path: Path) -> None:
    pytest.importorskip("keras")
    path = write_keras(tmp_path / "encoder.keras")
    if runtime == "litert":
        pytest.importorskip("ai_edge_litert")
        import keras

        from cascade.estimators.runtime.convert import convert

        path.write_bytes(convert(keras.saving.load_model(path, compile=False), runtime))
    encoder = ImageEncoder(path, runtime).fit(X)
    made = encoder.transform(X[:50])
    np.testing.assert_allclose(made, encoded(X[:50]), rtol=2e-5, atol=1e-6)
    # Neither the number of images nor their order has an effect on the bits of one.
    assert np.array_equal(encoder.transform(X[49::-1])[::-1], made)
    assert np.array_equal([encoder.transform(X[row : row + 1])[0] for row in range(20)], made[:20])
    save_skops(encoder, tmp_path / "encoder.skops", "encoder")
    path.unlink()
    loaded = load_skops((tmp_path / "encoder.skops").read_bytes(), "encoder")
    assert np.array_equal(loaded.transform(X[:50]), made)
    # A copy reads the file anew, and shares the open network with others.
    path.write_bytes(encoder.content_.tobytes())
    assert clone(encoder).fit([])._open() is clone(encoder).fit([])._open()


def test_a_model_behind_an_encoder_is_that_of_a_pipeline_made_by_hand(tmp_path: Path) -> None:
    import onnxruntime

    path = write_graph(tmp_path / "encoder.onnx")
    session = onnxruntime.InferenceSession(path.read_bytes(), providers=["CPUExecutionProvider"])
    vectors = np.concatenate(
        [session.run(["vector"], {"images": image[None].transpose(0, 3, 1, 2).astype(np.float32)})[0] for image in X]
    )
    by_hand = make_pipeline(StandardScaler(), LogisticRegression())
    options: dict[str, Any] = {"calibration_folds": 3, "negative_pool": "positives", "gate_targets": "any"}
    ours = CascadeClassifier(pipeline(path), labeler(path), **options).fit(X, Y)
    numbers = CascadeClassifier(by_hand, MultiOutputClassifier(by_hand), **options).fit(vectors, Y)
    np.testing.assert_allclose(ours.predict_proba(X), numbers.predict_proba(vectors), atol=1e-6)
    alone = clone(by_hand).fit(vectors, Y[:, 0])
    np.testing.assert_allclose(pipeline(path).fit(X, Y[:, 0]).predict_proba(X), alone.predict_proba(vectors), atol=1e-6)


def test_a_training_encodes_each_image_once(tmp_path: Path, computed: Counter[bytes]) -> None:
    path = write_graph(tmp_path / "encoder.onnx")
    black = np.zeros_like(X[0]).tobytes()
    model = CascadeClassifier(pipeline(path), labeler(path), calibration_folds=3, negative_pool="gated").fit(X, Y)
    # Gates of folds, gates for the pool, calibration, labelers, labels: one computation of each, and the trial.
    assert computed == Counter([black, *(image.tobytes() for image in X)])
    computed.clear()
    # Predictions keep nothing, and compute no row that only fills a batch.
    for _ in range(2):
        model.predictor_.gate_proba(X[:7])
    assert computed == Counter(2 * [image.tobytes() for image in X[:7]])


def test_only_the_rows_past_the_gate_are_encoded_for_the_labeler(tmp_path: Path, computed: Counter[bytes]) -> None:
    gate, other = write_graph(tmp_path / "gate.onnx"), write_graph(tmp_path / "labeler.onnx", seed=1)
    model = CascadeClassifier(pipeline(gate), labeler(other), calibration_folds=3).fit(X, Y)
    computed.clear()
    passed = model.predictor_.examine(X).passed_gate
    assert 0.1 < passed.mean() < 0.9
    assert computed.total() == len(X) + passed.sum()


def test_vectors_that_are_kept_are_bounded(tmp_path: Path, computed: Counter[bytes]) -> None:
    encoder = ImageEncoder(write_graph(tmp_path / "encoder.onnx")).fit(X)
    encoder._open()._kept = KeptVectors(10 * 4 * COLUMNS)
    for rows in (X[:30], X[29::-1], X[:5]):
        made = encoder.fit_transform(rows)
        np.testing.assert_allclose(made, encoded(rows), rtol=2e-5, atol=1e-6)
        assert len(encoder._open()._kept) == 10
    computed.clear()
    encoder.fit_transform(X[:5])
    assert not computed


def test_an_image_alone_and_among_others_has_equal_bits(tmp_path: Path) -> None:
    path = write_graph(tmp_path / "encoder.onnx")
    model = CascadeClassifier(pipeline(path), labeler(path), calibration_folds=3).fit(X, Y)
    together = model.predict_proba(X)
    assert np.array_equal(model.predict_proba(X[::-1])[::-1], together)
    assert np.array_equal(np.vstack([model.predict_proba(X[row : row + 1]) for row in range(10)]), together[:10])


class Watched(RowSource):
    """Images that are not in memory, and the largest number of rows that was fetched at once at each size."""

    def __init__(self, images: Any, most: dict[int, int], size: int) -> None:
        self.images, self.most, self.size = images, most, size
        self.shape, self.dtype = (len(images), size, size, 3), images.dtype

    def __getitem__(self, rows: Any) -> Any:
        self.most[self.size] = max(self.most.get(self.size, 0), len(rows))
        step = self.images.shape[1] // self.size
        return self.images[rows][:, ::step, ::step]

    def at_size(self, size: int) -> Watched:
        return Watched(self.images, self.most, size)


def test_images_of_files_are_read_a_few_at_a_time_and_at_the_size_of_the_encoder(tmp_path: Path) -> None:
    large, labels = marked_images(200, 32, seed=2)
    most: dict[int, int] = {}
    path = write_graph(tmp_path / "encoder.onnx")
    model = CascadeClassifier(pipeline(path), labeler(path), calibration_folds=3)
    model.fit(Watched(large, most, 32), labels)
    model.predict_proba(Watched(large, most, 32))
    assert most[16] == encoder_module.IMAGES


def test_a_saved_encoder_needs_no_file_and_gives_equal_bits(tmp_path: Path) -> None:
    path = write_graph(tmp_path / "encoder.onnx")
    encoder = ImageEncoder(path, pixels="signed").fit(X)
    made = encoder.transform(X)
    save_skops(encoder, tmp_path / "encoder.skops", "encoder")
    path.unlink()
    loaded = load_skops((tmp_path / "encoder.skops").read_bytes(), "encoder")
    for other in (loaded, pickle.loads(pickle.dumps(encoder)), copy.deepcopy(encoder)):
        assert np.array_equal(other.transform(X), made)
    # The path of another machine would be read by a later fit.
    assert loaded.get_params() == {"model": None, "runtime": "onnx", "image_size": None, "pixels": "signed"}


def test_copies_share_their_network_until_the_file_changes(tmp_path: Path) -> None:
    path = write_graph(tmp_path / "encoder.onnx")
    first = ImageEncoder(path).fit(X)
    assert ImageEncoder(path).fit(X)._open() is first._open()
    write_graph(path, seed=3)
    np.testing.assert_allclose(clone(first).fit_transform(X), encoded(X, seed=3), rtol=2e-5, atol=1e-6)
    np.testing.assert_allclose(first.transform(X), encoded(X), rtol=2e-5, atol=1e-6)


def test_names_of_columns_count_them_and_no_image_gives_no_row(tmp_path: Path) -> None:
    encoder = ImageEncoder(write_graph(tmp_path / "encoder.onnx")).fit(X)
    assert encoder.get_feature_names_out().tolist() == [f"imageencoder{k}" for k in range(COLUMNS)]
    assert encoder.transform(X[:0]).shape == (0, COLUMNS)


def test_the_arithmetic_of_a_frozen_encoder_is_not_known(tmp_path: Path) -> None:
    assert np.isnan(operations_per_row(pipeline(write_graph(tmp_path / "encoder.onnx")).fit(X, Y[:, 0])))


def test_a_fork_is_refused_instead_of_waiting_for_threads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = ImageEncoder(write_graph(tmp_path / "encoder.onnx")).fit(X)
    monkeypatch.setattr(os, "getpid", lambda: -1)
    with pytest.raises(CascadeError, match="was forked after its parent had used an encoder of images"):
        encoder.transform(X)


ROWS: dict[str, tuple[Any, str]] = {
    "a table": (np.zeros((4, 3), np.uint8), r"`X` must have images .* Received rows of shape \(3,\)"),
    "smaller images": (X[:, :8, :8], "images of at least 16 pixels .* set `data.image_size`. Received 8x8"),
    "other channels": (X[..., :2], "must have images of 3 channels .* Received 2"),
    "fractions": (X / 255, r"must have images of 8 bits \(uint8\) .* Received float64"),
}


@pytest.mark.parametrize("case", ROWS.values(), ids=ROWS)
def test_rows_that_the_network_does_not_take_are_refused(case: tuple[Any, str], tmp_path: Path) -> None:
    rows, sentence = case
    path = write_graph(tmp_path / "encoder.onnx")
    with pytest.raises(DataError, match=sentence):
        ImageEncoder(path).fit(rows)
    with pytest.raises(DataError, match=sentence):
        ImageEncoder(path).fit(X).transform(rows)


def test_a_labeler_that_does_not_take_the_images_is_refused_before_the_gate(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    small, large = write_graph(tmp_path / "small.onnx"), write_graph(tmp_path / "large.onnx", 32)
    with pytest.raises(DataError, match="images of at least 32 pixels"):
        CascadeClassifier(pipeline(small), labeler(large)).fit(X, Y)
    assert "gate" not in caplog.text


def test_wide_images_are_filled_up_for_a_network_of_squares(tmp_path: Path) -> None:
    wide = np.concatenate([X, X], axis=2)
    filled = np.zeros_like(X)
    filled[:, 4:12] = (wide.reshape(len(X), 8, 2, 16, 2, 3).sum(axis=(2, 4), dtype=np.int64) + 2) // 4
    made = ImageEncoder(write_graph(tmp_path / "encoder.onnx")).fit_transform(wide)
    np.testing.assert_allclose(made, encoded(filled), rtol=2e-5, atol=1e-6)


def test_a_network_of_other_proportions_takes_its_own_alone() -> None:
    form = InputForm.of([1, 480, 640, 3], "float32")
    form.check_row((480, 640, 3))
    for height, width in ((640, 480), (960, 1280)):
        with pytest.raises(DataError, match=r"images of 640x480 pixels for the encoder; set `data\.image_size`"):
            form.check_row((height, width, 3))


GRAPHS: dict[str, tuple[Any, dict[str, Any], dict[str, Any], str]] = {
    "any size": ("side", {}, {}, "`image_size` must be given"),
    "another size": (16, {}, {"image_size": 8}, "`image_size` must be that of `model`, 16x16. Received 8"),
    "several images": (16, {"batch": 8}, {}, "`model` must take one image at a time"),
    "another type": (16, {"dtype": TensorProto.DOUBLE}, {}, r"as float32 or uint8. Received tensor\(double\)"),
    "both orders": (3, {}, {}, "NCHW or NHWC of 1 to 4 channels"),
    "no order": (16, {"channels": 5}, {}, "NCHW or NHWC of 1 to 4 channels"),
    "a huge size": (8192, {}, {}, "at most 4096 pixels"),
    "an unknown range": (16, {}, {"pixels": "grey"}, "`pixels` must be one of raw, unit, signed, imagenet"),
    "a range of numbers": (16, {"dtype": TensorProto.UINT8}, {"pixels": "unit"}, "`pixels` must be raw"),
    "colours for grey": (16, {"channels": 1}, {"pixels": "imagenet"}, "must not be imagenet"),
    "a size that is none": ("side", {}, {"image_size": True}, "`image_size` must be a number of pixels"),
    "an unknown runtime": (16, {}, {"runtime": "torch"}, "`runtime` must be one of onnx, litert, keras"),
    "another runtime": (16, {}, {"runtime": "litert"}, "`model` must be a file that litert opens"),
}


@pytest.mark.parametrize("case", GRAPHS.values(), ids=GRAPHS)
def test_networks_and_options_that_are_not_valid_are_named(
    case: tuple[Any, dict[str, Any], dict[str, Any], str], tmp_path: Path
) -> None:
    size, changes, options, sentence = case
    if options.get("runtime") == "litert":
        pytest.importorskip("ai_edge_litert")
    path = write_graph(tmp_path / "encoder.onnx", size, **changes)
    with pytest.raises(ConfigError, match=sentence):
        ImageEncoder(path, **options).fit(X)


@pytest.mark.parametrize("runtime", ["onnx", "keras"])
def test_a_file_that_is_no_network_is_named(runtime: str, tmp_path: Path) -> None:
    if runtime == "keras":
        pytest.importorskip("keras")
    (tmp_path / "junk").write_bytes(b"junk")
    with pytest.raises(ConfigError, match=f"`model` must be a file that {runtime} opens"):
        ImageEncoder(tmp_path / "junk", runtime).fit(X)
    with pytest.raises(ConfigError, match="`model` must be a file"):
        ImageEncoder(tmp_path / "nowhere", runtime).fit(X)


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_missing_packages_are_named(runtime: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, RUNTIMES[runtime].imported, None)
    with pytest.raises(MissingExtraError, match=f"install the extra `{runtime}`"):
        ImageEncoder(write_graph(tmp_path / "encoder.onnx", seed=9), runtime).fit(X)
