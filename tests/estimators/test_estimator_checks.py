"""scikit-learn's own checks of an estimator, and the company it must keep: pipelines, searches, data frames."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy import sparse
from sklearn import config_context
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, GroupKFold, cross_val_predict
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from cascade import BalancedBinaryRelevance, CascadeClassifier
from tests.conftest import KnownTruth

BALANCED = BalancedBinaryRelevance(LogisticRegression(), n_bags=2)
ESTIMATORS = [
    # The checks want predict to agree with predict_proba at one half, which is not where F1 is largest.
    CascadeClassifier(LogisticRegression(), BALANCED, decision=0.5),
    CascadeClassifier(LogisticRegression(), OneVsRestClassifier(LogisticRegression()), decision=0.5),
    BALANCED,
]
REASON = "rows are held out or drawn at random, so a row of weight 2 is not the row twice"


def cannot_hold(estimator: Any) -> dict[str, str]:
    return {
        "check_sample_weight_equivalence_on_dense_data": REASON,
        "check_sample_weight_equivalence_on_sparse_data": REASON,
    }


@pytest.mark.filterwarnings("ignore:no held-out row has a label")
@pytest.mark.filterwarnings("ignore:label .* occurs among training rows")
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
@parametrize_with_checks(ESTIMATORS, expected_failed_checks=cannot_hold)
def test_scikit_learns_checks(estimator: Any, check: Any) -> None:
    check(estimator)


@pytest.fixture(scope="module")
def sample(truth: KnownTruth) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return truth.X[:4000], truth.Y[:4000], np.arange(4000) // 4


def test_pipelines_searches_and_cross_validation(sample: tuple[np.ndarray, ...]) -> None:
    X, Y, groups = sample
    model = make_pipeline(StandardScaler(), CascadeClassifier(LogisticRegression(), BALANCED))
    grid = {"cascadeclassifier__gate__C": [0.1, 1.0], "cascadeclassifier__labeler__n_bags": [1, 2]}
    search = GridSearchCV(model, grid, cv=GroupKFold(2), scoring="f1_macro").fit(X, Y, groups=groups)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    answer = cross_val_predict(model, X, Y, groups=groups, cv=GroupKFold(2), method="predict_proba")
    assert answer.shape == Y.shape
    assert (answer[:, 4:] >= answer[:, :4]).all()


def test_groups_and_weights_are_routed_where_they_are_asked_for(sample: tuple[np.ndarray, ...]) -> None:
    X, Y, groups = sample
    weight = np.random.default_rng(0).uniform(0.5, 2, len(Y))
    cascade = CascadeClassifier(LogisticRegression(), BALANCED)
    direct = clone(cascade).fit(X, Y, groups=groups, sample_weight=weight)
    with config_context(enable_metadata_routing=True):
        model = make_pipeline(clone(cascade).set_fit_request(groups=True, sample_weight=True))
        model.fit(X, Y, groups=groups, sample_weight=weight)
        np.testing.assert_array_equal(model.predict_proba(X), direct.predict_proba(X))
    assert (clone(cascade).fit(X, Y).predict_proba(X) != direct.predict_proba(X)).any()


@pytest.mark.parametrize("make", [pd.DataFrame, pl.DataFrame], ids=["pandas", "polars"])
def test_data_frames_keep_their_columns(sample: tuple[np.ndarray, ...], make: Any) -> None:
    X, Y, _ = sample
    frame = make({f"f{k}": X[:, k] for k in range(6)})
    labels = make({name: Y[:, k] for k, name in enumerate("abcd")} | {"some": Y[:, 4]})
    model = CascadeClassifier(LogisticRegression(), BALANCED).fit(frame, labels)
    assert model.feature_names_in_.tolist() == [f"f{k}" for k in range(6)]
    assert (model.predictor_.labels, model.any_label_) == (("a", "b", "c", "d", "some"), "some")
    np.testing.assert_array_equal(model.predict(frame), clone(model).fit(X, Y).predict(X))
    with pytest.raises(ValueError, match="feature names"):
        model.predict(frame[[f"f{k}" for k in (1, 0, 2, 3, 4, 5)]])
    with pytest.raises(ValueError, match="feature names"):
        model.predict(frame.rename(columns={"f0": "g0"}) if make is pd.DataFrame else frame.rename({"f0": "g0"}))


def test_sparse_rows_and_sparse_labels(sample: tuple[np.ndarray, ...]) -> None:
    X, Y, _ = sample
    model = CascadeClassifier(LogisticRegression(), BALANCED)
    dense = clone(model).fit(X, Y).predict_proba(X)
    thin = clone(model).fit(sparse.csr_matrix(X), sparse.csr_matrix(Y)).predict_proba(sparse.csr_matrix(X))
    np.testing.assert_allclose(thin, dense, atol=1e-6)


def test_two_classes_of_any_name_come_back(sample: tuple[np.ndarray, ...]) -> None:
    X, Y, _ = sample
    named = np.where(Y[:, 4] > 0, "sick", "fine")
    model = CascadeClassifier(LogisticRegression(), BALANCED).fit(X, named)
    assert model.classes_.tolist() == ["fine", "sick"]
    assert set(model.predict(X)) == {"fine", "sick"}
    np.testing.assert_allclose(model.predict_proba(X).sum(axis=1), 1.0)
    np.testing.assert_array_equal(model.decision_function(X) > 0, model.predict(X) == "sick")


def test_the_margin_has_the_sign_of_the_bit(sample: tuple[np.ndarray, ...]) -> None:
    X, Y, _ = sample
    model = CascadeClassifier(LogisticRegression(), BALANCED).fit(X, Y)
    np.testing.assert_array_equal(model.decision_function(X) > 0, model.predict(X) > 0)


def test_the_page_in_a_notebook_shows_both_stages() -> None:
    page = CascadeClassifier(LogisticRegression(C=0.25), BALANCED)._repr_html_()
    for word in ("CascadeClassifier", "LogisticRegression", "BalancedBinaryRelevance", "gate", "labeler"):
        assert word in page
