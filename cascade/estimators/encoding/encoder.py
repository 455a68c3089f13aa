"""A transformer that turns columns of several kinds into one matrix, for linear models or for trees."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, get_args

from cascade.data.column_kinds import Kind
from cascade.errors import ConfigError
from cascade.estimators.encoding.texts.files import WORDLLAMA

TextOption = Literal["tfidf", "characters", "hashing", "wordllama"]
CategoryOption = Literal["onehot", "ordinal", "target"]

CHARACTERS: dict[str, Any] = {
    "analyzer": "char_wb",
    "sublinear_tf": True,
    "ngram_range": (2, 4),
    "max_features": 60_000,
}
HASHING: dict[str, Any] = {"n_features": 2**15, "alternate_sign": False}
"""Words without a vocabulary: nothing to fit, several times as fast, and a little worse. For a gate."""
FEWEST_ROWS = 5
"""Rows of a category in training below which it is taken together with other rare ones."""
TOPICS = 64
"""Numbers per column of text for models of dense rows (latent semantic analysis)."""


def make_encoder(
    kinds: Mapping[str, Kind],
    *,
    dense: bool = False,
    text: TextOption | Mapping[str, Any] = "tfidf",
    categories: CategoryOption | None = None,
) -> Any:
    """Return an unfitted transformer from a data frame to a matrix of numbers.

    Parameters
    ----------
    kinds : mapping from column name to {"number", "category", "text", "date"}
        Columns in their order.
    dense : bool, default=False
        Whether the model behind it takes dense rows and is invariant to the scale of a column, as boosted trees are:
        numbers stay as they are, with NaN where they are missing, and a text becomes 64 numbers. Otherwise rows are
        sparse, numbers are standardised, and a missing one is the median with a column that says so.
    text : {"tfidf", "characters", "hashing", "wordllama"} or mapping, default="tfidf"
        Words and pairs of words, parts of words, or words without a vocabulary. Frozen encoders give dense rows: the
        mean of the vectors of tokens, of the package wordllama or of the files in `{"embeddings": PATH}`; or the output
        of an ONNX graph, `{"onnx": PATH}`. Both take `tokenizer` and `max_length` too, and get the length 1.
    categories : {"onehot", "ordinal", "target"}, optional
        One column per category, one number, or the share of positives of each label among the rows of the category.
        Default: "ordinal" if dense, else "onehot". A category that training did not have is that of the rare ones,
        -1, or the share of all rows.

    Returns
    -------
    ColumnTransformer

    Raises
    ------
    ConfigError
        If an option has an unknown value.

    Examples
    --------
    >>> import pandas as pd
    >>> X = pd.DataFrame({"comment": ["works well", "does not work"], "site": ["a", "b"], "age": [1.0, None]})
    >>> kinds = {"comment": "text", "site": "category", "age": "number"}
    >>> make_encoder(kinds).fit_transform(X).shape
    (2, 11)
    """
    from sklearn.compose import ColumnTransformer

    frozen = is_frozen(text)
    if not isinstance(text, Mapping):
        check_option("text", text, TextOption)
    chosen = categories or ("ordinal" if dense else "onehot")
    check_option("categories", chosen, CategoryOption)
    columns: dict[str, list[str]] = {}
    for name, kind in kinds.items():
        columns.setdefault(kind, []).append(name)
    steps: list[tuple[str, Any, Any]] = []
    if "number" in columns:
        steps.append(("numbers", "passthrough" if dense else _scaled(), columns["number"]))
    if "date" in columns:
        steps.append(("dates", _dates(dense), columns["date"]))
    if "category" in columns:
        steps.append(("categories", _categories(chosen, dense), columns["category"]))
    # A vectorizer takes one column, named without a list.
    steps += [(f"text {name}", _text(text, dense), name) for name in columns.get("text", ())]
    # Always sparse or always dense: the form must not depend on how full a block of rows happens to be.
    return ColumnTransformer(steps, sparse_threshold=0.0 if dense or frozen else 1.0, verbose_feature_names_out=False)


def is_frozen(text: Any) -> bool:
    """Return whether texts are turned into dense numbers by files that are not fitted.

    Examples
    --------
    >>> is_frozen("hashing"), is_frozen({"embeddings": "vectors.npy"})
    (False, True)
    """
    return text == WORDLLAMA or isinstance(text, Mapping)


def check_option(name: str, value: Any, choices: Any) -> None:
    """Raise for a value that is not among the choices of an option."""
    allowed = get_args(choices)
    if value not in allowed:
        raise ConfigError(f"`encoder.{name}` must be one of {', '.join(allowed)}. Received {value!r}.")


def _scaled() -> Any:
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    imputer = SimpleImputer(strategy="median", add_indicator=True, keep_empty_features=True)
    return make_pipeline(imputer, StandardScaler())


def _dates(dense: bool) -> Any:
    from sklearn.pipeline import make_pipeline

    from cascade.estimators.encoding.dates import DateParts

    return DateParts() if dense else make_pipeline(DateParts(), _scaled())


def _categories(option: CategoryOption, dense: bool) -> Any:
    from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder

    if option == "target":
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        from cascade.estimators.encoding.target import LabelTargetEncoder

        return LabelTargetEncoder() if dense else make_pipeline(LabelTargetEncoder(), StandardScaler())
    if option == "ordinal":
        return OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1, encoded_missing_value=-1)
    return OneHotEncoder(handle_unknown="infrequent_if_exist", min_frequency=FEWEST_ROWS, sparse_output=not dense)


def _text(option: TextOption | Mapping[str, Any], dense: bool) -> Any:
    return _frozen(option) if is_frozen(option) else _words(option, dense)


def _frozen(option: Any) -> Any:
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import Normalizer

    from cascade.estimators.encoding.texts.onnx import OnnxTextEncoder
    from cascade.estimators.encoding.texts.static import StaticTextEncoder

    given = {"embeddings": option} if option == WORDLLAMA else dict(option)
    kind: Any = StaticTextEncoder
    if "onnx" in given:
        kind, given["model"] = OnnxTextEncoder, given.pop("onnx")
    encoder = kind(**{name: value for name, value in given.items() if value is not None})
    # As TF-IDF: with vectors of length 1, a linear model needs no other regularisation for embeddings.
    return make_pipeline(encoder, Normalizer())


def _words(option: Any, dense: bool) -> Any:
    from sklearn.decomposition import TruncatedSVD
    from sklearn.feature_extraction.text import HashingVectorizer, TfidfVectorizer
    from sklearn.pipeline import make_pipeline

    if option == "tfidf":
        words = weighted_words()
    else:
        words = [TfidfVectorizer(**CHARACTERS) if option == "characters" else HashingVectorizer(**HASHING)]
    topics = [TruncatedSVD(TOPICS, random_state=0)] if dense else []
    return make_pipeline(*words, *topics)


def weighted_words() -> list[Any]:
    """Return the steps from texts to frequent words and pairs of words, weighted by how few texts have them."""
    from sklearn.feature_extraction.text import TfidfTransformer

    from cascade.estimators.encoding.words import WordCounts

    return [WordCounts(), TfidfTransformer(sublinear_tf=True)]
