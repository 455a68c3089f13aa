"""Registered models of raw columns behind MLflow's scoring server: CSV and JSON give the predictor's answers."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from cascade import CascadeClassifier, CascadePredictor
from cascade.errors import DataError
from cascade.estimators.defaults import encoded, per_label, sklearn_estimator
from cascade.registry.packaging import package
from cascade.serving.mlflow_pyfunc import Served
from tests.estimators.test_encoding import table

pytest.importorskip("mlflow.pyfunc.scoring_server")

KINDS = {"comment": "text", "site": "category", "age": "number", "built": "date"}
HARD = ['quoted "word7", and a comma', "two\nlines, word7", "", "ünïcode 'word7'", "007"]


def training(missing: object = "") -> tuple[pd.DataFrame, np.ndarray]:
    """Rows whose site is often missing, in a spelling of it, and then says much about the second label."""
    X, Y = table(800)
    gone = np.random.default_rng(5).random(len(X)) < 0.3
    Y[gone, 1] = np.random.default_rng(6).random(gone.sum()) < 0.6
    return X.assign(site=np.where(gone, missing, X["site"].to_numpy(object)).astype(object)), Y


def rows(n: int = 60) -> pd.DataFrame:
    X = table(n, seed=1)[0]
    X["site"] = X["site"].astype(object)
    X.loc[: len(HARD) - 1, "comment"] = HARD
    # A site that is missing, one that training did not have, and one that looks like a number.
    X.loc[0:2, "site"] = [None, 'new, "site"', "007"]
    X.loc[3:4, "age"] = np.nan
    X.loc[5, "built"] = pd.NaT
    return X


def fitted(missing: object, categories: Any = None, kind: str = "logistic_regression") -> CascadePredictor:
    X, Y = training(missing)
    columns = {name: each for name, each in KINDS.items() if name != "comment" or kind == "logistic_regression"}

    def model() -> Any:
        options = {"max_iter": 500 if kind == "logistic_regression" else 20}
        return encoded(sklearn_estimator(kind, options), kind, columns, categories=categories)

    return CascadeClassifier(model(), per_label(model()), calibration_folds=None).fit(X[list(columns)], Y).predictor_


@pytest.fixture(scope="module", params=["", None], ids=["empty", "missing"])
def packaged(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, CascadePredictor]:
    return loaded(fitted(request.param), tmp_path_factory.mktemp("model"))


def loaded(predictor: CascadePredictor, folder: Path) -> tuple[Any, CascadePredictor]:
    import mlflow.pyfunc

    predictor.save(folder / "model")
    package(folder / "model", folder / "packaged")
    return mlflow.pyfunc.load_model(str(folder / "packaged")), CascadePredictor.load(folder / "model")


def served(model: Any, content: str, kind: str) -> pd.DataFrame:
    from mlflow.pyfunc.scoring_server import invocations

    answer = invocations(content, kind, model, model.metadata.get_input_schema())
    assert answer.status == 200, answer.response
    return pd.DataFrame(json.loads(answer.response)["predictions"])


def as_json(X: pd.DataFrame) -> pd.DataFrame:
    dates = X["built"].dt.strftime("%Y-%m-%dT%H:%M:%S").astype(object)
    return X.assign(built=dates.where(X["built"].notna(), None))


def of_json(X: pd.DataFrame, orient: str) -> str:
    return json.dumps({f"dataframe_{orient}": json.loads(as_json(X).to_json(orient=orient, double_precision=15))})


SENT: dict[str, Callable[[Any, pd.DataFrame], pd.DataFrame]] = {
    "frame": lambda model, X: model.predict(as_json(X)),
    "shuffled columns": lambda model, X: model.predict(as_json(X)[["built", "age", "comment", "site"]]),
    "csv": lambda model, X: served(model, X.to_csv(index=False), "text/csv"),
    "split": lambda model, X: served(model, of_json(X, "split"), "application/json"),
    "records": lambda model, X: served(model, of_json(X, "records"), "application/json"),
}


def as_trained(predictor: CascadePredictor, X: pd.DataFrame) -> pd.DataFrame:
    """Rows with a missing site as the training spelled it: scikit-learn's encoders distinguish None from NaN."""
    missing = Served(predictor).raw.missing.get("site", "")
    site = [missing if pd.isna(value) else value for value in X["site"]]
    return X.assign(site=pd.Series(site, dtype=object))


