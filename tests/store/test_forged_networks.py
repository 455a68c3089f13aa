"""Networks from elsewhere: only listed layers, functions and operators, in memory and time that have a limit."""

from __future__ import annotations

import json
import shutil
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

from cascade import CascadeClassifier, CascadePredictor, KerasClassifier
from cascade.errors import ModelRefusedError
from cascade.estimators.runtime.trial import try_network
from cascade.store.keras_file import check_archive
from cascade.store.networks.graph import check_operators
from tests.conftest import KnownTruth
from tests.store.test_forged_parts import redo

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
from forgery.graphs import MAKERS


@pytest.fixture(scope="module")
def exported(truth: KnownTruth, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "exported"
    network = KerasClassifier("mlp", network_options={"width": 4}, epochs=1)
    model = CascadeClassifier(network, network).fit(truth.X[:4000].astype(np.float32), truth.Y[:4000])
    model.predictor_.save(folder, ["litert", "onnx"])
    return folder


@pytest.fixture
def copy(exported: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(exported, tmp_path / "model"))


def reconfigure(path: Path, change: Callable[[list[dict[str, Any]]], None]) -> None:
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    config = json.loads(members["config.json"])
    change(config["config"]["layers"])
    members["config.json"] = json.dumps(config).encode()
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)


def option(name: str, value: Any) -> Callable[[list[dict[str, Any]]], None]:
    """Give the last layer an option."""

    def change(network: list[dict[str, Any]]) -> None:
        network[-1]["config"][name] = value

    return change


def kind(module: str, name: str) -> Callable[[list[dict[str, Any]]], None]:
    def change(network: list[dict[str, Any]]) -> None:
        network[-1].update(module=module, class_name=name)

    return change


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (option("activation", "get"), "option `activation`"),
        (option("activation", "keras.config.enable_unsafe_deserialization"), "option `activation`"),
        (option("activation", ["relu"]), "option `activation`"),
        (option("kernel_initializer", "deserialize"), "option `kernel_initializer`"),
        (option("kernel_regularizer", "get"), "option `kernel_regularizer`"),
        (option("dtype", "int8_from_float32"), "option `dtype`"),
        (option("unroll", True), "option `unroll`"),
        (kind("keras.layers", "StringLookup"), "StringLookup; only listed"),
        (kind("keras.src.ops.numpy", "Repeat"), "Repeat; only listed"),
        (kind("keras.utils", "get_file"), "get_file; only listed"),
    ],
    ids=["library function", "module", "list", "initializer", "regularizer", "type", "unroll", "files", "ops", "utils"],
)
def test_a_config_names_only_listed_classes_and_functions(copy: Path, change: Any, sentence: str) -> None:
    reconfigure(copy / "gate.keras", change)
    redo(copy)
    with pytest.raises(ModelRefusedError, match=sentence):
        CascadePredictor.load(copy, runtime="keras")


def saved(network: keras.Model, folder: Path) -> Path:
    network.save(folder / "gate.keras")
    return folder / "gate.keras"


def test_networks_that_call_each_other_twice_are_refused_before_they_are_built(tmp_path: Path) -> None:
    network = keras.Sequential([keras.Input((2,)), layers.Dense(2)])
    inputs = keras.Input((2,))
    network = keras.Model(inputs, network(network(inputs)))
    check_archive(saved(network, tmp_path))

    def nest(network: list[dict[str, Any]]) -> None:
        # Each level is called twice by the next one.
        for _ in range(20):
            inner = json.loads(json.dumps({"layers": network}))
            network[1] = {**network[1], "class_name": "Functional", "module": "keras", "config": inner}

    reconfigure(tmp_path / "gate.keras", nest)
    with pytest.raises(ModelRefusedError, match="calls its layers more than"):
        check_archive(tmp_path / "gate.keras")


def test_a_layer_that_takes_gigabytes_is_refused_before_it_takes_any(tmp_path: Path, copy: Path) -> None:
    inputs = keras.Input((6,))
    x = layers.RepeatVector(10**6)(layers.Dense(64)(inputs))
    saved(keras.Model(inputs, layers.Dense(1)(layers.GlobalMaxPooling1D()(x))), copy)
    gate = json.loads((copy / "cascade.json").read_text())["gate"]
    gate.pop("exports")
    for name in ("gate.onnx", "gate.tflite"):
        (copy / name).unlink()
    redo(copy, gate=gate)
    with pytest.raises(ModelRefusedError, match="has a layer that gives"):
        CascadePredictor.load(copy, runtime="keras")


@pytest.mark.parametrize(("name", "sentence"), [("loop", "operator Loop|graph inside"), ("unknown", "RandomNormal")])
def test_a_graph_with_control_flow_or_an_unlisted_operator_is_refused(copy: Path, name: str, sentence: str) -> None:
    path = copy / "gate.onnx"
    check_operators(path, path.read_bytes(), "onnx")
    path.write_bytes(MAKERS[name](path.read_bytes()))
    redo(copy)
    with pytest.raises(ModelRefusedError, match=sentence):
        CascadePredictor.load(copy, runtime="onnx")


@pytest.mark.parametrize("name", ["doubled", "pad"])
def test_a_graph_that_grows_is_refused_without_taking_memory_here(copy: Path, name: str) -> None:
    import resource

    path = copy / "gate.onnx"
    path.write_bytes(MAKERS[name](path.read_bytes()))
    redo(copy)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ModelRefusedError, match=r"gate\.onnx` (cannot be computed|takes)"):
        CascadePredictor.load(copy, runtime="onnx")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 500_000  # kilobytes


@pytest.mark.parametrize("runtime", ["litert", "onnx"])
def test_a_sound_network_passes_its_trial_and_a_damaged_one_ends_only_the_other_process(
    copy: Path, runtime: str
) -> None:
    path = copy / f"gate.{'tflite' if runtime == 'litert' else 'onnx'}"
    content = path.read_bytes()
    try_network(path, content, runtime, 512, (6,), "float32")
    with pytest.raises(ModelRefusedError, match="cannot be computed"):
        try_network(path, content[: len(content) // 2], runtime, 512, (6,), "float32")


def test_a_litert_network_with_a_custom_operator_or_several_graphs_is_refused(copy: Path) -> None:
    content = (copy / "gate.tflite").read_bytes()
    with pytest.raises(ModelRefusedError, match="no LiteRT network"):
        check_operators(copy / "gate.tflite", content[:4] + b"TFL9" + content[8:], "litert")
    from ai_edge_litert.schema_py_generated import BuiltinOperator

    from cascade.store.networks.listed import LITERT

    assert {name: getattr(BuiltinOperator, name) for name in LITERT} == LITERT
    assert not {"WHILE", "IF", "CALL", "CALL_ONCE", "CUSTOM", "STABLEHLO_CUSTOM_CALL"} & set(LITERT)
