"""Trees of LightGBM and XGBoost as plain arrays predict what the libraries themselves predict."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import sparse
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import get_tags

from cascade.errors import ConfigError, ModelRefusedError
from cascade.estimators.block_size import block_size
from cascade.estimators.boosting.convert import with_plain_trees
from cascade.estimators.boosting.kinds import boosting_classifier
from cascade.estimators.boosting.trees import BoostedTrees, Tree
from cascade.estimators.defaults import per_label
from cascade.metrics.operations import operations_per_row

CLOSE = {"lightgbm": 1e-14, "xgboost": 1e-6}
"""XGBoost adds in 32 bits."""
LIGHTGBM: dict[str, dict[str, Any]] = {
    "plain": {},
    "dart": {"boosting_type": "dart"},
    "forest": {"boosting_type": "rf", "subsample": 0.7, "subsample_freq": 1},
    "weighted": {"scale_pos_weight": 5.0, "colsample_bytree": 0.5},
    "steep": {"sigmoid": 2.0},
    "stumps": {"num_leaves": 2},
    "constant": {"min_child_samples": 10_000},
}
XGBOOST: dict[str, dict[str, Any]] = {
    "plain": {},
    "dart": {"booster": "dart", "rate_drop": 0.3},
    "exact": {"tree_method": "exact"},
    "by loss": {"grow_policy": "lossguide", "max_leaves": 9},
    "pruned": {"tree_method": "exact", "gamma": 3.0},
    "forests": {"num_parallel_tree": 3, "subsample": 0.5},
    "weighted": {"scale_pos_weight": 5.0, "base_score": 0.2},
}
PAIRS = [("lightgbm", name) for name in LIGHTGBM] + [("xgboost", name) for name in XGBOOST]


def rows(n: int = 600, gaps: bool = True) -> NDArray[np.float64]:
    rng = np.random.default_rng(0)
    X = np.column_stack([rng.normal(size=(n, 3)), rng.integers(-2, 3, (n, 2))])
    if gaps:
        X[rng.random(X.shape) < 0.15] = np.nan
    return X


def labels(X: Any) -> NDArray[np.int64]:
    known = np.nan_to_num(X)
    noise = np.random.default_rng(1).normal(size=len(known))
    return (known[:, 0] + known[:, 1] * known[:, 3] + np.isnan(X[:, 2]) + noise > 1).astype(np.int64)


def classifier(library: str, **options: Any) -> Any:
    module = pytest.importorskip(library)
    if library == "lightgbm":
        return module.LGBMClassifier(**{"n_estimators": 12, "verbosity": -1, "n_jobs": 1, "random_state": 0, **options})
    return module.XGBClassifier(**{"n_estimators": 12, "n_jobs": 1, "random_state": 0, **options})


def named(library: str, name: str) -> Any:
    return classifier(library, **(LIGHTGBM if library == "lightgbm" else XGBOOST)[name])


def check_equal(plain: Any, fitted: Any, X: Any) -> None:
    library = type(fitted).__module__.partition(".")[0]
    wanted, found = fitted.predict_proba(X), plain.predict_proba(X)
    assert found.dtype == wanted.dtype
    np.testing.assert_allclose(found, wanted, rtol=0, atol=CLOSE[library])


@pytest.mark.parametrize(("library", "name"), PAIRS)
@pytest.mark.parametrize("gaps", [False, True])
def test_probabilities_are_those_of_the_library(library: str, name: str, gaps: bool) -> None:
    X = rows(gaps=gaps)
    fitted = named(library, name).fit(X, labels(X))
    plain = with_plain_trees(fitted)
    assert isinstance(plain, BoostedTrees)
    check_equal(plain, fitted, X)
    # Missing values where training had none, infinities and numbers beyond 32 bits, too.
    strange = rows(200)
    strange[:5] = [[np.inf], [-np.inf], [1e300], [-1e300], [0.0]]
    check_equal(plain, fitted, strange)
    np.testing.assert_array_equal(plain.predict(X), fitted.predict(X))


@pytest.mark.parametrize("library", CLOSE)
def test_numbers_at_a_threshold_go_to_the_side_of_the_library(library: str) -> None:
    X = np.round(rows(gaps=False), 1)
    fitted = classifier(library, min_child_weight=0.1, learning_rate=1.0).fit(X, labels(X))
    plain = with_plain_trees(fitted)
    inner = plain.left_ >= 0
    at = plain.threshold_[inner]
    near = [at, np.nextafter(at, np.inf), np.nextafter(at, -np.inf)]
    # Of 32 bits: the numbers at both sides of the threshold, and those that are rounded to them.
    short = at.astype(np.float32)
    near += [np.nextafter(short, np.float32(side)) for side in (np.inf, -np.inf)] + [short * (1 + 1e-8), short]
    for values in near:
        tied = X[np.arange(len(values)) % len(X)].copy()
        tied[np.arange(len(values)), plain.feature_[inner]] = values
        check_equal(plain, fitted, tied)


@pytest.mark.parametrize("library", CLOSE)
def test_a_split_between_missing_and_all_other_numbers(library: str) -> None:
    X = rows()
    fitted = classifier(library).fit(X, np.isnan(X[:, 0]).astype(int))
    plain = with_plain_trees(fitted)
    X[:3, 0] = np.inf, -np.inf, np.finfo(np.float64).max
    check_equal(plain, fitted, X)
    assert np.isfinite(plain.threshold_).all()


@pytest.mark.parametrize("library", CLOSE)
def test_what_sparse_rows_leave_out_is_read_as_the_library_reads_it(library: str) -> None:
    X = rows()
    X[np.abs(X) < 0.8] = 0
    S = sparse.csr_matrix(X)
    # A stored zero is a number; a missing one is NaN.
    S.data[::7] = 0.0
    fitted = classifier(library).fit(S, labels(X))
    plain = with_plain_trees(fitted)
    for form in (S, sparse.csc_matrix(S), sparse.csr_matrix(S.astype(np.float32))):
        check_equal(plain, fitted, form)
    np.testing.assert_array_equal(plain.predict_proba(sparse.csr_array(S)), plain.predict_proba(S))
    assert (np.abs(plain.predict_proba(S) - plain.predict_proba(S.toarray())) > 0.01).any() == (library == "xgboost")


@pytest.mark.parametrize("library", CLOSE)
def test_whole_numbers_are_rounded_as_by_the_library(library: str) -> None:
    X = 2**24 + np.random.default_rng(0).integers(0, 6, (400, 2))
    y = (X[:, 0] % 2 == X[:, 1] % 3).astype(int)
    fitted = classifier(library, min_child_weight=0.1).fit(X.astype(float), y)
    plain = with_plain_trees(fitted)
    for form in (X, X.astype(float), X.astype(np.float32)):
        check_equal(plain, fitted, form)


@pytest.mark.parametrize("library", CLOSE)
def test_only_the_trees_up_to_the_best_iteration_count(library: str) -> None:
    X, Z = rows(), rows(100)
    y = labels(X)
    if library == "lightgbm":
        lightgbm = pytest.importorskip("lightgbm")
        fitted = classifier(library, n_estimators=200, learning_rate=0.5)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            fitted.fit(X, y, eval_set=[(Z, labels(Z))], callbacks=[lightgbm.early_stopping(3, verbose=False)])
    else:
        fitted = classifier(library, n_estimators=200, early_stopping_rounds=3)
        fitted.fit(X, y, eval_set=[(Z, labels(Z))], verbose=False)
    plain = with_plain_trees(fitted)
    assert len(plain.start_) < 100
    check_equal(plain, fitted, X)


def test_several_labels_of_xgboost_become_one_model_per_label() -> None:
    X = rows()
    Y = np.column_stack([labels(X), labels(-X), labels(X[:, [1, 0, 2, 3, 4]])])
    fitted = classifier("xgboost").fit(X, Y)
    plain = with_plain_trees(fitted)
    found = np.column_stack([proba[:, 1] for proba in plain.predict_proba(X)])
    np.testing.assert_allclose(found, fitted.predict_proba(X), rtol=0, atol=1e-6)


@pytest.mark.parametrize("library", CLOSE)
def test_classifiers_inside_of_others_are_replaced_and_the_fitted_model_stays(library: str) -> None:
    X = rows()
    Y = np.column_stack([labels(X), labels(-X)])
    calibrated = CalibratedClassifierCV(classifier(library), cv=2, ensemble=False)
    fitted = make_pipeline(StandardScaler(), per_label(calibrated)).fit(X, Y)
    plain = with_plain_trees(fitted)
    for one, other in zip(plain.predict_proba(X), fitted.predict_proba(X), strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-5)
    inside = fitted.steps[1][1].estimators_[0].calibrated_classifiers_[0].estimator
    assert type(inside).__module__.startswith(library)
    assert plain.steps[0][1] is fitted.steps[0][1]
    # An estimator without such classifiers is the same object.
    assert with_plain_trees(fitted.steps[0][1]) is fitted.steps[0][1]


REFUSED: dict[str, tuple[str, dict[str, Any], str]] = {
    "linear leaves": ("lightgbm", {"linear_tree": True}, "linear"),
    "zeros as missing": ("lightgbm", {"zero_as_missing": True}, "zero_as_missing"),
    "categories": ("lightgbm", {"categorical_feature": [3]}, "category"),
    "another objective": ("lightgbm", {"objective": "cross_entropy"}, "objective"),
    "no trees": ("xgboost", {"booster": "gblinear"}, "gblinear"),
    "types of features": ("xgboost", {"feature_types": ["q", "q", "q", "q", "c"], "max_cat_to_onehot": 9}, "category"),
    "another missing value": ("xgboost", {"missing": -1.0}, "missing"),
    "another link": ("xgboost", {"objective": "binary:hinge"}, "objective"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_plain_trees_cannot_say_is_refused_by_name(name: str) -> None:
    library, options, match = REFUSED[name]
    X = rows(gaps=False)
    X[:, 3:] += 2
    y = (X[:, 3:].sum(axis=1) % 2).astype(int)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fitted = classifier(library, **options).fit(X, y)
    with pytest.raises(ModelRefusedError, match=match):
        with_plain_trees(fitted)


INVALID: dict[str, tuple[str, dict[str, Any], str]] = {
    "unknown": ("lightgbm", {"leaves": 3}, "no option `leaves`"),
    "leaves": ("lightgbm", {"num_leaves": -3}, "num_leaves"),
    "rounds": ("lightgbm", {"n_estimators": 0}, "n_estimators"),
    "file": ("lightgbm", {"forcedsplits_filename": "a.json"}, "no option"),
    "depth": ("xgboost", {"max_depth": -3}, "max_depth"),
    "booster": ("xgboost", {"booster": "foo"}, "^Unknown gbm type foo"),
    "linear": ("xgboost", {"booster": "gblinear"}, "gblinear"),
    "early stopping": ("xgboost", {"early_stopping_rounds": 3}, "validation"),
    "many rounds": ("xgboost", {"n_estimators": -5}, "n_estimators"),
}


@pytest.mark.parametrize("name", INVALID)
def test_options_are_tried_before_training(name: str) -> None:
    library, options, match = INVALID[name]
    pytest.importorskip(library)
    with pytest.raises(ValueError, match=match):
        boosting_classifier(library, options)


@pytest.mark.parametrize("library", CLOSE)
def test_a_named_classifier_keeps_its_options_and_can_be_cloned(library: str) -> None:
    pytest.importorskip(library)
    options = {"n_estimators": 7, "learning_rate": 0.3, "n_jobs": 1}
    made = clone(boosting_classifier(library, options))
    assert {name: made.get_params()[name] for name in options} == options
    assert get_tags(made).input_tags.allow_nan


@pytest.mark.parametrize("library", CLOSE)
def test_the_longest_paths_are_counted_alike_before_and_after(library: str) -> None:
    X = rows()
    options = {"max_depth": 3} if library == "xgboost" else {"num_leaves": 6}
    fitted = classifier(library, **options).fit(X, labels(X))
    plain = with_plain_trees(fitted)
    depths = plain.longest_paths()
    assert operations_per_row(fitted) == operations_per_row(plain) == depths.sum()
    assert len(depths) == 12
    assert 0 < depths.min() <= depths.max() <= (3 if library == "xgboost" else 5)


def stump(column: int = 0) -> Tree:
    return Tree(
        feature=np.array([column, 0, 0]),
        threshold=np.array([0.5, 0, 0]),
        missing_left=np.array([True, False, False]),
        left=np.array([1, -1, -1]),
        right=np.array([2, -1, -1]),
        value=np.array([0, -1.0, 2.0]),
    )


def test_the_number_of_features_takes_no_memory_of_its_own() -> None:
    model = BoostedTrees.of("lightgbm", [0, 1], 10**6, [stump(column=10**6 - 1)], offset=0.5)
    S = sparse.csr_array(([3.0], [10**6 - 1], [0, 1, 1]), shape=(2, 10**6))
    np.testing.assert_allclose(model.predict_proba(S)[:, 1], 1 / (1 + np.exp([-2.5, 0.5])))


def test_rows_are_independent_of_the_rows_beside_them() -> None:
    model = BoostedTrees.of("xgboost", [0, 1], 2, [stump(), stump(1)])
    X = np.random.default_rng(0).random((10_000, 2))
    np.testing.assert_array_equal(model.predict_proba(X)[5000:5003], model.predict_proba(X[5000:5003]))
    assert not block_size(model, X).pad


def test_without_trees_every_row_has_the_offset() -> None:
    model = BoostedTrees.of("lightgbm", [0, 1], 2, [], offset=0.0)
    np.testing.assert_array_equal(model.predict_proba([[1, 2]]), [[0.5, 0.5]])


def test_wrong_use_is_an_error() -> None:
    with pytest.raises(ConfigError, match="fit LGBMClassifier"):
        BoostedTrees().fit([[0.0]], [0])
    with pytest.raises(ValueError, match="must have 2 features"):
        BoostedTrees.of("lightgbm", [0, 1], 2, [stump()]).predict_proba([[1, 2, 3]])
