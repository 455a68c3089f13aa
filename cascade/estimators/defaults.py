"""Default estimators by the kind of rows: trees for tables, linear models for sparse rows and text, else networks."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from scipy import sparse

from cascade.data.column_kinds import Kind, column_kinds, is_mixed
from cascade.data.rows import makes_batches, n_rows, not_finite
from cascade.errors import DataError
from cascade.estimators.boosting.kinds import BOOSTERS, boosting_classifier
from cascade.estimators.encoding.encoder import make_encoder, weighted_words
from cascade.estimators.validation import is_text

RowKind = Literal["images", "sparse", "table", "mixed", "text"]
Role = Literal["gate", "labeler"]

TREES: dict[str, Any] = {
    "learning_rate": 0.05,
    "max_iter": 200,
    "max_leaf_nodes": 15,
    "max_features": 0.5,
    "l2_regularization": 1.0,
    "early_stopping": False,
    "categorical_features": None,
}
"""Boosted trees of dense tables. Small steps and a penalty matter: with scikit-learn's defaults the trees of a label
with few positives diverge. Early stopping is off, since it needs more positives than a rare label has. Model folders
refuse splits by category."""

LINEAR: dict[str, Any] = {"C": 1.0, "max_iter": 1000}
"""Logistic regression of sparse rows, each column divided by its largest absolute value. Dividing by the standard
deviation is worse, since it gives the rarest columns the largest values."""

TEXT_C = 10.0
"""Inverse regularisation on TF-IDF, whose values are far below 1."""
BATCH = 64
LEARNING_RATE = 0.004
EPOCHS = {"gate": 20, "labeler": 20}
LEAST_STEPS = 3000
MOST_EPOCHS = 60
"""A network needs a minimum of optimiser steps, so on few rows it gets more epochs (docs/understand/comparison.md)."""
GATE_WIDTH = 16
SMALLEST_GATE_IMAGE = 32
"""The gate has two thirds of the labeler's width and sees half of the height and width, down to this size. It needs
about a ninth of the labeler's arithmetic; a gate as large as the labeler would cost more than it saves."""
DENSE = (
    *("decision_tree", "random_forest", "extra_trees", "hist_gradient_boosting", "ada_boost", "gaussian_nb"),
    *("linear_discriminant_analysis", *BOOSTERS),
)
"""Models that take dense rows of any scale; an encoder in front of others gives sparse rows of one scale."""


@dataclass(frozen=True)
class DefaultModel:
    """A model by the words of a config: its `kind` and the options of its constructor."""

    kind: Literal["keras", "hist_gradient_boosting", "scaled_logistic_regression", "logistic_regression"]
    options: dict[str, Any] = field(default_factory=dict)


def kind_of_rows(X: Any, role: str = "gate") -> RowKind:
    """Return the kind of the rows of `X`, on which the default estimators depend.

    Parameters
    ----------
    X : rows
    role : str, default="gate"
        Named in the error.

    Raises
    ------
    DataError
        If rows are neither vectors, images nor texts, or a table has columns that are not numbers.

    Examples
    --------
    >>> kind_of_rows(np.zeros((3, 2))), kind_of_rows(np.zeros((3, 8, 8, 1))), kind_of_rows(["some", "texts"])
    ('table', 'images', 'text')
    """
    if sparse.issparse(X):
        return "sparse"
    if is_text(X):
        return "text"
    if is_mixed(X):
        return "mixed"
    shape = getattr(X, "shape", None) or np.shape(X)
    if len(shape) == 4:
        return "images"
    if len(shape) != 2:
        raise DataError(f"`X` must have 2 or 4 axes for a default model; pass `{role}`. Received shape {shape}.")
    if not _is_numeric(X):
        raise DataError(f"`X` must hold numbers for a default model; pass a pipeline that encodes them as `{role}`.")
    return "table"


