"""Networks behind an encoder: text and mixed tables with the losses of networks, saved without code."""

from __future__ import annotations

import json
import shutil
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.feature_extraction.text import HashingVectorizer, TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, MaxAbsScaler, TargetEncoder

pytest.importorskip("keras")

from cascade import CascadeClassifier, CascadePredictor, KerasClassifier
from cascade.comparison.shared_fit import SharedFit
from cascade.config.build import build_model
from cascade.config.models import KerasModel
from cascade.data import Dataset
from cascade.data.column_kinds import column_kinds
from cascade.data.label_matrix import LabelMatrix
from cascade.errors import ConfigError, DataError, ModelRefusedError, RuntimeUnavailableError
from cascade.estimators.encoding.encoder import make_encoder
from cascade.estimators.fit_on_rows import fit_encoder, fit_with
from cascade.metrics import label_auroc
from cascade.metrics.operations import operations_per_row
from cascade.store.keras_file import save_network
from cascade.store.manifest import NAME
from cascade.store.parts import load_part, save_part
from cascade.store.plain_file import ModelFiles
from tests.estimators.test_encoding import table
from tests.store.test_forged_parts import redo


def bag(**options: Any) -> KerasClassifier:
    given = {"epochs": 8, "learning_rate": 0.02, "batch_size": 64, "validation_size": 0.0}
    return KerasClassifier("embedding_bag", {"width": 8}, **given | options)


def hashed(n_features: int = 2**10) -> HashingVectorizer:
    return HashingVectorizer(n_features=n_features, alternate_sign=False)


def texts(n: int = 1500, seed: int = 0) -> tuple[list[str], np.ndarray]:
    X, Y = table(n, seed)
    return X["comment"].tolist(), np.column_stack([Y[:, 0], X["comment"].str.contains(r"word11\b")]).astype(np.uint8)


@pytest.fixture(scope="module")
def fitted() -> CascadeClassifier:
    labeler = make_pipeline(TfidfVectorizer(), bag(loss="asymmetric"))
    return CascadeClassifier(make_pipeline(hashed(), bag()), labeler, random_state=0).fit(*texts())


def test_words_are_learned_saved_and_loaded_with_the_same_answers(fitted: CascadeClassifier, tmp_path: Path) -> None:
    X, Y = texts(600, seed=1)
    expected = fitted.predict_proba(X)
    # "word7" shows the first label with probability 0.9, "word11" the second one always.
    known = np.column_stack([["word7 " in f"{text} " for text in X], Y[:, 1]]).astype(float)
    assert (label_auroc(Y, expected) > label_auroc(Y, known) - 0.03).all()
    # 2**10 hashes by 8 vectors, then 8 by the outputs `any` and two labels.
    assert operations_per_row(fitted.gate_) == 2 * (2**10 * 8 + 8 * 3)
    fitted.save(tmp_path / "model")
    names = {path.name for path in (tmp_path / "model").iterdir()}
    assert names == {
        NAME,
        *(f"{one}_{part}" for one in ("gate", "labeler") for part in ("encoder.skops", "network.keras")),
    }
    loaded = CascadePredictor.load(tmp_path / "model")
    np.testing.assert_array_equal(loaded.predict_proba(X), expected)
    # The same row alone, with the same bits.
    np.testing.assert_array_equal(loaded.predict_proba(X[:1]), expected[:1])
    with pytest.raises(RuntimeUnavailableError, match="a network behind an encoder runs in Keras"):
        CascadePredictor.load(tmp_path / "model", runtime="litert")


def test_a_labeler_of_all_rows_begins_as_the_flat_model() -> None:
    X, Y = texts()
    labeler = make_pipeline(hashed(), bag())
    flat = CascadeClassifier("none", labeler, random_state=0).fit(X, Y)
    model = CascadeClassifier(
        make_pipeline(hashed(), LogisticRegression()), labeler, negative_pool="all", random_state=0
    )
    model.fit(X, Y)
    encoded, (_, network) = model.labeler_[:-1].transform(X), model.labeler_.steps[-1]
    flat_encoded, (_, flat_network) = flat.gate_[:-1].transform(X), flat.gate_.steps[-1]
    np.testing.assert_allclose(
        network.predict_log_odds(encoded), flat_network.predict_log_odds(flat_encoded)[:, 1:], rtol=1e-4, atol=1e-5
    )


