"""Where networks are computed: on a GPU where ONNX Runtime offers one, and in which precision they are trained."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("keras")

import keras

from cascade import CascadeClassifier, CascadePredictor, KerasClassifier
from cascade.errors import ConfigError
from cascade.estimators.neural.training import precision
from cascade.estimators.neural.training.precision import has_bfloat16, is_mixed
from cascade.estimators.resumption import resumable
from tests.estimators.test_resumed_training import assert_equal, killed_until_done, weights

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (192, 16, 16, 1), dtype=np.uint8)
WHOLE, LEFT = (part.mean(axis=(1, 2, 3)) for part in (IMAGES, IMAGES[:, :, :8]))
Y = np.column_stack([np.quantile(part, 0.7) < part for part in (WHOLE, LEFT)]).astype(np.uint8)


def cnn(**training: Any) -> KerasClassifier:
    options = {"width": 6, "augment": {"contrast": 0.1}}
    return KerasClassifier("cnn", options, epochs=3, batch_size=64, validation_size=0.0, training=training or None)


@pytest.mark.parametrize(("hidden", "chosen"), [(None, "cuda"), ("0", "cuda"), ("", "cpu"), ("-1", "cpu")])
def test_exported_networks_use_cuda_where_it_is_offered(
    hidden: str | None, chosen: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    pytest.importorskip("tf2onnx")
    from cascade.estimators.runtime.convert import convert
    from cascade.estimators.runtime.exported import exported_from
    from cascade.estimators.scoring import computed_by

    opened, original = [], onnxruntime.InferenceSession

    def session(content: bytes, options: Any, providers: list[Any]) -> Any:
        opened.append(providers)
        return original(content, options, providers=["CPUExecutionProvider"])

    model = cnn().fit(IMAGES, Y)
    content = convert(model.network_, "onnx")
    if hidden is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", hidden)
    else:
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    offered = ["TensorrtExecutionProvider", "CUDAExecutionProvider", "CPUExecutionProvider"]
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: offered)
    monkeypatch.setattr(onnxruntime, "InferenceSession", session)
    exported = exported_from(model, content, "onnx", 64, 1, IMAGES)
    np.testing.assert_allclose(exported.predict_proba(IMAGES), model.predict_proba(IMAGES), atol=1e-4)
    cuda = ("CUDAExecutionProvider", {"use_tf32": "0"})
    assert opened == [[cuda, "CPUExecutionProvider"] if chosen == "cuda" else ["CPUExecutionProvider"]]
    # A job that was begun elsewhere does not go on with other digits.
    assert computed_by(exported) == ("onnx on cuda, 1 threads" if chosen == "cuda" else "onnx, 1 threads")


def test_networks_are_tried_without_a_gpu_whose_driver_needs_more_than_the_limits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from cascade.estimators.runtime import trial

    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    (tmp_path / "shown.py").write_text("import os\ndef main(): print(os.environ['CUDA_VISIBLE_DEVICES'])\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert trial.in_process("shown", tmp_path, b"", {"runtime": "onnx"}) == "-1\n"


def details(*capabilities: tuple[int, int] | None) -> Any:
    """Return what TensorFlow says of GPUs, of which None does not know its capability."""
    return [{} if each is None else {"compute_capability": each} for each in capabilities]


@pytest.mark.parametrize(
    ("gpus", "flags", "has"),
    [
        (details(), "fpu avx2 avx512f", False),
        (details(), "fpu avx512_bf16", True),
        (details(), "amx_bf16 amx_tile", True),
        (details((8, 0)), "fpu", True),
        (details((9, 0), (8, 6)), "fpu", True),
        (details((7, 5)), "avx512_bf16", False),
        (details((8, 0), (7, 0)), "fpu", False),
        (details(None), "fpu", False),
    ],
)
def test_mixed_precision_is_automatic_where_there_are_instructions_for_it(
    gpus: list[dict[str, Any]], flags: str, has: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import tensorflow as tf

    (tmp_path / "cpuinfo").write_text(f"model name : of a test\nflags\t\t: {flags}\n")
    monkeypatch.setattr(precision, "CPUINFO", tmp_path / "cpuinfo")
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: list(range(len(gpus))))
    monkeypatch.setattr(tf.config.experimental, "get_device_details", lambda gpu: gpus[gpu])
    has_bfloat16.cache_clear()
    try:
        assert (is_mixed("auto"), is_mixed("mixed"), is_mixed("float32")) == (has, True, False)
    finally:
        has_bfloat16.cache_clear()


def seen_types(model: KerasClassifier) -> dict[str, list[str]]:
    """Return the types in which each kind of layer computes during a training, and those of logits and variables."""
    seen: dict[str, list[str]] = {}

    class Noted(keras.callbacks.Callback):
        def on_train_begin(self, logs: Any = None) -> None:
            for layer in self.model.layers:
                seen.setdefault(type(layer).__name__, []).append(layer.compute_dtype)
            logits = self.model(IMAGES[:2], training=True)
            seen["logits"] = [keras.backend.standardize_dtype(logits.dtype)]
            seen["variables"] = [*{variable.dtype for variable in self.model.trainable_variables}]
            # Traced in the precision of the training.
            self.model.predict_on_batch(IMAGES[:2])

    model.set_params(callbacks=lambda: [Noted()]).fit(IMAGES, Y)
    return seen


def test_mixed_precision_leaves_pixels_variables_and_logits_in_float32() -> None:
    model = cnn(precision="mixed")
    seen = seen_types(model)
    # The first convolution reads pixels.
    assert seen["Conv2D"] == ["float32", "bfloat16", "bfloat16"]
    assert seen["Rescaling"] == seen["Dense"] == seen["logits"] == seen["variables"] == ["float32"]
    # The trained network is one of float32, also where a callback has used it during the training.
    assert {layer.compute_dtype for layer in model.network_.layers} == {"float32"}
    again = keras.models.clone_model(model.network_)
    again.set_weights(model.network_.get_weights())
    np.testing.assert_array_equal(model.network_.predict_on_batch(IMAGES), again.predict_on_batch(IMAGES))
    plain = cnn().fit(IMAGES, Y)
    difference = np.abs(model.predict_proba(IMAGES) - plain.predict_proba(IMAGES)).max()
    assert 0 < difference < 0.1


def test_a_network_of_a_table_keeps_what_bfloat16_does_not_tell_apart() -> None:
    # In bfloat16 all values of this column are 1000, so it has to be standardised in float32.
    X = RNG.normal(size=(2000, 3)).astype(np.float32)
    y = (X[:, 0] > 0).astype(int)
    X[:, 0] += 1000
    options = {"epochs": 20, "batch_size": 64, "validation_size": 0.0, "learning_rate": 0.01}
    plain, mixed = (
        KerasClassifier("mlp", training={"precision": each}, **options).fit(X, y) for each in ("float32", "mixed")
    )
    assert (mixed.predict(X) == y).mean() > 0.97
    assert 0 < np.abs(mixed.predict_proba(X) - plain.predict_proba(X)).mean() < 0.02


def test_a_network_of_one_layer_and_a_head_has_nothing_to_mix() -> None:
    X = RNG.random((100, 5)).astype(np.float32)
    plain, mixed = (
        KerasClassifier("embedding_bag", epochs=1, training={"precision": each}).fit(X, X[:, 0] > 0.5)
        for each in ("float32", "mixed")
    )
    np.testing.assert_array_equal(plain.predict_proba(X), mixed.predict_proba(X))


def test_a_killed_training_in_mixed_precision_ends_with_the_same_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def model() -> KerasClassifier:
        return cnn(precision="mixed", frozen_epochs=1, weight_decay=0.01)

    undisturbed = weights(model().fit(IMAGES, Y))
    resumed, starts = killed_until_done(lambda: model().fit(IMAGES, Y), tmp_path, monkeypatch)
    # Four epochs and the ends of two phases.
    assert starts == 7
    assert_equal(weights(resumed), undisturbed)
    with resumable(tmp_path):
        # Another precision is another training.
        plain = cnn(frozen_epochs=1, weight_decay=0.01).fit(IMAGES, Y)
    assert any((one != other).any() for one, other in zip(weights(plain), undisturbed, strict=True))


def test_a_model_trained_in_mixed_precision_is_saved_and_exported_as_any_other(tmp_path: Path) -> None:
    runtimes = ("litert", "onnx")
    for package in ("ai_edge_litert", "onnxruntime", "tf2onnx"):
        pytest.importorskip(package)
    model = CascadeClassifier(
        cnn(precision="mixed"), cnn(precision="mixed"), negative_pool="positives", calibration_folds=None
    ).fit(IMAGES, Y)
    model.save(tmp_path / "model")
    model.predictor_.save(tmp_path / "exported", runtimes)
    wanted = model.predict_proba(IMAGES)
    np.testing.assert_array_equal(CascadePredictor.load(tmp_path / "model").predict_proba(IMAGES), wanted)
    for runtime in runtimes:
        shown = CascadePredictor.load(tmp_path / "exported", runtime).predict_proba(IMAGES)
        np.testing.assert_allclose(shown, wanted, atol=1e-4)
    for path in (tmp_path / "model").rglob("*.keras"):
        assert b"bfloat16" not in zipfile.ZipFile(path).read("config.json")


@pytest.mark.parametrize(
    ("network", "value", "match"),
    [
        ("cnn", "half", r"`training.precision` must be one of \['float32', 'auto', 'mixed'\]. Received 'half'"),
        (lambda shape, n_outputs: None, "mixed", r"`training.precision` 'mixed' needs a network by name"),
    ],
)
def test_a_precision_that_cannot_be_had_is_refused(network: Any, value: str, match: str) -> None:
    with pytest.raises(ConfigError, match=match):
        KerasClassifier(network, training={"precision": value}).fit(IMAGES, Y)
