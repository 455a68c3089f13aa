"""A small frozen encoder before a larger one, from a list of images to predictions by the command line."""

from __future__ import annotations

import json
import shutil
import warnings
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from typer.testing import CliRunner

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from cascade import CascadePredictor
from cascade.config.build import build_model, network_name
from cascade.config.models import KerasModel, SklearnModel
from cascade.config.yaml_file import load_config
from cascade.errors import ConfigError
from cascade.registry import ModelRegistry
from cascade_pipelines import compare, retrain, train, tune
from cascade_pipelines.cli.app import app
from tests.image_files import marked_images, write_graph, write_images, write_keras

CONFIG = """\
name: frozen
data: {path: images, labels: [scratch, dent]}
gate: {kind: logistic_regression, encoder: {image: {onnx: encoders/small.onnx}}}
labeler: {model: {kind: logistic_regression, encoder: {image: IMAGE}}}
cascade: {calibration_folds: null}
retrain: {promotion: {fewest_positives: 1, draws: 100, speed: null}}
"""
LARGE = "{onnx: encoders/large.onnx, image_size: 32, pixels: raw}"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write_graph(tmp_path / "encoders" / "small.onnx", 16)
    write_graph(tmp_path / "encoders" / "large.onnx", "side", first=False, columns=24, seed=1)
    write_images(tmp_path / "images", 300, 32, 0)
    return tmp_path


def written(home: Path, image: str = LARGE) -> Path:
    (home / "run.yaml").write_text(CONFIG.replace("IMAGE", image))
    return home / "run.yaml"


def test_a_small_encoder_before_a_larger_one(home: Path) -> None:
    run = CliRunner().invoke
    written(home)
    done = run(app, ["train", "run.yaml", "--json"])
    assert done.exit_code == 0, done.output
    # The model folder has all that it needs.
    shutil.rmtree("encoders")
    write_images(Path("new"), 200, 32, 1)
    for output in ("answer.csv", "answers"):
        done = run(app, ["predict", "models/frozen", "new", "--output", output])
        assert done.exit_code == 0, done.output
    answer = pd.read_csv("answer.csv").filter(like="_probability")
    streamed = pd.concat([pd.read_parquet(part) for part in sorted(Path("answers").glob("part-*.parquet"))])
    np.testing.assert_allclose(streamed.filter(like="_probability"), answer, atol=1e-6)
    done = run(app, ["evaluate", "models/frozen", "new", "--json"])
    report = json.loads(done.stdout)
    assert report["overall"]["macro_average_precision"] > 0.9
    # What a frozen encoder computes is not known, and must not pass for the few numbers of the model behind it.
    assert report["cost"]["labeler"] is None
    (version,) = Path("models/frozen").glob("2*")
    saved = yaml.safe_load((version / "config.yaml").read_text())
    assert saved["labeler"]["model"]["encoder"]["image"].items() >= yaml.safe_load(LARGE).items()
    # A published config can be trained again.
    assert load_config(version / "config.yaml").labeler.model == load_config("run.yaml").labeler.model


@pytest.mark.slow
def test_a_champion_with_an_encoder_is_challenged(home: Path) -> None:
    pytest.importorskip("mlflow")
    path, models = written(home), home / "models"
    first = retrain.run(load_config(path), models)
    ModelRegistry(models).promote("frozen", first["challenger"], "the first")
    write_images(home / "next", 300, 32, 2)
    second = retrain.run(load_config(path, ["data.path=next"]), models)
    assert (second["champion"], second["challenger"]) == (1, 2)


