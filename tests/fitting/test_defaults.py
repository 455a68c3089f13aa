"""The default recipe: by the rows, their groups and the models, recorded in the model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from sklearn.multioutput import MultiOutputClassifier

from cascade import CascadeClassifier, CascadePredictor
from cascade.estimators.base import LogOddsClassifier
from cascade.fitting.defaults import MOST_FOLDED_ROWS, Recipe, RecipeOptions


class Network(LogOddsClassifier):
    """What makes batches is taken for a network."""

    makes_batches = True


LINEAR = LogisticRegression()


@pytest.mark.parametrize(
    ("shape", "groups", "models", "expected"),
    [
        ((20_000, 3), 20_000, (LINEAR, LINEAR), Recipe("gated", 5, 0.2)),
        ((MOST_FOLDED_ROWS, 20), 6, (LINEAR, LINEAR), Recipe("gated", 5, 0.2)),
        ((MOST_FOLDED_ROWS, 21), 6, (LINEAR, LINEAR), Recipe("gated", None, 0.2)),
        ((MOST_FOLDED_ROWS + 1, 3), 6, (LINEAR, LINEAR), Recipe("gated", None, 0.2)),
        ((16_000, 983), 16_000, (LINEAR, LINEAR), Recipe("gated", None, 0.2)),
        ((20_000, 3), 5, (LINEAR, LINEAR), Recipe("gated", None, 0.2)),
        ((20_000, 3), 4, (LINEAR, LINEAR), Recipe("positives", None, 0.2)),
        ((20_000, 3), 20_000, (Network(), LINEAR), Recipe("gated", None, 0.2)),
        ((20_000, 3), 20_000, (LINEAR, Network()), Recipe("gated", None, 0.2)),
    ],
)
def test_auto_depends_on_rows_groups_and_models(
    shape: tuple[int, int], groups: int, models: tuple[object, object], expected: Recipe
) -> None:
    assert RecipeOptions().resolved(shape, groups, *models) == expected


@given(
    pool=st.sampled_from(["positives", "all", "gated"]),
    folds=st.none() | st.integers(2, 20),
    size=st.none() | st.floats(0.05, 0.5),
    rows=st.integers(2, 10**7),
)
def test_what_is_given_is_kept(pool: str, folds: int | None, size: float | None, rows: int) -> None:
    recipe = RecipeOptions(pool, folds, size).resolved((rows, 4), rows, LINEAR, LINEAR)
    assert (recipe.negative_pool, recipe.calibration_folds) == (pool, folds)
    assert recipe.calibration_size == (0.2 if size is None else size)


def test_a_given_size_holds_rows_out() -> None:
    assert RecipeOptions(calibration_size=0.3).resolved((900, 4), 900, LINEAR, LINEAR) == Recipe("gated", None, 0.3)


def test_the_recipe_is_in_the_model(tmp_path: Path) -> None:
    X = np.random.default_rng(0).normal(size=(600, 3))
    Y = (X[:, :2] > 1.2).astype(int)
    by_default = CascadeClassifier(LINEAR, MultiOutputClassifier(LINEAR)).fit(X, Y)
    by_default.save(tmp_path / "model")
    recorded = CascadePredictor.load(tmp_path / "model").provenance["recipe"]
    assert recorded == {"negative_pool": "gated", "calibration_folds": 5}
    named = CascadeClassifier(LINEAR, MultiOutputClassifier(LINEAR), negative_pool="gated", calibration_folds=5)
    np.testing.assert_array_equal(named.fit(X, Y).predict_proba(X), by_default.predict_proba(X))
    held_out = CascadeClassifier(LINEAR, MultiOutputClassifier(LINEAR), calibration_size=0.25).fit(X, Y)
    expected = {"negative_pool": "gated", "calibration_folds": None, "calibration_size": 0.25}
    assert held_out.predictor_.provenance["recipe"] == expected