def test_an_encoder_learns_from_the_fitting_rows_alone() -> None:
    X, Y = texts()
    seen: list[int] = []

    class Noted(TfidfVectorizer):
        def fit_transform(self, X: Any, y: Any = None) -> Any:
            seen.append(len(X))
            return super().fit_transform(X, y)

    labeler = Pipeline([("words", Noted()), ("network", bag(epochs=1))])
    CascadeClassifier(make_pipeline(hashed(), LogisticRegression()), labeler, random_state=0).fit(X, Y)
    # A few rows before the training, then four fifths: the rest is held out for the rules.
    assert seen[0] < 20
    assert seen[1:] == [1200]


def test_an_encoder_that_learns_from_labels_does_not_show_a_row_its_own() -> None:
    """scikit-learn's encoder of targets gives a row numbers from other rows, but only in `fit_transform`."""
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"site": rng.integers(0, 600, 1500).astype(str)})
    y = (rng.random((1500, 1)) < 0.2).astype(np.uint8)
    rows = np.arange(0, 1500, 2)
    encoder = TargetEncoder()
    encoded = fit_encoder(encoder, X.iloc[rows], LabelMatrix(y[rows]))
    # A site is on one or two rows, so the mean over all of them shows the label; that of other rows does not.
    assert label_auroc(y[rows], np.clip(encoder.transform(X.iloc[rows]), 0, 1)).max() > 0.9
    assert label_auroc(y[rows], np.clip(encoded, 0, 1)).max() < 0.6


def test_networks_of_more_labels_than_a_rehearsal_has() -> None:
    X, _ = texts(400)
    Y = (np.random.default_rng(0).random((400, 60)) < 0.05).astype(np.uint8)
    weights = {"kind": "weighted", "weights": [[1.0, 2.0]] * 60}
    labeler = make_pipeline(hashed(), bag(epochs=1, loss=weights))
    model = CascadeClassifier(make_pipeline(hashed(), LogisticRegression()), labeler, calibration_folds=None)
    with warnings.catch_warnings():
        # Labels of a few rows are not ranked better than chance.
        warnings.simplefilter("ignore")
        assert model.fit(X, Y).predict(X).shape == Y.shape


def test_pipelines_of_other_forms_are_saved(tmp_path: Path) -> None:
    X, Y = texts(400)
    one = Pipeline([("network", KerasClassifier("mlp", epochs=1, validation_size=0.0))])
    table = hashed(2**5).transform(X).toarray()
    nested = make_pipeline(hashed(2**5), make_pipeline(MaxAbsScaler(), bag(epochs=1)))
    for number, (model, rows) in enumerate([(one, table), (nested, X)]):
        model.fit(rows, Y)
        spec = save_part(model, tmp_path, f"part{number}")
        loaded = load_part(spec, ModelFiles(tmp_path))
        np.testing.assert_array_equal(loaded.predict_proba(rows), model.predict_proba(rows))


def test_an_encoder_that_cannot_be_saved_is_named_before_the_training(caplog: pytest.LogCaptureFixture) -> None:
    X, Y = texts(400)
    labeler = make_pipeline(FunctionTransformer(lambda rows: rows), hashed(), bag(epochs=1))
    CascadeClassifier(make_pipeline(hashed(), LogisticRegression()), labeler).fit(X, Y)
    assert "labeler: it can be fitted, but not saved" in caplog.text


def test_a_shared_trunk_is_refused_before_the_training() -> None:
    encoded = make_pipeline(hashed(), bag())
    with pytest.raises(ConfigError, match="Received a network behind an encoder and a network behind an encoder"):
        CascadeClassifier(encoded, encoded, share_trunk=True).fit(*texts(400))


def test_a_column_without_a_word_is_refused_in_a_sentence() -> None:
    Y = texts(400)[1]
    with pytest.raises(DataError, match="must hold words of two letters or more"):
        CascadeClassifier(make_pipeline(TfidfVectorizer(), bag()), make_pipeline(hashed(), bag())).fit([""] * 400, Y)


