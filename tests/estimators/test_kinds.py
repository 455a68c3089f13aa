"""Every kind of classifier that a config can name is fitted, saved and loaded with equal predictions."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import get_args

import numpy as np
import pytest

from cascade import CascadeClassifier, CascadePredictor
from cascade.config.schema import SklearnKind
from cascade.datasets.known_truth import draw
from cascade.estimators.defaults import CLASSIFIERS, per_label, sklearn_estimator

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


@pytest.mark.parametrize("kind", CLASSIFIERS)
def test_each_kind_is_saved_and_loaded(kind: str, tmp_path: Path) -> None:
    gate, labeler = sklearn_estimator(kind, FAST.get(kind, {})), per_label(sklearn_estimator(kind, FAST.get(kind, {})))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = CascadeClassifier(gate, labeler, calibration_folds=None).fit(X, DATA.Y, groups=DATA.groups)
    proba = model.predictor_.predict_proba(X)
    model.predictor_.save(tmp_path / "model")
    np.testing.assert_array_equal(CascadePredictor.load(tmp_path / "model").predict_proba(X), proba)


def test_options_are_checked_at_once() -> None:
    with pytest.raises(ValueError, match="n_estimators"):
        sklearn_estimator("extra_trees", {"n_estimators": -1})
