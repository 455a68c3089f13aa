"""Every kind of classifier that a config can name is fitted, saved and loaded with equal predictions."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.model_selection import GridSearchCV
from sklearn.neural_network import MLPClassifier

from cascade import CascadeClassifier, CascadePredictor
from cascade.config.models import BoostingKind, SklearnKind
from cascade.datasets.known_truth import draw
from cascade.estimators.boosting.kinds import BOOSTERS
from cascade.estimators.defaults import CLASSIFIERS, named_classifier, per_label, sklearn_estimator
from cascade.store.parts import load_part, save_part
from cascade.store.plain_file import ModelFiles

FAST = {
    "mlp": {"hidden_layer_sizes": [8], "max_iter": 5, "random_state": 0},
    "random_forest": {"n_estimators": 3, "max_depth": 4, "random_state": 0},
    "extra_trees": {"n_estimators": 3, "max_depth": 4, "random_state": 0},
    "hist_gradient_boosting": {"max_iter": 3},
    "ada_boost": {"n_estimators": 3, "random_state": 0},
    "decision_tree": {"max_depth": 3},
}
DATA = draw(1500, seed=0)
# Counts, for models of counts.
X = np.exp(np.clip(DATA.X, -2, 2))


def test_a_config_can_name_what_the_table_has() -> None:
    assert set(CLASSIFIERS) == set(get_args(SklearnKind))
    assert set(BOOSTERS) == set(get_args(BoostingKind))


@pytest.mark.parametrize("kind", CLASSIFIERS)
def test_each_kind_is_saved_and_loaded(kind: str, tmp_path: Path) -> None:
    gate, labeler = sklearn_estimator(kind, FAST.get(kind, {})), per_label(sklearn_estimator(kind, FAST.get(kind, {})))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = CascadeClassifier(gate, labeler, calibration_folds=None).fit(X, DATA.Y, groups=DATA.groups)
    proba = model.predictor_.predict_proba(X)
    model.predictor_.save(tmp_path / "model")
    np.testing.assert_array_equal(CascadePredictor.load(tmp_path / "model").predict_proba(X), proba)


@pytest.mark.parametrize("kind", BOOSTERS)
def test_boosted_trees_of_other_libraries_are_saved_and_loaded(kind: str, tmp_path: Path) -> None:
    pytest.importorskip(kind)
    one = named_classifier(kind, {"n_estimators": 3, "n_jobs": 1})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = CascadeClassifier(one, per_label(one), calibration_folds=None).fit(X, DATA.Y, groups=DATA.groups)
        proba = model.predictor_.predict_proba(X)
    model.predictor_.save(tmp_path / "model")
    # They add in 32 bits, or in 64.
    np.testing.assert_allclose(CascadePredictor.load(tmp_path / "model").predict_proba(X), proba, rtol=0, atol=1e-6)


def test_options_are_checked_at_once() -> None:
    with pytest.raises(ValueError, match="n_estimators"):
        sklearn_estimator("extra_trees", {"n_estimators": -1})


FITTED_OTHERWISE = {
    "boosted trees with weights": (HistGradientBoostingClassifier(max_iter=3), True),
    "forest with out-of-bag scores": (RandomForestClassifier(30, oob_score=True, bootstrap=True, max_depth=3), True),
    "averaged stochastic gradient": (SGDClassifier(loss="log_loss", average=True), True),
    "perceptron by L-BFGS": (MLPClassifier((4,), solver="lbfgs", max_iter=20), False),
    "search": (GridSearchCV(LogisticRegression(), {"C": [0.1, 1.0]}, cv=2), True),
}


@pytest.mark.parametrize("name", FITTED_OTHERWISE)
def test_what_other_ways_of_fitting_leave_behind_is_saved(name: str, tmp_path: Path) -> None:
    estimator, weighted = FITTED_OTHERWISE[name]
    y = DATA.Y[:, -1]
    weight = np.random.default_rng(0).random(len(y))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fitted = estimator.fit(X, y, sample_weight=weight) if weighted else estimator.fit(X, y)
    loaded = load_part(save_part(fitted, tmp_path, "gate"), ModelFiles(tmp_path))
    np.testing.assert_array_equal(loaded.predict_proba(X), fitted.predict_proba(X))
