"""Columns of several kinds become numbers, fitted with the model, saved without pickle."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from cascade import CascadeClassifier, CascadePredictor
from cascade.data.column_kinds import column_kinds
from cascade.errors import ConfigError, DataError
from cascade.estimators.defaults import default_estimator
from cascade.estimators.encoding.dates import DateParts
from cascade.estimators.encoding.encoder import make_encoder
from cascade.metrics import label_auroc

WORDS = np.array([f"word{k}" for k in range(200)])


def table(n: int = 2000, seed: int = 0, known: bool = False) -> tuple[pd.DataFrame, np.ndarray]:
    """Two labels, one from a word or a category, one from a number; their bits, or what is known of them."""
    rng = np.random.default_rng(seed)
    words = rng.choice(WORDS, (n, 8))
    site = rng.choice(["north", "south", "east"], n)
    age = np.where(rng.random(n) < 0.1, np.nan, rng.normal(50, 20, n))
    built = np.datetime64("2024-01-01") + rng.integers(0, 900, n) * np.timedelta64(1, "D")
    proba = np.column_stack(
        [
            np.where((words == "word7").any(axis=1), 0.9, 0.02) + 0.05 * (site == "east"),
            np.where(age > 80, 0.8, 0.01),
        ]
    )
    Y = proba if known else rng.random(proba.shape) < proba
    comment = [" ".join(row) for row in words]
    X = pd.DataFrame({"comment": comment, "site": site, "age": age, "built": built})
    return X, Y if known else Y.astype(np.uint8)


def test_kinds_follow_type_and_number_of_distinct_values() -> None:
    X, _ = table()
    kinds = {"comment": "text", "site": "category", "age": "number", "built": "date"}
    assert column_kinds(X, {"comment": "text"}) == kinds
    with pytest.raises(DataError, match="column 'comment' of text with 2000 distinct values in 2000 rows; name it in"):
        column_kinds(X)


def test_each_kind_becomes_the_columns_that_scikit_learn_gives() -> None:
    X, _ = table()
    kinds = column_kinds(X, {"comment": "text"})
    found = make_encoder(kinds).fit(X)
    encoded = found.transform(X)
    assert sparse.issparse(encoded)
    age = X["age"].to_numpy()
    filled = np.where(np.isnan(age), np.nanmedian(age), age)
    np.testing.assert_allclose(encoded[:, 0].toarray()[:, 0], (filled - filled.mean()) / filled.std(), rtol=1e-9)
    # A category and a word that training did not have, and missing numbers and dates, are valid.
    other = pd.DataFrame({"comment": ["unheard of"], "site": ["west"], "age": [np.nan], "built": [pd.NaT]})
    assert np.isfinite(found.transform(other).toarray()).all()


def test_the_form_does_not_depend_on_the_rows_of_a_block() -> None:
    X, _ = table()
    kinds = {name: kind for name, kind in column_kinds(X, {"comment": "text"}).items() if kind != "text"}
    for dense in (False, True):
        found = make_encoder(kinds, dense=dense).fit(X)
        forms = {sparse.issparse(found.transform(part)) for part in (X, X[:1], X[:10])}
        assert forms == {not dense}


def test_dates_are_those_of_the_calendar() -> None:
    times = pd.date_range("1950-03-07 05:00", "2050-01-01", periods=3001)
    found = DateParts().fit(times.to_frame()).transform(times.to_frame())
    np.testing.assert_allclose(found[:, 0], (times[-1] - times).total_seconds() / 86400, atol=1e-6)
    np.testing.assert_allclose(found[:, 1], times.hour + times.minute / 60 + times.second / 3600, atol=1e-3)
    np.testing.assert_array_equal(found[:, 2], times.day_of_week)
    np.testing.assert_array_equal(found[:, 3], times.month)
    assert np.isnan(DateParts().fit([["2020-01-01"]]).transform([[None]])).all()


def test_an_unknown_option_is_refused_by_name() -> None:
    with pytest.raises(ConfigError, match=r"`encoder.text` must be one of tfidf, .*, wordllama. Received 'bert'"):
        make_encoder({"a": "text"}, text="bert")  # type: ignore[arg-type]


@pytest.mark.parametrize("columns", [["site", "age", "built"], ["comment", "site", "age"]], ids=["trees", "linear"])
def test_default_models_learn_from_all_kinds_and_are_saved(columns: list[str], tmp_path: Path) -> None:
    X, Y = table()
    if "comment" in columns:
        gate, labeler = (_linear(role) for role in ("gate", "labeler"))
        model = CascadeClassifier(gate, labeler)
    else:
        model = CascadeClassifier()
    X = X[columns]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        predictor = model.fit(X, Y).predictor_
    test, truth = table(seed=1)
    proba = predictor.predict_proba(test[columns])
    best = label_auroc(truth, table(seed=1, known=True)[1])
    found = label_auroc(truth, proba)
    assert found[1] > best[1] - 0.05
    # Without the comment, only the site is left.
    assert found[0] > (best[0] - 0.05 if "comment" in columns else 0.52)
    predictor.save(tmp_path / "model")
    loaded = CascadePredictor.load(tmp_path / "model")
    np.testing.assert_array_equal(loaded.predict_proba(test[columns]), proba)


def _linear(role: str) -> object:
    from cascade.estimators.defaults import encoded, per_label, sklearn_estimator

    kinds = {"comment": "text", "site": "category", "age": "number"}
    model = encoded(
        sklearn_estimator("logistic_regression", {"C": 10.0, "max_iter": 500}), "logistic_regression", kinds
    )
    return per_label(model) if role == "labeler" else model


def test_text_that_is_not_declared_has_no_default_model() -> None:
    X, _ = table()
    with pytest.raises(DataError, match="'comment' of text"):
        default_estimator("gate", X)