def test_options_are_refused_before_the_gate_is_trained() -> None:
    labeler = make_pipeline(hashed(), bag(loss={"kind": "weighted", "weights": [1.0]}))

    class Gate(LogisticRegression):
        def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Any:
            raise AssertionError("the gate was trained")

    with pytest.raises(ConfigError, match="`labeler`"):
        CascadeClassifier(make_pipeline(hashed(), Gate()), labeler).fit(*texts())


def test_a_config_puts_an_encoder_before_a_network_where_columns_need_one() -> None:
    X, Y = table(1500)
    kinds = column_kinds(X, {"comment": "text"})
    data = Dataset(X, Y, ("first", "second"), None, np.arange(len(X)).astype(str), kinds=kinds)
    options = {"network_options": {"width": 8}, "epochs": 8, "learning_rate": 0.02, "batch_size": 64}
    model = build_model(KerasModel(encoder={"text": "hashing"}, **options), data)
    assert model.steps[-1][1].network == "embedding_bag"
    assert isinstance(model[0], ColumnTransformer)
    # Missing ages are no reason to refuse the table: the encoder fills them in.
    model.fit(X, Y)
    other, truth = table(1000, seed=1)
    _, known = table(1000, seed=1, known=True)
    assert (label_auroc(truth, model.predict_proba(other)) > label_auroc(truth, known) - 0.08).all()
    numbers = Dataset(np.ones((4, 2), np.float32), Y[:4], ("first", "second"), None, np.arange(4).astype(str))
    assert build_model(KerasModel(), numbers).network == "mlp"
    with pytest.raises(ConfigError, match="`encoder` is for tables with text"):
        build_model(KerasModel(encoder={"text": "hashing"}), numbers)


def test_forged_parts_are_refused(fitted: CascadeClassifier, tmp_path: Path) -> None:
    fitted.save(tmp_path / "model")

    def refused(name: str, change: Any, match: str) -> None:
        folder = Path(shutil.copytree(tmp_path / "model", tmp_path / name))
        gate = json.loads((folder / NAME).read_text())["gate"]
        change(folder, gate)
        redo(folder, gate=gate)
        with pytest.raises(ModelRefusedError, match=match):
            CascadePredictor.load(folder)

    refused("kind", lambda _, gate: gate["encoder"].update(kind="encoded"), "whose encoder is no skops file")
    refused("left out", lambda _, gate: gate.pop("network"), "whose network is no keras file")
    refused("exports", lambda _, gate: gate["network"].update(exports={}), "whose network is no keras file")
    refused("twice", lambda _, gate: gate["encoder"].update(file="labeler_encoder.skops"), "exactly one part")
    refused("outside", lambda _, gate: gate["encoder"].update(file="../model/gate_encoder.skops"), "outside its own")

    def narrower(folder: Path, gate: dict[str, Any]) -> None:
        Y = texts()[1]
        other = bag(epochs=1).fit(hashed(2**9).transform(texts()[0]), np.column_stack([Y.any(axis=1), Y]))
        save_network(other, folder / "gate_network.keras")

    refused("narrower", narrower, "does not take the rows of its model")

    def no_transformer(folder: Path, gate: dict[str, Any]) -> None:
        from cascade.store.skops.file import save_skops

        save_skops(LogisticRegression().fit([[0.0], [1.0]], [0, 1]), folder / "gate_encoder.skops", "gate")

    refused("no transformer", no_transformer, "does not transform rows")


def test_mixed_columns_survive_saving(tmp_path: Path) -> None:
    X, Y = table(1200)
    kinds = column_kinds(X, {"comment": "text"})
    model = CascadeClassifier(
        make_pipeline(make_encoder(kinds, text="hashing"), LogisticRegression()),
        make_pipeline(make_encoder(kinds), bag(epochs=2)),
        random_state=0,
    ).fit(X, Y)
    model.save(tmp_path / "model")
    np.testing.assert_array_equal(CascadePredictor.load(tmp_path / "model").predict_proba(X), model.predict_proba(X))


def test_groups_reach_a_network_behind_an_encoder_in_a_comparison() -> None:
    X, Y = texts(300)
    model = SharedFit(make_pipeline(hashed(), bag(epochs=1)))
    fit_with(model, X, Y, groups=np.arange(300) // 3, sample_weight=np.ones(300))
    assert model.predict_proba(X).shape == Y.shape