def default_model(role: Role, X: Any, kinds: Mapping[str, Kind] | None = None) -> DefaultModel:
    """Return the default model of a role for rows that are no texts, in the words of a config.

    `kinds` are those of the columns of a data frame, where they are declared.

    Raises
    ------
    DataError
        See `kind_of_rows`; also for a sparse number that is not finite, which a linear model does not take.
    """
    kind = kind_of_rows(X, role)
    if kind == "images":
        return DefaultModel("keras", _network_options(role, X))
    # Trees see a text only as a few numbers, which is worse than a linear model of its words.
    if kind == "mixed" and "text" in (kinds or column_kinds(X)).values():
        return DefaultModel("logistic_regression", {**LINEAR, "C": TEXT_C})
    if kind == "sparse":
        if not_finite(X.data).any():
            raise DataError(f"`X` holds a number that is not finite; fill it in, or pass a `{role}` that takes it.")
        return DefaultModel("scaled_logistic_regression", dict(LINEAR))
    return DefaultModel("hist_gradient_boosting", dict(TREES))


def default_estimator(role: Role, X: Any) -> Any:
    """Return the unfitted default estimator of a role for rows like those of `X`.

    Boosted trees for tables, which may have missing values, categories and dates; logistic regression for sparse rows,
    and for texts on their TF-IDF; a small convolutional network for images. The labeler has one model per label, or
    one network.

    Parameters
    ----------
    role : {"gate", "labeler"}
    X : rows

    Raises
    ------
    DataError
        See `default_model`.

    Examples
    --------
    >>> default_estimator("labeler", np.zeros((3, 2)))
    MultiOutputClassifier(estimator=HistGradientBoostingClassifier(categorical_features=None,
                                                                   early_stopping=False,
                                                                   l2_regularization=1.0,
                                                                   learning_rate=0.05,
                                                                   max_features=0.5,
                                                                   max_iter=200,
                                                                   max_leaf_nodes=15))
    """
    if kind_of_rows(X, role) == "text":
        return _text_model(role)
    model = default_model(role, X)
    if model.kind == "keras":
        # Imported here, since only images need Keras, which is an extra.
        from cascade.estimators.neural import KerasClassifier

        return KerasClassifier(**model.options)
    estimator = sklearn_estimator(model.kind, model.options)
    if is_mixed(X):
        estimator = encoded(estimator, model.kind, column_kinds(X))
    return per_label(estimator) if role == "labeler" else estimator


def encoded(estimator: Any, kind: str, kinds: Mapping[str, Kind], **options: Any) -> Any:
    """Put an encoder of a data frame's columns before an estimator of a kind; see `make_encoder` for the options."""
    from sklearn.pipeline import make_pipeline

    return make_pipeline(make_encoder(kinds, dense=kind in DENSE, **options), estimator)


def behind_images(estimator: Any, kind: str, **options: Any) -> Any:
    """Put a frozen encoder of images before an estimator of a kind; see `ImageEncoder` for the options.

    Its numbers are standardised for linear models. Trees need no scale, and networks have their own.
    """
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    from cascade.estimators.encoding.images.encoder import ImageEncoder

    scaled = [] if kind in DENSE or makes_batches(estimator) else [StandardScaler()]
    return make_pipeline(ImageEncoder(**options), *scaled, estimator)


def warn_where_unsuited(role: Role, estimator: Any, X: Any, stacklevel: int) -> None:
    """Warn of a network on sparse rows, where the default linear model usually has the lower log loss."""
    if sparse.issparse(X) and makes_batches(estimator):
        warnings.warn(
            f"`{role}` is a network and `X` is sparse: a linear model usually has the lower log loss on such rows, and "
            f"is faster. Leave `{role}` out for the default one.",
            stacklevel=stacklevel,
        )


CLASSIFIERS = {
    "logistic_regression": "sklearn.linear_model.LogisticRegression",
    "scaled_logistic_regression": "sklearn.linear_model.LogisticRegression",
    "sgd": "sklearn.linear_model.SGDClassifier",
    "linear_svc": "sklearn.svm.LinearSVC",
    "gaussian_nb": "sklearn.naive_bayes.GaussianNB",
    "bernoulli_nb": "sklearn.naive_bayes.BernoulliNB",
    "multinomial_nb": "sklearn.naive_bayes.MultinomialNB",
    "complement_nb": "sklearn.naive_bayes.ComplementNB",
    "linear_discriminant_analysis": "sklearn.discriminant_analysis.LinearDiscriminantAnalysis",
    "decision_tree": "sklearn.tree.DecisionTreeClassifier",
    "random_forest": "sklearn.ensemble.RandomForestClassifier",
    "extra_trees": "sklearn.ensemble.ExtraTreesClassifier",
    "hist_gradient_boosting": "sklearn.ensemble.HistGradientBoostingClassifier",
    "ada_boost": "sklearn.ensemble.AdaBoostClassifier",
    "mlp": "sklearn.neural_network.MLPClassifier",
}
"""Classifiers of scikit-learn that a config can name: those that a model folder can hold. A table instead of an import
by name, since a config from elsewhere must not choose what is imported."""


