"""A cheap gate of hashed words before a labeler of embeddings, from a raw CSV to predictions by the command line."""

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

from cascade import CascadePredictor
from cascade.config.build import network_name
from cascade.config.models import KerasModel
from cascade.config.yaml_file import load_config
from cascade.errors import ConfigError
from cascade.estimators.encoding.texts.static import StaticTextEncoder
from cascade_pipelines import train, tune
from cascade_pipelines.cli.app import app
from tests.text_files import WORDS, write_onnx

CONFIG = """\
name: frozen
data: {path: data.csv, id: id, text: [comment], labels: [fruit, insult]}
gate: {kind: logistic_regression, options: {C: 10}, encoder: {text: hashing}}
labeler: {model: {kind: logistic_regression, encoder: {text: TEXT}}}
cascade: {calibration_folds: null}
"""
FORMS = {"embeddings": "{embeddings: encoder}", "onnx": "{onnx: encoder/model.onnx, max_length: 32}"}


def write_comments(path: Path, n: int, seed: int) -> None:
    """Write comments in which one word of eight usually sets a label."""
    rng = np.random.default_rng(seed)
    words = rng.choice([word for word in WORDS if word.isalpha() and word not in ("apple", "bad")], (n, 6))
    for column, word in ((0, "apple"), (1, "bad")):
        words[rng.random(n) < 0.15, column] = word
    frame = pd.DataFrame({"id": np.arange(n), "comment": [" ".join(row) for row in words]})
    for column, name, word in ((0, "fruit", "apple"), (1, "insult", "bad")):
        frame[name] = (rng.random(n) < np.where(words[:, column] == word, 0.9, 0.01)).astype(int)
    frame.to_csv(path, index=False)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    pytest.importorskip("tokenizers")
    monkeypatch.chdir(tmp_path)
    write_onnx(tmp_path / "encoder")
    write_comments(tmp_path / "data.csv", 800, 0)
    return tmp_path


def written(home: Path, text: str, name: str = "run.yaml") -> Path:
    (home / name).write_text(CONFIG.replace("TEXT", text))
    return home / name


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_a_hashing_gate_before_a_labeler_of_embeddings(form: str, home: Path) -> None:
    run = CliRunner().invoke
    written(home, form)
    done = run(app, ["train", "run.yaml", "--json"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)
    # The model folder has all that it needs.
    shutil.rmtree("encoder")
    write_comments(Path("data.csv"), 300, 1)
    for output in ("answer.csv", "answers"):
        done = run(app, ["predict", "models/frozen", "data.csv", "--output", output])
        assert done.exit_code == 0, done.output
    answer = pd.read_csv("answer.csv").filter(like="_probability")
    streamed = pd.concat([pd.read_parquet(part) for part in sorted(Path("answers").glob("part-*.parquet"))])
    np.testing.assert_allclose(streamed.filter(like="_probability"), answer, atol=1e-6)
    done = run(app, ["evaluate", "models/frozen", "data.csv", "--json"])
    report = json.loads(done.stdout)
    assert report["overall"]["macro_average_precision"] > 3 * report["constant"]["macro_average_precision"]
    # What a frozen encoder computes is not known, and must not pass for the few numbers of the model behind it.
    assert report["cost"]["labeler"] is None
    (version,) = Path("models/frozen").glob("2*")
    saved = yaml.safe_load((version / "config.yaml").read_text())["labeler"]["model"]["encoder"]["text"]
    assert saved.items() >= yaml.safe_load(form).items()


def test_a_loaded_model_gives_equal_bits(home: Path) -> None:
    version = train.run(load_config(written(home, FORMS["onnx"])), home / "models")[0]
    rows = pd.read_csv("data.csv")[["comment"]]
    first, again = (CascadePredictor.load(version / "model").predict_proba(rows) for _ in range(2))
    assert np.array_equal(first, again)


def test_only_the_rows_past_the_gate_are_encoded(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    version = train.run(load_config(written(home, FORMS["embeddings"])), home / "models")[0]
    rows = pd.read_csv("data.csv")[["comment"]]
    encode, seen = StaticTextEncoder._encoded, []
    monkeypatch.setattr(StaticTextEncoder, "_encoded", lambda *args: seen.extend(args[1]) or encode(*args))
    passed = CascadePredictor.load(version / "model").examine(rows).passed_gate
    assert 0.1 < passed.mean() < 0.9
    assert sorted(seen) == sorted(set(rows["comment"][passed]))


def test_the_default_network_of_embeddings_is_that_of_numbers() -> None:
    data: Any = SimpleNamespace(X=pd.DataFrame({"comment": ["a"]}), kinds={"comment": "text"})
    assert network_name(KerasModel(), data) == "embedding_bag"
    for text in ("wordllama", {"embeddings": "x"}, {"onnx": "x"}):
        assert network_name(KerasModel.model_validate({"encoder": {"text": text}}), data) == "mlp"


@pytest.mark.slow
def test_trees_and_networks_take_embeddings(home: Path) -> None:
    pytest.importorskip("keras")
    written(home, FORMS["embeddings"])
    network = "{kind: keras, epochs: 2, validation_size: 0, encoder: {text: {embeddings: encoder}}}"
    trees = "{kind: hist_gradient_boosting, options: {max_iter: 20}, encoder: {text: {embeddings: encoder}}}"
    config = load_config("run.yaml", [f"gate={trees}", f"labeler.model={network}"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        version = train.run(config, home / "models")[0]
    shutil.rmtree("encoder")
    predictor = CascadePredictor.load(version / "model")
    assert np.isfinite(predictor.predict_proba(pd.read_csv("data.csv")[["comment"]])).all()


REFUSED = {
    "an unknown name": ("bert", "`labeler.model.encoder.text` input should be .*'wordllama'"),
    "another mapping": (
        "{model: x}",
        "`labeler.model.encoder.text` must be one of tfidf, .* or have the key embeddings",
    ),
    "a misspelt key": ("{onnx: x, tokeniser: y}", "did you mean `labeler.model.encoder.text.tokenizer`"),
    "a length": ("{onnx: x, max_length: 1}", "`labeler.model.encoder.text.max_length` input should be greater"),
}


@pytest.mark.parametrize("case", REFUSED.values(), ids=REFUSED)
def test_keys_that_are_not_valid_are_named(case: tuple[str, str], tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=case[1]):
        load_config(written(tmp_path, case[0]))


def test_a_missing_file_ends_before_training(home: Path, caplog: pytest.LogCaptureFixture) -> None:
    config = load_config(written(home, "{embeddings: nowhere.npy}"))
    with pytest.raises(ConfigError, match="`labeler`: `embeddings` must be a file"):
        train.run(config, home / "models")
    assert "gate:" not in caplog.text


def test_models_per_label_with_copies_of_an_encoder_are_refused(home: Path) -> None:
    config = load_config(written(home, FORMS["onnx"]), ["labeler.strategy=balanced"])
    with pytest.raises(ConfigError, match=r"`labeler.model.encoder` must not have embeddings where each label"):
        train.run(config, home / "models")


def test_a_search_by_arithmetic_is_refused_before_any_training(home: Path) -> None:
    config = load_config(written(home, FORMS["embeddings"]))
    with pytest.raises(ConfigError, match="arithmetic of a frozen encoder is not known; use `cascade compare`"):
        tune.run(config, home / "models", tune.Options(trials=2))