def test_a_comparison_encodes_no_image_per_label_or_bag(home: Path) -> None:
    config = load_config(written(home), ["labeler.n_bags=2"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        _, result = compare.run(config, home / "models", n_folds=2, pools=("all",))
    models = compare.contenders_of(config, compare.read_labelled_data(config), ("all",))
    assert "peer stack" not in models
    for name in ("flat", "flat, balanced", "flat, weighted loss"):
        assert [type(step).__name__ for _, step in models[name].estimator.steps[:2]] == [
            "ImageEncoder",
            "StandardScaler",
        ]
    quality = {each["contender"]: each["macro_average_precision"] for each in result["contenders"]}
    assert min(quality.values()) > 0.9


def test_only_one_model_per_stage_takes_images() -> None:
    X, _ = marked_images(4, 16, 0)
    data: Any = SimpleNamespace(X=X, kinds=None)
    assert network_name(KerasModel(), data) == "cnn"
    given = KerasModel.model_validate({"encoder": {"image": {"onnx": "x"}}})
    assert network_name(given, data) == "mlp"
    steps = [("logistic_regression", 3), ("hist_gradient_boosting", 2)]
    for kind, n_steps in steps:
        model = SklearnModel.model_validate({"kind": kind, "encoder": {"image": {"litert": "x", "pixels": "unit"}}})
        built = build_model(model, data)
        assert len(built.steps) == n_steps
        wanted = {"model": "x", "runtime": "litert", "image_size": None, "pixels": "unit"}
        assert built[0].get_params() == wanted


@pytest.mark.slow
def test_trees_and_networks_take_encoded_images(home: Path) -> None:
    pytest.importorskip("keras")
    write_keras(home / "encoders" / "net.keras")
    network = "{kind: keras, epochs: 2, validation_size: 0, encoder: {image: {onnx: encoders/small.onnx}}}"
    trees = "{kind: hist_gradient_boosting, options: {max_iter: 20}, encoder: {image: {keras: encoders/net.keras}}}"
    config = load_config(written(home), [f"gate={trees}", f"labeler.model={network}"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        version = train.run(config, home / "models")[0]
    shutil.rmtree("encoders")
    predictor = CascadePredictor.load(version / "model")
    X, _ = marked_images(50, 32, 3)
    together = predictor.predict_proba(X)
    assert np.isfinite(together).all()
    np.testing.assert_allclose(predictor.predict_proba(X[:1]), together[:1], atol=1e-6)


REFUSED = {
    "no network": ("{pixels: unit}", "`labeler.model.encoder.image` must have one of the keys onnx, litert, keras"),
    "two networks": ("{onnx: x, keras: y}", "must have one of the keys onnx, litert, keras"),
    "a misspelt key": ("{onnx: x, pixel: y}", "did you mean `labeler.model.encoder.image.pixels`"),
    "a range": ("{onnx: x, pixels: grey}", "`labeler.model.encoder.image.pixels` input should be 'raw'"),
    "a size": ("{onnx: x, image_size: 0}", "`labeler.model.encoder.image.image_size` input should be greater"),
}


@pytest.mark.parametrize("case", REFUSED.values(), ids=REFUSED)
def test_keys_that_are_not_valid_are_named(case: tuple[str, str], tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=case[1]):
        load_config(written(tmp_path, case[0]))


UNSUITED = {
    "a copy per label": (["labeler.strategy=balanced"], "`labeler.model.encoder` must not have embeddings where each"),
    "no encoder": (["gate={kind: logistic_regression}"], "takes vectors, and the data has images; use `kind: keras`"),
    "keys of tables": (["gate.encoder.text=hashing"], "`encoder` must have `image` alone"),
    "a missing file": (["gate.encoder.image.onnx=nowhere"], "`gate`: `model` must be a file"),
    "another size": (["labeler.model.encoder.image.image_size=64"], "images of at least 64 pixels for the encoder"),
}


@pytest.mark.parametrize("case", UNSUITED.values(), ids=UNSUITED)
def test_what_does_not_suit_ends_before_training(
    case: tuple[list[str], str], home: Path, caplog: pytest.LogCaptureFixture
) -> None:
    config = load_config(written(home), case[0])
    with pytest.raises(ValueError, match=case[1]):
        train.run(config, home / "models")
    assert "gate:" not in caplog.text


def test_tables_take_no_encoder_of_images(home: Path) -> None:
    pd.DataFrame({"comment": ["a b", "c d"] * 50, "scratch": [0, 1] * 50, "dent": [1, 0, 0, 0] * 25}).to_csv(
        "table.csv", index=False
    )
    config = load_config(written(home), ["data={path: table.csv, text: [comment], labels: [scratch, dent]}"])
    with pytest.raises(ConfigError, match="is for images; the data is a table"):
        train.run(config, home / "models")


def test_a_search_by_arithmetic_is_refused_before_any_training(home: Path) -> None:
    config = load_config(written(home))
    with pytest.raises(ConfigError, match="arithmetic of a frozen encoder is not known; use `cascade compare`"):
        tune.run(config, home / "models", tune.Options(trials=2))