def named_classifier(kind: str, options: Mapping[str, Any]) -> Any:
    """Return an unfitted classifier of scikit-learn, LightGBM or XGBoost by its name in configs.

    Raises
    ------
    TypeError, ValueError
        If it has no such options, or they have invalid values.
    """
    return boosting_classifier(kind, options) if kind in BOOSTERS else sklearn_estimator(kind, options)


def sklearn_estimator(kind: str, options: Mapping[str, Any]) -> Any:
    """Return an unfitted scikit-learn classifier by its name in configs.

    Support vector machines have no probabilities and are calibrated on folds, and the loss of `sgd` is that of logistic
    regression by default.

    Raises
    ------
    TypeError, ValueError
        If it has no such options, or they have invalid values.

    Examples
    --------
    >>> sklearn_estimator("extra_trees", {"n_estimators": 20})
    ExtraTreesClassifier(n_estimators=20)
    """
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import MaxAbsScaler

    module, _, name = CLASSIFIERS[kind].rpartition(".")
    given = {"loss": "log_loss", **options} if kind == "sgd" else options
    estimator = getattr(importlib.import_module(module), name)(**given)
    # scikit-learn validates options in `fit` only: a labeler's would be rejected after the gate was trained.
    estimator._validate_params()
    if kind == "linear_svc":
        return CalibratedClassifierCV(estimator, ensemble=False)
    return make_pipeline(MaxAbsScaler(), estimator) if kind == "scaled_logistic_regression" else estimator


def _network_options(role: Role, X: Any) -> dict[str, Any]:
    enough = -(-LEAST_STEPS * BATCH // max(n_rows(X), 1))
    epochs = max(EPOCHS[role], min(enough, MOST_EPOCHS))
    options: dict[str, Any] = {"network": "cnn", "epochs": epochs, "batch_size": BATCH, "learning_rate": LEARNING_RATE}
    if role == "labeler":
        return options
    half = max(X.shape[1:3]) // 2
    # Only images of 8 bits are averaged down.
    smaller = {"image_size": half} if half >= SMALLEST_GATE_IMAGE and X.dtype == np.uint8 else {}
    return options | smaller | {"network_options": {"width": GATE_WIDTH}}


def per_label(estimator: Any) -> Any:
    """Return a multi-label estimator with one binary `estimator` per label.

    Of a pipeline only the last step is repeated, so that rows are transformed once and not once per label.
    """
    from sklearn.multioutput import MultiOutputClassifier
    from sklearn.pipeline import make_pipeline

    if not hasattr(estimator, "steps"):
        return MultiOutputClassifier(estimator)
    *transformers, last = (step for _, step in estimator.steps)
    return make_pipeline(*transformers, MultiOutputClassifier(last))


def _text_model(role: Role) -> Any:
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    model = make_pipeline(*weighted_words(), LogisticRegression(**{**LINEAR, "C": TEXT_C}))
    return per_label(model) if role == "labeler" else model


def _is_numeric(X: Any) -> bool:
    types = getattr(X, "dtypes", None)
    # pandas has one type per column as a series, Polars as a list, an array one in all.
    types = [getattr(X, "dtype", None)] if types is None else list(types)
    return all(_is_number(one) for one in types)


def _is_number(dtype: Any) -> bool:
    if hasattr(dtype, "is_numeric"):  # Polars
        return bool(dtype.is_numeric() or str(dtype) == "Boolean")
    # A list of lists has no type, and extension types of pandas have a kind too.
    return dtype is None or getattr(dtype, "kind", "O") in "biuf"