@pytest.mark.parametrize("way", SENT)
def test_each_way_gives_the_answers_of_the_predictor(packaged: tuple[Any, CascadePredictor], way: str) -> None:
    model, predictor = packaged
    X = rows()
    expected = predictor.examine(as_trained(predictor, X))
    answer = SENT[way](model, X)
    names = predictor.label_names
    np.testing.assert_allclose(answer[[f"{name}_probability" for name in names]], expected.proba, atol=1e-12)
    np.testing.assert_array_equal(answer[list(names)], expected.labels)
    np.testing.assert_array_equal(answer["passed_gate"], expected.passed_gate)


def test_the_signature_has_strings_for_text_categories_and_dates(packaged: tuple[Any, CascadePredictor]) -> None:
    schema = packaged[0].metadata.get_input_schema()
    kinds = {name: str(kind) for name, kind in zip(schema.input_names(), schema.input_types(), strict=True)}
    assert {name: kind.rpartition(".")[2] for name, kind in kinds.items()} == {
        "comment": "string", "site": "string", "age": "double", "built": "string",
    }  # fmt: skip


def test_the_missing_site_matters(packaged: tuple[Any, CascadePredictor]) -> None:
    """Otherwise the test above would pass with any spelling."""
    model, _ = packaged
    X = rows()[10:]
    gone = model.predict(as_json(X.assign(site=None)))["label_1_probability"]
    new = model.predict(as_json(X.assign(site="new")))["label_1_probability"]
    assert abs(gone - new).mean() > 0.05


@pytest.mark.parametrize("categories", ["ordinal", "target"])
def test_other_encoders_of_categories_are_served_alike(categories: str, tmp_path: Path) -> None:
    model, predictor = loaded(fitted(None, categories, "hist_gradient_boosting"), tmp_path)
    X = rows().drop(columns="comment")
    expected = predictor.predict_proba(as_trained(predictor, X))
    for way in ("csv", "records"):
        answer = SENT[way](model, X)
        np.testing.assert_allclose(answer[["label_0_probability", "label_1_probability"]], expected, atol=1e-12)


def test_numbers_that_came_for_a_category_are_its_spelling(packaged: tuple[Any, CascadePredictor]) -> None:
    model, _ = packaged
    X = as_json(rows())[10:20]
    numbers, texts = (model.predict(X.assign(site=pd.Series([value] * 10, X.index, object))) for value in (7, "7"))
    pd.testing.assert_frame_equal(numbers, texts)


def test_what_is_no_date_or_number_is_refused_by_name(packaged: tuple[Any, CascadePredictor]) -> None:
    predictor, X = packaged[1], rows()
    for column in (pd.Series(["31.1.2024"] * len(X)), pd.Series([1_700_000_000] * len(X))):
        with pytest.raises(DataError, match="column 'built' must hold dates such as 2024-01-31T12:30"):
            Served(predictor).predict(X.assign(built=column))
    with pytest.raises(DataError, match="column 'age' must hold numbers"):
        Served(predictor).predict(X.assign(age="old"))
    # With a time zone a date is that of UTC, as in files.
    there = X["built"].dt.tz_localize("UTC").dt.tz_convert("Asia/Tokyo")
    for column in (there, there.map(lambda date: None if pd.isna(date) else date.isoformat()).astype(object)):
        pd.testing.assert_frame_equal(Served(predictor).predict(X.assign(built=column)), Served(predictor).predict(X))


def test_a_model_of_texts_has_one_column_of_strings(tmp_path: Path) -> None:
    X, Y = table(800)
    texts = X["comment"].tolist()
    gate, labeler = (make_pipeline(TfidfVectorizer(), LogisticRegression()) for _ in range(2))
    model, predictor = loaded(CascadeClassifier(gate, per_label(labeler)).fit(texts, Y).predictor_, tmp_path)
    sent = [*HARD, *texts[:20]]
    expected = predictor.predict_proba(sent)
    frame = pd.DataFrame({"comment": sent})
    answers = [
        model.predict(frame),
        model.predict(sent),
        served(model, frame.to_csv(index=False), "text/csv"),
        served(model, json.dumps({"dataframe_split": json.loads(frame.to_json(orient="split"))}), "application/json"),
        served(model, json.dumps({"dataframe_records": frame.to_dict("records")}), "application/json"),
        served(model, json.dumps({"inputs": sent}), "application/json"),
    ]
    for answer in answers:
        np.testing.assert_allclose(answer[["label_0_probability", "label_1_probability"]], expected, atol=1e-12)
    with pytest.raises(DataError, match=r"one column of texts. Received 2"):
        Served(predictor).predict(X[["comment", "site"]])
