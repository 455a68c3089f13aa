"""Encoders of images from elsewhere: their network is checked before a library reads it."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import skops.io

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from sklearn.linear_model import LogisticRegression
from sklearn.multioutput import MultiOutputClassifier
from sklearn.pipeline import make_pipeline

from cascade import CascadeClassifier, CascadePredictor
from cascade.errors import ConfigError, MissingExtraError, ModelRefusedError
from cascade.estimators.encoding.images.encoder import ImageEncoder
from cascade.estimators.encoding.images.network import network_of
from cascade.store.manifest import _digest_of
from cascade.store.skops.file import load_skops
from cascade_pipelines.cli import main
from tests.image_files import graph, kernel, marked_images, write_graph, write_images, write_keras
from tests.onnx_graphs import with_weights_outside

X, Y = marked_images(200, 16, seed=0)


def content(value: bytes) -> Any:
    return np.frombuffer(value, np.uint8)


def saved(folder: Path, **changes: Any) -> bytes:
    """Return the skops file of an encoder whose attributes were changed after the fit."""
    encoder = ImageEncoder(write_graph(folder / "encoder.onnx")).fit(X)
    vars(encoder).update(changes)
    return bytes(skops.io.dumps(encoder))


def refused(file: bytes, sentence: str) -> None:
    with pytest.raises(ModelRefusedError, match=sentence):
        load_skops(file, "forged")


ATTRIBUTES: dict[str, tuple[dict[str, Any], str]] = {
    "numbers for bytes": ({"content_": np.arange(9)}, "an attribute `content_` that no fit gives"),
    "no content": ({"content_": content(b"")}, "an attribute `content_` that no fit gives"),
    "no columns": ({"n_columns_": 0}, "an attribute `n_columns_` that no fit gives"),
    "other columns": ({"n_columns_": 13}, "must have size 16 and 13 columns"),
    "another size": ({"image_size_": 8}, "must have size 8 and 12 columns"),
    "no size": ({"image_size_": None}, "must have size None and 12 columns"),
    "a size of the network": ({"image_size": 8}, "cannot be computed in onnx: .*`image_size` must be that of `model`"),
    "a size that is true": ({"image_size": True}, "`image_size` must be a number of pixels"),
    "an unknown range": ({"pixels": "grey"}, "cannot be computed in onnx: .*`pixels` must be one of"),
    "an unknown runtime": ({"runtime": "torch"}, "`runtime` must be one of onnx, litert, keras"),
    "another runtime": ({"runtime": "litert"}, "`encoder.tflite` holds"),
    "another attribute": ({"extra_": 1}, "which is not listed"),
}


@pytest.mark.parametrize("case", ATTRIBUTES.values(), ids=ATTRIBUTES)
def test_forged_attributes_are_refused(case: tuple[dict[str, Any], str], tmp_path: Path) -> None:
    refused(saved(tmp_path, **case[0]), case[1])


def growing() -> bytes:
    """Return a graph that doubles its image until no memory holds it."""
    from onnx import TensorProto, helper

    nodes = [helper.make_node("Concat", [f"x{step}", f"x{step}"], [f"x{step + 1}"], axis=3) for step in range(40)]
    nodes.append(helper.make_node("Identity", ["x40"], ["vector"]))
    taken = helper.make_tensor_value_info("x0", TensorProto.FLOAT, ["rows", 3, 16, 16])
    given = helper.make_tensor_value_info("vector", TensorProto.FLOAT, None)
    made = helper.make_graph(nodes, "growing", [taken], [given])
    return bytes(helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=8).SerializeToString())


GRAPHS: dict[str, tuple[Callable[[], bytes], str]] = {
    "no graph": (lambda: b"junk", "`encoder.onnx` holds"),
    "random numbers": (lambda: graph(operator="RandomNormalLike"), "the operator RandomNormalLike"),
    "control flow": (lambda: graph(operator="If"), "the operator If"),
    "another domain": (lambda: graph(operator="Run", domain="com.example"), "the operator com.example.Run"),
    "weights outside": (lambda: with_weights_outside(graph()), "weights in another file"),
    "an image of another form": (lambda: graph(channels=9), "cannot be computed in onnx"),
    "memory": (growing, "cannot be computed in onnx"),
    "another size": (lambda: graph(32), "must have size 16 and 12 columns"),
}


@pytest.mark.parametrize("case", GRAPHS.values(), ids=GRAPHS)
def test_a_forged_graph_is_refused(case: tuple[Callable[[], bytes], str], tmp_path: Path) -> None:
    refused(saved(tmp_path, content_=content(case[0]())), case[1])


def lambda_layer(path: Path) -> bytes:
    """Return a network with a layer that holds code."""
    import keras

    taken = keras.Input((16, 16, 3))
    network = keras.Model(taken, keras.layers.Flatten()(keras.layers.Lambda(lambda x: 2 * x)(taken)))
    network.save(path)
    return path.read_bytes()


def compiled(path: Path) -> bytes:
    """Return a network as it is saved with its optimizer, which a fit leaves out."""
    return write_keras(path).read_bytes()


NETWORKS: dict[str, tuple[Callable[[Path], bytes], str]] = {
    "no network": (lambda path: b"junk", "`encoder.keras` is not a Keras archive"),
    "code": (lambda_layer, "`encoder.keras` .*Lambda"),
    "an optimizer": (compiled, "`encoder.keras` holds a `compile_config`"),
}


@pytest.mark.parametrize("case", NETWORKS.values(), ids=NETWORKS)
def test_a_forged_keras_network_is_refused(case: tuple[Callable[[Path], bytes], str], tmp_path: Path) -> None:
    pytest.importorskip("keras")
    changed = content(case[0](tmp_path / "forged.keras"))
    refused(saved(tmp_path, runtime="keras", content_=changed), case[1])


def test_a_keras_network_with_code_is_not_read_by_a_fit(tmp_path: Path) -> None:
    pytest.importorskip("keras")
    lambda_layer(tmp_path / "forged.keras")
    with pytest.raises(ConfigError, match="`model` must be a file that keras opens"):
        ImageEncoder(tmp_path / "forged.keras", "keras").fit(X)


def test_a_forged_litert_network_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("ai_edge_litert")
    refused(saved(tmp_path, runtime="litert", content_=content(b"\0\0\0\0TFL3junk")), "`encoder.tflite` holds")


def model_folder(folder: Path) -> Path:
    """Write a cascade whose gate is behind an encoder; return the folder."""
    encoder, linear = ImageEncoder(write_graph(folder / "encoder.onnx")), LogisticRegression(max_iter=1000)
    gate, labeler = (make_pipeline(encoder, model) for model in (linear, MultiOutputClassifier(linear)))
    model = CascadeClassifier(gate, labeler, negative_pool="all", calibration_folds=3)
    model.fit(X, Y).predictor_.save(folder / "model")
    return folder / "model"


def forge(folder: Path, change: Callable[[bytes], bytes], **manifest: Any) -> None:
    """Change the gate's file and the manifest, whose digests stay valid."""
    path, (note,) = folder / "gate.skops", folder.glob("*.json")
    path.write_bytes(change(path.read_bytes()))
    body = json.loads(note.read_text())
    forged = path.read_bytes()
    body["files"][path.name] = {"sha256": hashlib.sha256(forged).hexdigest(), "bytes": len(forged)}
    for name, value in manifest.items():
        body["signature"][name] = value
    body["sha256"] = _digest_of(body)
    note.write_text(json.dumps(body))


