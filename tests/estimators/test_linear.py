"""The linear form of a model gives the model's probabilities, whatever its features and wrappers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from scipy import sparse
from scipy.special import expit
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA, TruncatedSVD
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.feature_extraction.text import HashingVectorizer, TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier
from sklearn.multioutput import MultiOutputClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MaxAbsScaler, MinMaxScaler, StandardScaler

from cascade import BalancedBinaryRelevance, CascadeClassifier
from cascade.data.rows import BLOCK
from cascade.errors import DataError
from cascade.estimators.block_size import LARGE, block_size
from cascade.estimators.encoding.encoder import make_encoder
from cascade.estimators.linear import LARGEST, linear_form, product_of_labels
from cascade.estimators.scoring import block_log_odds, positive_proba
from cascade.utils.log_odds import log_odds


def logistic() -> Any:
    return LogisticRegression(max_iter=3000)


Table = tuple[NDArray[np.float32], NDArray[np.int64]]


@pytest.fixture(scope="module")
def table() -> Table:
    rng = np.random.default_rng(0)
    X = (rng.normal(size=(3000, 6)) * [1, 10, 0.1, 1, 1, 1] + [0, 5, 0, 0, 0, 0]).astype(np.float32)
    chance = expit(np.column_stack([X[:, 0] - 2, X[:, 1] / 10 - 1, -X[:, 3] - 3]))
    return X, (rng.random(chance.shape) < chance).astype(np.int64)


class Squares(StandardScaler):  # type: ignore[misc]
    """A step that is not linear."""

    @classmethod
    def of(cls, name: str) -> Any:
        return type(name, (cls,), {})()

    def transform(self, X: Any, copy: Any = None) -> Any:
        return super().transform(X) ** 2


class Halved(BalancedBinaryRelevance):
    """A labeler that changes what it inherits."""

    def predict_log_odds(self, X: Any) -> Any:
        return super().predict_log_odds(X) / 2


LINEAR = {
    "several outputs": MultiOutputClassifier(logistic()),
    "one versus the rest": OneVsRestClassifier(logistic()),
    "scaled": MultiOutputClassifier(make_pipeline(StandardScaler(), logistic())),
    "scaled twice": make_pipeline(MaxAbsScaler(), StandardScaler(with_std=False), MultiOutputClassifier(logistic())),
    "not centred": make_pipeline(StandardScaler(with_mean=False), MultiOutputClassifier(logistic())),
    "balanced": BalancedBinaryRelevance(logistic(), n_bags=3),
    "balanced, scaled": BalancedBinaryRelevance(make_pipeline(StandardScaler(), logistic()), n_bags=2),
}


@pytest.mark.parametrize("name", LINEAR)
def test_the_form_gives_the_probabilities_of_the_model(name: str, table: Table) -> None:
    X, Y = table
    single = linear_form(LINEAR[name].fit(X, Y))
    model = LINEAR[name].fit(X.astype(np.float64), Y)
    form = linear_form(model)
    assert form is not None
    assert single is not None
    assert form.n_outputs == 3
    np.testing.assert_allclose(expit(form(X)), positive_proba(model, X.astype(np.float64), 3), atol=1e-9)
    # scikit-learn computes such rows in single precision.
    np.testing.assert_allclose(expit(single(X)), positive_proba(LINEAR[name].fit(X, Y), X, 3), atol=5e-6)


def test_sparse_rows_have_the_same_log_odds(table: Table) -> None:
    X, Y = table[0].astype(np.float64), table[1]
    form = linear_form(make_pipeline(MaxAbsScaler(), logistic()).fit(sparse.csr_matrix(X), Y[:, 0]))
    assert form is not None
    np.testing.assert_allclose(form(sparse.csr_matrix(X)), form(X), atol=1e-9)


def test_a_label_without_models_keeps_its_share(table: Table) -> None:
    X, Y = table[0].astype(np.float64), table[1]
    Y = np.column_stack([Y[:, 0], np.zeros(len(Y), dtype=int)])
    model = BalancedBinaryRelevance(logistic(), n_bags=2).fit(X, Y)
    form = linear_form(model)
    assert form is not None
    np.testing.assert_allclose(expit(form(X))[:, 1], model.share_[1])
    np.testing.assert_allclose(expit(form(X)), model.predict_proba(X), atol=1e-9)


def test_bags_are_clipped_before_their_mean(table: Table) -> None:
    X = table[0].astype(np.float64)
    # Labels that a line separates: some bags are certain beyond the largest log-odds that is kept.
    Y = (X[:, [0, 3]] > 1.3).astype(int)
    model = BalancedBinaryRelevance(logistic().set_params(C=1e4), n_bags=3).fit(X, Y)
    form = linear_form(model)
    assert form is not None
    expected = model.predict_log_odds(X * 3)
    assert (np.abs(expected) > LARGEST - 3).any()
    np.testing.assert_allclose(form(X * 3), np.clip(expected, -LARGEST, LARGEST), atol=1e-6)


def test_log_odds_are_clipped_like_those_of_probabilities() -> None:
    X, y = np.array([[-1.0], [1.0]]), np.array([0, 1])
    form = linear_form(LogisticRegression(C=1e9).fit(X, y))
    assert form is not None
    np.testing.assert_allclose(form(np.array([[-1e6], [1e6]])), [[-LARGEST], [LARGEST]])


OTHERS = {
    "forest": RandomForestClassifier(3),
    "rotated": make_pipeline(PCA(3), logistic()),
    "other scale": make_pipeline(MinMaxScaler(), logistic()),
    "own scaler of that name": make_pipeline(Squares.of("StandardScaler"), logistic()),
    "own balanced model": Halved(logistic(), n_bags=2),
    "one label of two": OneVsRestClassifier(RandomForestClassifier(3)),
}
# Earlier releases of scikit-learn cannot clip.
if "clip" in MaxAbsScaler().get_params():
    OTHERS["clipped"] = make_pipeline(MaxAbsScaler(clip=True), logistic())


@pytest.mark.parametrize("name", OTHERS)
def test_other_models_have_no_form(name: str, table: Table) -> None:
    X, Y = table
    assert linear_form(OTHERS[name].fit(X, Y[:, 0])) is None


def test_classes_other_than_0_and_1_have_no_form(table: Table) -> None:
    X, Y = table
    assert linear_form(logistic().fit(X, np.where(Y[:, 0], "yes", "no"))) is None
    assert linear_form(logistic().fit(X[:, [0]], Y.argmax(axis=1))) is None


def test_sparse_coefficients_have_no_form(table: Table) -> None:
    X, Y = table
    model = logistic().fit(X, Y[:, 0])
    expected = block_log_odds(model, X, np.arange(100), 1)
    assert linear_form(model.sparsify()) is None
    np.testing.assert_allclose(block_log_odds(model, X, np.arange(100), 1), expected, atol=1e-5)


def test_coefficients_that_do_not_fit_have_no_form(table: Table) -> None:
    X, Y = table
    model = MultiOutputClassifier(make_pipeline(StandardScaler(), logistic())).fit(X, Y)
    scaler, last = (step for _, step in model.estimators_[1].steps)
    last.coef_ = last.coef_[:, :5]
    assert linear_form(model) is None
    scaler.scale_, scaler.mean_ = scaler.scale_[:1], scaler.mean_[:1]
    assert linear_form(model) is None


FORMS: dict[str, Callable[[NDArray[np.float32]], Any]] = {
    "float16": lambda X: X.astype(np.float16),
    "integers": lambda X: X.astype(np.int8),
    "bits": lambda X: X > 0,
    "objects": lambda X: X.astype(object),
    "data frame": lambda X: pd.DataFrame(X),
    "data frame of types": lambda X: pd.DataFrame(X).astype({0: np.float64, 1: np.int64}),
    "masked": lambda X: np.ma.array(X),
    "columns first": lambda X: np.asfortranarray(X),
    "compressed columns": lambda X: sparse.csc_matrix(X),
    "texts of numbers": lambda X: X.astype(str).astype(object),
    "lists": lambda X: X.tolist(),
}


@pytest.mark.parametrize("form", FORMS)
def test_rows_of_every_form_get_the_log_odds_of_the_model(form: str, table: Table) -> None:
    X, Y = table
    model = logistic().fit(X.astype(np.float64), Y[:, 0])
    given = FORMS[form](X[:2000])
    dense = given.toarray() if sparse.issparse(given) else np.asarray(given, dtype=np.float64)
    expected = model.decision_function(dense)
    np.testing.assert_allclose(block_log_odds(model, given, np.arange(2000), 1)[:, 0], expected, atol=1e-6)


def test_a_subclass_may_compute_otherwise(table: Table) -> None:
    class Doubtful(LogisticRegression):  # type: ignore[misc]
        def predict_proba(self, X: Any) -> Any:
            return super().predict_proba(X) / 2 + 0.25

    X, Y = table
    model = Doubtful().fit(X, Y[:, 0])
    assert linear_form(model) is None
    found = expit(block_log_odds(model, X, np.arange(10), 1))[:, 0]
    np.testing.assert_allclose(found, model.predict_proba(X[:10])[:, 1])


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_are_refused(value: float, table: Table) -> None:
    X, Y = table
    model = CascadeClassifier(logistic(), MultiOutputClassifier(logistic())).fit(X, Y)
    wrong = X.copy()
    wrong[1700, 2] = value
    with pytest.raises(DataError, match=r"NaN|infinity"):
        model.predict_proba(wrong)


def test_a_row_beyond_the_range_of_numbers_changes_no_other_row(table: Table) -> None:
    X = table[0].astype(np.float64)
    model = logistic().fit(X, table[1][:, 0])
    large = X.copy()
    large[7] = 1e308
    found, changed = (block_log_odds(model, rows, np.arange(len(X)), 1) for rows in (X, large))
    np.testing.assert_array_equal(np.delete(found, 7, axis=0), np.delete(changed, 7, axis=0))
    assert abs(changed[7, 0]) == pytest.approx(LARGEST)


@pytest.mark.parametrize("order", ["C", "F"])
def test_the_order_of_an_array_changes_no_bit(order: Any, table: Table) -> None:
    X = table[0].astype(np.float64)
    model = logistic().fit(X, table[1][:, 0])
    expected = block_log_odds(model, X, np.arange(len(X)), 1)
    given = np.tile(np.asarray(X, order=order), (2, 1))
    np.testing.assert_array_equal(block_log_odds(model, given, np.arange(3000, 6000), 1), expected)


SIZES = {
    "linear": (logistic(), LARGE, True),
    "network": (make_pipeline(StandardScaler(), MLPClassifier((4,), max_iter=3)), LARGE, True),
    "forest": (MultiOutputClassifier(RandomForestClassifier(3)), LARGE, False),
    "balanced forest": (BalancedBinaryRelevance(RandomForestClassifier(3), n_bags=10), LARGE, False),
    "own forest": (make_pipeline(Squares.of("MaxAbsScaler"), RandomForestClassifier(3)), BLOCK, True),
    "rotated forest": (make_pipeline(PCA(3), RandomForestClassifier(3)), BLOCK, True),
}


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("name", SIZES)
def test_equal_rows_get_equal_bits_however_many_are_predicted(name: str, table: Table) -> None:
    X, Y = table
    model, rows, pad = SIZES[name]
    n_outputs = 1 if name in ("linear", "network", "rotated forest", "own forest") else 3
    model.fit(X, Y[:, 0] if n_outputs == 1 else Y)
    assert block_size(model, X) == (rows, pad)
    # More than a block of every kind, and not a multiple of it.
    many = np.tile(X, (4, 1))[:9001]
    whole = block_log_odds(model, many, np.arange(len(many)), n_outputs)
    for first, count in (*((row, 1) for row in range(20)), (4095, 2), (2500, 1600), (8999, 2)):
        part = many[first : first + count]
        np.testing.assert_array_equal(
            block_log_odds(model, part, np.arange(count), n_outputs), whole[first : first + count]
        )


def test_wide_rows_come_in_small_blocks() -> None:
    assert block_size(logistic(), np.empty((0, 200))) == (BLOCK, True)
    assert block_size(RandomForestClassifier(), np.empty((0, 200))) == (BLOCK, False)
    # A network of one text must not get it 4,096 times.
    network = make_pipeline(TfidfVectorizer(), MLPClassifier((4,)))
    assert block_size(network, np.array(["a text"])) == block_size(network, ["a text"]) == (BLOCK, True)


WORDS = "pump leak valve noise belt dust heat crack wear oil"


def texts(n: int, seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    words = np.array(WORDS.split())
    comments = [" ".join(rng.choice(words, rng.integers(1, 30))) for _ in range(n)]
    return pd.DataFrame({"comment": comments, "site": rng.choice(["a", "b"], n), "age": rng.normal(size=n)})


def encoded(model: Any, **options: Any) -> Any:
    return make_pipeline(make_encoder({"comment": "text", "site": "category", "age": "number"}, **options), model)


DENSE = ColumnTransformer([("all", MaxAbsScaler(), slice(0, None))], sparse_threshold=0)
ON_TEXTS = {
    "words": (make_pipeline(TfidfVectorizer(sublinear_tf=True), logistic()), False),
    "hashed words": (make_pipeline(HashingVectorizer(n_features=64), MaxAbsScaler(), logistic()), False),
    "network of words": (make_pipeline(TfidfVectorizer(), MLPClassifier((4,), max_iter=5)), True),
    "columns": (encoded(logistic()), False),
    "balanced words": (make_pipeline(TfidfVectorizer(), BalancedBinaryRelevance(logistic(), n_bags=10)), False),
    "dense columns": (make_pipeline(make_pipeline(TfidfVectorizer(), DENSE), logistic()), True),
    "topics": (make_pipeline(TfidfVectorizer(), TruncatedSVD(3), logistic()), True),
    "columns, trees": (
        make_pipeline(
            make_encoder({"site": "category", "age": "number"}, dense=True),
            HistGradientBoostingClassifier(max_iter=5),
        ),
        False,
    ),
}


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("name", ON_TEXTS)
def test_one_text_gets_the_bits_that_it_gets_among_many(name: str) -> None:
    model, pad = ON_TEXTS[name]
    frame = texts(3000, seed=1)
    X: Any = frame if name.startswith("columns") else frame["comment"].tolist()
    y = frame["comment"].str.contains("leak").to_numpy().astype(int)
    model.fit(X, y)
    assert block_size(model, X).pad == pad
    whole = block_log_odds(model, X, np.arange(len(X)), 1)
    for row in (*range(20), 1023, 2999):
        np.testing.assert_array_equal(block_log_odds(model, X, np.array([row]), 1)[0], whole[row])


@pytest.fixture(scope="module")
def labelled_texts() -> tuple[list[str], NDArray[np.int64]]:
    rng = np.random.default_rng(1)
    numbers = rng.zipf(1.3, size=(600, 12)) % 500
    Y = np.column_stack([(numbers % 7 == k).any(axis=1) for k in range(3)]).astype(np.int64)
    return [" ".join(f"word{number}" for number in row) for row in numbers], Y


def one_by_one(model: Any, X: Any) -> NDArray[np.float64]:
    """Probabilities as scikit-learn computes them, a label at a time."""
    proba = model.predict_proba(X)
    return np.column_stack([each[:, 1] for each in proba]) if isinstance(proba, list) else np.asarray(proba)


@pytest.mark.parametrize("wrapper", [MultiOutputClassifier, OneVsRestClassifier])
def test_the_product_of_sparse_rows_has_the_bits_of_single_models(wrapper: Any, labelled_texts: Any) -> None:
    X, Y = labelled_texts
    pipeline = make_pipeline(TfidfVectorizer(), wrapper(logistic())).fit(X, Y)
    encoded = pipeline[:-1].transform(X)
    for model, rows in ((pipeline, X), (pipeline[-1], encoded)):
        predict = product_of_labels(model, len(X))
        assert predict is not None
        np.testing.assert_array_equal(predict(rows), one_by_one(model, rows))
    found = block_log_odds(pipeline, X, np.arange(len(X)), 3)
    np.testing.assert_array_equal(found, log_odds(one_by_one(pipeline, X)))


def test_rows_for_which_a_product_is_rounded_otherwise_go_to_the_models(labelled_texts: Any) -> None:
    X, Y = labelled_texts
    model = MultiOutputClassifier(logistic()).fit(TfidfVectorizer().fit_transform(X), Y)
    rows = TfidfVectorizer().fit_transform(X)
    predict = product_of_labels(model, len(X))
    assert predict is not None
    for given in (rows.toarray(), rows.tocsc(), rows.astype(np.float32)):
        np.testing.assert_array_equal(predict(given)[2], model.predict_proba(given)[2])
    with pytest.raises(ValueError, match="features"):
        predict(rows[:, :-1])
    rows.data[0] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        predict(rows)


def test_few_rows_or_other_models_have_no_product(labelled_texts: Any) -> None:
    X, Y = labelled_texts
    encoder = TfidfVectorizer(ngram_range=(1, 2)).fit(X)
    model = MultiOutputClassifier(logistic()).fit(encoder.transform(X), Y)
    assert product_of_labels(model, 1) is None
    assert product_of_labels(model, len(X)) is not None
    assert product_of_labels(MultiOutputClassifier(logistic()).fit(encoder.transform(X), Y[:, :1]), len(X)) is None
    assert product_of_labels(MultiOutputClassifier(Halfway()).fit(encoder.transform(X), Y), len(X)) is None
    # An attribute of scikit-learn before 1.8, with which two classes have a softmax.
    model.estimators_[1].multi_class = "multinomial"
    assert product_of_labels(model, len(X)) is None
    assert linear_form(model) is None


class Halfway(LogisticRegression):  # type: ignore[misc]
    """A model that changes what it inherits."""

    def predict_proba(self, X: Any) -> Any:
        return super().predict_proba(X) / 2 + 0.25
