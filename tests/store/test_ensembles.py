"""Ensembles and selections of scikit-learn: saved with the same predictions, or named before the fit, or refused."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.ensemble import (
    BaggingClassifier,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    StackingClassifier,
    VotingClassifier,
)
from sklearn.feature_selection import RFE, SelectKBest, SelectPercentile, chi2, f_classif
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression, Perceptron, RidgeClassifierCV
from sklearn.model_selection import GridSearchCV
from sklearn.multioutput import MultiOutputClassifier
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.svm import SVC, LinearSVC
from sklearn.tree import DecisionTreeClassifier

from cascade import CascadeClassifier, CascadePredictor
from cascade.errors import ConfigError, ModelRefusedError
from cascade.store.skops.file import load_skops, save_skops

LINEAR, TREE = LogisticRegression(), DecisionTreeClassifier(max_depth=3, random_state=0)
PAIR = [("linear", LINEAR), ("tree", TREE)]


def vote(**options: Any) -> VotingClassifier:
    return VotingClassifier(PAIR, voting="soft", **options)


ENSEMBLES: dict[str, Callable[[], Any]] = {
    "voting": vote,
    "voting with weights": lambda: VotingClassifier([*PAIR, ("none", "drop")], voting="soft", weights=[1, 2, 3]),
    "voting of pipelines": lambda: VotingClassifier([("a", make_pipeline(StandardScaler(), LINEAR))], voting="soft"),
    "stacking": lambda: StackingClassifier(PAIR, cv=3),
    "stacking with the rows": lambda: StackingClassifier(PAIR, cv=3, passthrough=True),
    "stacking of scores": lambda: StackingClassifier([("svm", LinearSVC()), *PAIR], LINEAR, cv=3),
    "stacking of votes": lambda: StackingClassifier([("vote", vote()), ("tree", TREE)], cv=3),
    "sigmoid": lambda: CalibratedClassifierCV(vote(), cv=3),
    "isotonic": lambda: CalibratedClassifierCV(StackingClassifier(PAIR, LINEAR, cv=3), cv=3, method="isotonic"),
    "calibrated ridge": lambda: CalibratedClassifierCV(RidgeClassifierCV(), cv=3),
    "calibrated perceptron": lambda: CalibratedClassifierCV(Perceptron(), cv=3),
    "bagging": lambda: BaggingClassifier(vote(), 3, max_features=0.5, random_state=0),
    "bagging of boosting": lambda: BaggingClassifier(HistGradientBoostingClassifier(max_iter=3), 3),
    "boosting": lambda: GradientBoostingClassifier(n_estimators=5, subsample=0.8),
    "boosting from zero": lambda: GradientBoostingClassifier(n_estimators=5, init="zero", loss="exponential"),
    "best": lambda: make_pipeline(SelectKBest(f_classif, k=2), LINEAR),
    "percentile": lambda: make_pipeline(SelectPercentile(percentile=60), LINEAR),
    "eliminated": lambda: make_pipeline(RFE(LINEAR, n_features_to_select=2), TREE),
}


def rows(n_classes: int = 2, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(240, 4))
    return X, np.digitize(X[:, 0] + 0.3 * rng.normal(size=240), [0.4, 1.0][: n_classes - 1])


def again(estimator: Any, folder: Path) -> Any:
    save_skops(estimator, folder / "part.skops", "part")
    return load_skops((folder / "part.skops").read_bytes(), "part")


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("name", ENSEMBLES)
def test_an_ensemble_predicts_the_same_after_it_was_saved(name: str, n_classes: int, tmp_path: Path) -> None:
    X, y = rows(n_classes)
    if name == "boosting from zero" and n_classes == 3:
        pytest.skip("the exponential loss is for two classes")
    estimator = ENSEMBLES[name]().fit(X, y)
    loaded = again(estimator, tmp_path)
    np.testing.assert_array_equal(loaded.predict_proba(X), estimator.predict_proba(X))
    if hasattr(estimator, "named_estimators_"):
        assert loaded.named_estimators_.keys() == estimator.named_estimators_.keys()


def test_a_temperature_is_saved(tmp_path: Path) -> None:
    pytest.importorskip("sklearn", minversion="1.8")
    X, y = rows(3)
    for ensemble in (True, False):
        estimator = CalibratedClassifierCV(TREE, method="temperature", cv=3, ensemble=ensemble).fit(X, y)
        np.testing.assert_array_equal(again(estimator, tmp_path).predict_proba(X), estimator.predict_proba(X))


@pytest.mark.parametrize("dtype", ["number", np.number, [np.number, "bool"]])
def test_selected_columns_are_saved_as_those_of_the_fit(dtype: Any, tmp_path: Path) -> None:
    X, y = rows()
    frame = pd.DataFrame(X, columns=list("abcd")).assign(site=np.where(X[:, 1] > 0, "north", "south").astype(object))
    columns = make_column_transformer(
        (StandardScaler(), make_column_selector(dtype_include=dtype)),
        (OneHotEncoder(handle_unknown="ignore"), make_column_selector("^s", dtype_exclude=np.number)),
    )
    model = make_pipeline(columns, LINEAR).fit(frame, y)
    np.testing.assert_array_equal(again(model, tmp_path).predict_proba(frame), model.predict_proba(frame))


def test_scores_that_count_are_saved(tmp_path: Path) -> None:
    X, y = rows()
    model = make_pipeline(SelectKBest(chi2, k=2), LINEAR).fit(abs(X), y)
    np.testing.assert_array_equal(again(model, tmp_path).predict_proba(abs(X)), model.predict_proba(abs(X)))


def test_a_cascade_of_ensembles_is_saved_without_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(900, 4))
    Y = (X[:, :2] + 0.5 * rng.normal(size=(900, 2)) > 1).astype(np.uint8)
    gate, labeler = StackingClassifier(PAIR, LINEAR, cv=3), MultiOutputClassifier(vote())
    model = CascadeClassifier(gate, labeler, calibration_folds=None).fit(X, Y)
    assert not any("not saved" in text for text in caplog.messages)
    model.save(tmp_path / "model")
    np.testing.assert_array_equal(CascadePredictor.load(tmp_path / "model").predict_proba(X), model.predict_proba(X))


@pytest.mark.parametrize(
    ("model", "sentence"),
    [
        (CalibratedClassifierCV(SVC()), "Use LinearSVC in CalibratedClassifierCV, which is saved."),
        (KNeighborsClassifier(), "It keeps training rows"),
        (StackingClassifier([("near", KNeighborsClassifier())], LINEAR), "It keeps training rows"),
        (MultiOutputClassifier(GridSearchCV(LINEAR, {"C": [1]})), "pass its `best_estimator_`"),
    ],
    ids=["machine", "neighbours", "stack", "search"],
)
def test_what_is_not_saved_is_named_before_the_fit_with_what_is(
    model: Any, sentence: str, caplog: pytest.LogCaptureFixture
) -> None:
    rng = np.random.default_rng(0)
    X, Y = rng.normal(size=(400, 3)), rng.random((400, 2)) < 0.3
    takes_labels = isinstance(model, (MultiOutputClassifier, KNeighborsClassifier))
    labeler = model if takes_labels else MultiOutputClassifier(model)
    with caplog.at_level(logging.WARNING):
        CascadeClassifier(LINEAR, labeler, calibration_folds=None).fit(X, Y)
    assert caplog.messages[0].startswith("labeler: it can be fitted, but not saved: ")
    assert caplog.messages[0].endswith(sentence) or sentence in caplog.messages[0]


@pytest.mark.parametrize(
    ("gate", "sentence"),
    [
        (SVC(), "Use LinearSVC in CalibratedClassifierCV"),
        (LinearSVC(), "LinearSVC has none. Wrap LinearSVC in CalibratedClassifierCV"),
        (make_pipeline(StandardScaler(), LinearSVC()), "LinearSVC in Pipeline has none. Wrap LinearSVC in Calibrated"),
        (VotingClassifier(PAIR), "Set `voting='soft'`"),
        (StackingClassifier(PAIR), "Set its `final_estimator`, such as LogisticRegression"),
    ],
    ids=["svc", "linear", "pipeline", "hard", "stack"],
)
def test_what_is_advised_for_a_model_without_probabilities_can_be_fitted_and_saved(
    gate: Any, sentence: str, tmp_path: Path
) -> None:
    X, y = rows()
    with pytest.raises(ConfigError, match=re.escape(sentence)):
        CascadeClassifier(gate, MultiOutputClassifier(LINEAR)).fit(X, np.column_stack([y, 1 - y]))
    kinds = {VotingClassifier: vote(), StackingClassifier: StackingClassifier(PAIR, LogisticRegression())}
    advised = kinds.get(type(gate), CalibratedClassifierCV(LinearSVC(), cv=3))
    again(advised.fit(X, y), tmp_path)


def test_a_search_at_the_top_is_no_reason_for_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    X, y = rows()
    gate = GridSearchCV(LINEAR, {"C": [0.1, 1.0]})
    Y = np.column_stack([y, np.roll(y, 1)])
    CascadeClassifier(gate, MultiOutputClassifier(LINEAR), calibration_folds=None).fit(X, Y)
    assert not any("not saved" in text for text in caplog.messages)


def test_boosted_trees_of_categories_are_named_before_the_fit(caplog: pytest.LogCaptureFixture) -> None:
    X, y = rows()
    frame = pd.DataFrame(X, columns=list("abcd")).assign(site=pd.Categorical(np.where(X[:, 1] > 0, "north", "south")))
    Y, gate = np.column_stack([y, np.roll(y, 1)]), HistGradientBoostingClassifier(max_iter=3)
    labeler = MultiOutputClassifier(HistGradientBoostingClassifier(max_iter=3, categorical_features=["site"]))
    CascadeClassifier(gate, labeler, calibration_folds=None).fit(frame, Y)
    named = [text for text in caplog.messages if "set `categorical_features=None`" in text]
    assert [text.partition(":")[0] for text in named] == ["gate", "labeler"]
    caplog.clear()
    CascadeClassifier(gate, MultiOutputClassifier(gate), calibration_folds=None).fit(frame[list("abcd")], Y)
    assert not any("not saved" in text for text in caplog.messages)


def put(name: str, value: Any) -> Callable[[Any], None]:
    return lambda estimator: setattr(estimator, name, value)


NARROW = LogisticRegression().fit(rows()[0][:, :3], rows()[1])
OTHER = LogisticRegression().fit(*rows(3))
FITTED = LogisticRegression().fit(*rows())
FORGED: dict[str, tuple[Callable[[], Any], Callable[[Any], None]]] = {
    "member of other columns": (vote, lambda one: one.estimators_.__setitem__(0, NARROW)),
    "member of other classes": (vote, lambda one: one.estimators_.__setitem__(0, OTHER)),
    "member fewer": (vote, lambda one: one.estimators_.pop()),
    "no member": (vote, put("estimators_", [])),
    "member without probabilities": (vote, lambda one: one.estimators_.__setitem__(0, LinearSVC().fit(*rows()))),
    "member that is none": (vote, lambda one: one.estimators_.__setitem__(0, StandardScaler().fit(rows()[0]))),
    "weight too many": (vote, put("weights", [1.0, 2.0, 3.0])),
    "weight that is infinite": (vote, put("weights", [1.0, float("inf")])),
    "weight below 0": (vote, put("weights", [2.0, -1.0])),
    "weights of 0": (vote, put("weights", [0.0, 0.0])),
    "hard vote": (vote, put("voting", "hard")),
    "names of others": (vote, put("named_estimators_", [1])),
    "stack of other columns": (ENSEMBLES["stacking"], put("final_estimator_", FITTED)),
    "stack of another width": (ENSEMBLES["stacking"], put("passthrough", True)),
    "stack of other methods": (ENSEMBLES["stacking"], put("stack_method_", ["predict_proba", "__reduce__"])),
    "stack of fewer methods": (ENSEMBLES["stacking"], put("stack_method_", ["predict_proba"])),
    "stack of other classes": (ENSEMBLES["stacking"], lambda one: one.estimators_.__setitem__(1, OTHER)),
    "boosting of classifiers": (ENSEMBLES["boosting"], lambda one: one.estimators_.fill(TREE.fit(*rows()))),
    "boosting of linear models": (ENSEMBLES["boosting"], lambda one: one.estimators_.fill(FITTED)),
    "boosting of fewer trees": (ENSEMBLES["boosting"], lambda one: put("estimators_", one.estimators_[:3])(one)),
    "boosting of more outputs": (ENSEMBLES["boosting"], lambda one: put("estimators_", one.estimators_.T)(one)),
    "boosting from another start": (ENSEMBLES["boosting"], put("init_", FITTED)),
    "boosting of other rows": (ENSEMBLES["boosting"], put("n_features_in_", 2)),
    "scores of other columns": (lambda: SelectKBest(k=2), put("scores_", np.zeros(3))),
    "mask of other columns": (lambda: RFE(LINEAR), put("support_", np.ones(3, bool))),
    "mask of numbers": (lambda: RFE(LINEAR), put("support_", np.array([0, 10**6, 0, 0]))),
    "function that is not listed": (lambda: SelectKBest(k=2), put("score_func", np.load)),
    "selector with code": (
        lambda: make_column_transformer((StandardScaler(), make_column_selector("."))),
        lambda one: setattr(one.transformers[0][2], "pattern", FITTED),
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", FORGED)
def test_a_forged_ensemble_is_refused(case: str, tmp_path: Path) -> None:
    make, forge = FORGED[case]
    X, y = rows()
    frame = pd.DataFrame(X, columns=list("abcd")) if "selector" in case else X
    estimator = make().fit(frame, y)
    again(estimator, tmp_path)
    forge(estimator)
    with pytest.raises(ModelRefusedError):
        again(estimator, tmp_path)


def test_a_value_of_a_boosted_tree_is_bounded_and_one_of_a_classifier_a_share(tmp_path: Path) -> None:
    X, y = rows()
    boosted = GradientBoostingClassifier(n_estimators=2).fit(X, y)
    boosted.estimators_[0, 0].tree_.value[0, 0, 0] = np.inf
    with pytest.raises(ModelRefusedError):
        again(boosted, tmp_path)
    for array, value in (("feature", 10**6), ("children_left", 10**6), ("children_right", 0), ("threshold", np.nan)):
        boosted = GradientBoostingClassifier(n_estimators=2).fit(X, y)
        getattr(boosted.estimators_[1, 0].tree_, array)[0] = value
        with pytest.raises(ModelRefusedError, match="nodes point outside"):
            again(boosted, tmp_path)
    tree = DecisionTreeClassifier(max_depth=2).fit(X, y)
    tree.tree_.value[0, 0, 0] = 5.0
    with pytest.raises(ModelRefusedError):
        again(tree, tmp_path)
    # A tree of one class has one value per leaf as a regression tree has, and that is a share of 1.
    constant = DecisionTreeClassifier().fit(X, np.ones(240, int))
    again(constant, tmp_path)
    constant.tree_.value[0, 0, 0] = 0.5
    with pytest.raises(ModelRefusedError):
        again(constant, tmp_path)


def test_encoded_categories_that_are_all_rare_are_saved(tmp_path: Path) -> None:
    X = pd.DataFrame({"site": list("aabbcc") * 2}).astype(object)
    encoder = OneHotEncoder(handle_unknown="infrequent_if_exist", min_frequency=5).fit(X)
    np.testing.assert_array_equal(again(encoder, tmp_path).transform(X).toarray(), encoder.transform(X).toarray())


def test_a_frozen_member_is_saved(tmp_path: Path) -> None:
    X, y = rows()
    estimator = VotingClassifier([("frozen", FrozenEstimator(FITTED))], voting="soft").fit(X, y)
    np.testing.assert_array_equal(again(estimator, tmp_path).predict_proba(X), estimator.predict_proba(X))