def test_a_forged_model_ends_the_command_with_its_status(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = model_folder(tmp_path)
    stage = CascadePredictor.load(folder).gate
    stage.steps[0][1].content_ = content(graph(operator="If"))
    forge(folder, lambda _: bytes(skops.io.dumps(stage)))
    write_images(tmp_path / "images", 3, 16, 0)
    command = ["cascade", "predict", str(folder), str(tmp_path / "images"), "--output", str(tmp_path / "a.csv")]
    monkeypatch.setattr(sys, "argv", command)
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 4
    assert "`encoder.onnx` has the operator If, which is not listed" in capfd.readouterr().err


@pytest.mark.parametrize("shape", [[8, 8, 3], [16, 16, 2]])
def test_a_model_of_other_images_than_its_encoder_takes_is_refused(shape: list[int], tmp_path: Path) -> None:
    folder = model_folder(tmp_path)
    forge(folder, lambda file: file, row_shape=shape)
    with pytest.raises(ModelRefusedError, match="does not take the rows of its model: `X` must have images of"):
        CascadePredictor.load(folder)


def test_a_model_of_tables_is_no_model_of_images(tmp_path: Path) -> None:
    folder = model_folder(tmp_path)
    forge(folder, lambda file: file, row_shape=[768])
    with pytest.raises(ModelRefusedError, match="`X` must have images for an encoder of images"):
        CascadePredictor.load(folder)


def test_a_path_of_a_forged_file_is_not_kept(tmp_path: Path) -> None:
    loaded = load_skops(saved(tmp_path, model="/etc/passwd"), "forged")
    with pytest.raises(ConfigError, match=r"`model` must be a path. Received None"):
        loaded.fit(X)


def test_a_machine_without_a_runtime_is_no_refusal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = saved(tmp_path)
    network_of.cache_clear()
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(MissingExtraError, match="install the extra `onnx`"):
        load_skops(file, "model")


def test_the_network_of_the_tests_is_valid(tmp_path: Path) -> None:
    assert load_skops(saved(tmp_path), "model").transform(X).shape == (len(X), len(kernel()))
