"""Categories encoded by labels: as scikit-learn does it, out of fold, and without what noise would leak."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss, roc_auc_score
from sklearn.model_selection import KFold
from sklearn.preprocessing import TargetEncoder
from typer.testing import CliRunner

from cascade import CascadeClassifier, CascadePredictor
from cascade.errors import ConfigError, ModelRefusedError
from cascade.estimators.defaults import encoded, per_label
from cascade.estimators.encoding.target import MOST_LABELS, LabelTargetEncoder
from cascade.store.skops.file import load_skops, save_skops
from cascade_pipelines.cli.app import app

SITES, NOISE = 300, 1000


def table(n: int, seed: int, rates: np.ndarray) -> tuple[pd.DataFrame, np.ndarray]:
    """Two labels whose rates depend on the site alone, and a category of many values that says nothing."""
    rng = np.random.default_rng(seed)
    site, noise = rng.integers(0, SITES, n), rng.integers(0, NOISE, n)
    X = pd.DataFrame({"site": [f"s{k}" for k in site], "noise": [f"n{k}" for k in noise]})
    return X, (rng.random((n, 2)) < rates[site]).astype(np.uint8)


@pytest.fixture(scope="module")
def rates() -> np.ndarray:
    return np.random.default_rng(7).beta(0.5, 3, (SITES, 2))


def of_kind(kind: str, estimator: object, *columns: str) -> object:
    return encoded(estimator, kind, dict.fromkeys(columns, "category"), categories="target")


def test_each_label_is_encoded_as_scikit_learn_does_it(rates: np.ndarray) -> None:
    X, Y = table(1500, 0, rates)
    encoder = LabelTargetEncoder(random_state=3)
    trained = encoder.fit_transform(X, Y)
    for label, y in enumerate(Y.T):
        columns = slice(2 * label, 2 * label + 2)
        np.testing.assert_allclose(encoder.transform(X)[:, columns], TargetEncoder().fit(X, y).transform(X))
        for train, test in KFold(5, shuffle=True, random_state=3).split(X):
            alone = TargetEncoder().fit(X.iloc[train], y[train]).transform(X.iloc[test])
            np.testing.assert_allclose(trained[test, columns], alone)
    assert encoder.get_feature_names_out().tolist() == [
        "site, label 0", "noise, label 0", "site, label 1", "noise, label 1"
    ]  # fmt: skip


def test_a_row_does_not_see_its_own_label() -> None:
    """Every row has a category of its own: the labels would be copied, and are not."""
    X, y = pd.DataFrame({"id": [f"r{k}" for k in range(400)]}), np.arange(400) % 2
    encoder = LabelTargetEncoder(random_state=0)
    trained = encoder.fit_transform(X, y)[:, 0]
    assert abs(trained - 0.5).max() < 0.1
    changed = y.copy()
    changed[7] = 1 - y[7]
    assert LabelTargetEncoder(random_state=0).fit_transform(X, changed)[7, 0] == trained[7]


def test_noise_of_many_categories_teaches_nothing_and_a_true_one_does(rates: np.ndarray) -> None:
    (X, Y), (T, Z) = table(4000, 0, rates), table(6000, 1, rates)
    # What the sites' shares of positives in training are worth, without the column of noise.
    shares = [TargetEncoder().fit(X[["site"]], Y[:, k]).transform(T[["site"]])[:, 0] for k in range(2)]
    best = [roc_auc_score(Z[:, k], shares[k]) for k in range(2)]
    gate, labeler = (
        of_kind("logistic_regression", LogisticRegression(), "site", "noise"),
        per_label(of_kind("hist_gradient_boosting", HistGradientBoostingClassifier(max_iter=40), "site", "noise")),
    )
    model = CascadeClassifier(gate, labeler, label_names="ab", random_state=0, negative_pool="all").fit(X, Y)
    proba = model.predict_proba(T)
    for k in range(2):
        assert roc_auc_score(Z[:, k], proba[:, k]) > best[k] - 0.03
    noise = of_kind("logistic_regression", LogisticRegression(), "noise").fit(X[["noise"]], Y[:, 0])
    proba = noise.predict_proba(T[["noise"]])[:, 1]
    constant = np.full(len(T), Y[:, 0].mean())
    assert abs(roc_auc_score(Z[:, 0], proba) - 0.5) < 0.03
    assert log_loss(Z[:, 0], proba) < log_loss(Z[:, 0], constant) + 0.005
    # The same model on rows that are encoded by their own labels is what leaks.
    encoder = noise[:-1]
    leaky = LogisticRegression().fit(encoder.transform(X[["noise"]]), Y[:, 0])
    proba = leaky.predict_proba(encoder.transform(T[["noise"]]))[:, 1]
    assert log_loss(Z[:, 0], proba) > log_loss(Z[:, 0], constant) + 0.01


def test_rows_with_a_missing_label_do_not_count_for_it(rates: np.ndarray) -> None:
    X, Y = table(1000, 0, rates)
    known = np.random.default_rng(0).random(Y.shape) < 0.7
    masked = np.ma.masked_array(Y, mask=~known)
    found = LabelTargetEncoder().fit(X, masked).transform(X)
    for label in range(2):
        alone = TargetEncoder().fit(X[known[:, label]], Y[known[:, label], label]).transform(X)
        np.testing.assert_allclose(found[:, 2 * label : 2 * label + 2], alone)
    gate, labeler = (of_kind("logistic_regression", LogisticRegression(), "site") for _ in range(2))
    model = CascadeClassifier(gate, per_label(labeler)).fit(X[["site"]], masked)
    assert np.isfinite(model.predict_proba(X[["site"]])).all()


def test_a_label_without_positives_and_a_missing_category_are_encoded() -> None:
    X = pd.DataFrame({"site": ["a", None, "b", None] * 50})
    encoder = LabelTargetEncoder(random_state=0)
    encoded_rows = encoder.fit_transform(X, np.column_stack([np.zeros(200), X["site"].isna()]))
    assert np.isfinite(encoded_rows).all()
    assert (encoded_rows[:, 0] == 0).all()
    assert encoder.transform(pd.DataFrame({"site": [None, "a", "new"]}))[:, 1].round(2).tolist() == [1.0, 0.0, 0.5]


def test_without_labels_or_with_too_many_it_is_refused() -> None:
    X = pd.DataFrame({"site": ["a", "b"]})
    with pytest.raises(ConfigError, match="`y` must be given"):
        LabelTargetEncoder().fit_transform(X, None)
    with pytest.raises(ConfigError, match=r"onehot or ordinal with more than 100 labels\. Received target with 101"):
        LabelTargetEncoder().fit(X, np.zeros((2, MOST_LABELS + 1)))


def test_it_is_saved_without_pickle_and_forged_parts_are_refused(rates: np.ndarray, tmp_path: Path) -> None:
    X, Y = table(600, 0, rates)
    encoder = LabelTargetEncoder().fit(X, Y)
    save_skops(encoder, tmp_path / "encoder.skops", "encoder")
    loaded = load_skops((tmp_path / "encoder.skops").read_bytes(), "encoder")
    np.testing.assert_array_equal(loaded.transform(X), encoder.transform(X))

    def refused(change: object) -> None:
        wrong = LabelTargetEncoder().fit(X, Y)
        change(wrong)  # type: ignore[operator]
        with pytest.raises(ModelRefusedError):
            save_skops(wrong, tmp_path / "wrong.skops", "wrong")

    refused(lambda wrong: wrong.encoders_.clear())
    refused(lambda wrong: setattr(wrong, "encoders_", [TargetEncoder().fit(X[["site"]], Y[:, 0])]))
    refused(lambda wrong: setattr(wrong, "encoders_", [TargetEncoder().fit(X, Y[:, 0])]))
    refused(lambda wrong: setattr(wrong, "ordinal_", wrong.encoders_[0]))
    refused(lambda wrong: setattr(wrong, "n_features_in_", 3))
    refused(lambda wrong: wrong.encoders_[0].encodings_.__setitem__(0, np.array([np.inf])))
    refused(lambda wrong: wrong.encoders_[0].encodings_.__setitem__(0, np.array([0.5])))


def test_a_config_names_it(rates: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    X, Y = table(2000, 0, rates)
    X.assign(a=Y[:, 0], b=Y[:, 1]).to_csv("data.csv", index=False)
    Path("run.yaml").write_text(
        "name: raw\n"
        "data: {path: data.csv, categories: [site, noise], labels: [a, b]}\n"
        "gate: {kind: hist_gradient_boosting, options: {max_iter: 20}, encoder: {categories: target}}\n"
        "labeler: {strategy: balanced, n_bags: 2,"
        " model: {kind: logistic_regression, encoder: {categories: target}}}\n"
    )
    done = CliRunner().invoke(app, ["train", "run.yaml", "--json"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)
    (folder,) = Path("models/raw").glob("*/model")
    predictor = CascadePredictor.load(folder)
    T, Z = table(3000, 1, rates)
    proba = predictor.predict_proba(T)
    assert min(roc_auc_score(Z[:, k], proba[:, k]) for k in range(2)) > 0.65
