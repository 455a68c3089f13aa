"""Sound model folders of every kind of part, with rows that each takes."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import (
    AdaBoostClassifier,
    BaggingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.multiclass import OneVsRestClassifier
from sklearn.multioutput import ClassifierChain, MultiOutputClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import KBinsDiscretizer, OneHotEncoder, OrdinalEncoder, PolynomialFeatures, StandardScaler
from sklearn.tree import DecisionTreeClassifier

from cascade import BalancedBinaryRelevance, CascadeClassifier, ManyLabelClassifier
from cascade.estimators.boosting.kinds import BOOSTERS, boosting_classifier
from cascade.estimators.defaults import per_label

ROWS, COLUMNS, LABELS = 1500, 4, 3
LINEAR = LogisticRegression
RUNTIMES = ("onnx", "litert", "keras")
"""What frozen encoders of images are files of."""
TREES = {"max_iter": 3, "max_leaf_nodes": 7, "categorical_features": None}


def problem() -> tuple[Any, Any]:
    """Return rows of two numbers and two categories, and labels that follow from the numbers."""
    rng = np.random.default_rng(0)
    X = np.column_stack([rng.normal(size=(ROWS, 2)), rng.integers(0, 4, (ROWS, 2))]).astype(np.float32)
    Y = (X[:, :2] @ rng.normal(size=(2, LABELS)) + rng.normal(size=(ROWS, LABELS)) > 1.6).astype(np.uint8)
    return X, Y


def texts(X: Any) -> list[str]:
    """Return a text per row."""
    return [f"word{int(row[2])} term{int(row[3])} {'high' if row[0] > 0 else 'low'}" for row in X]


def images(X: Any) -> Any:
    """Return an image of 8 x 8 pixels per row, whose two halves are as bright as its numbers."""
    halves = np.clip(128 + 50 * X[:, :2], 0, 255).astype(np.uint8)
    return np.repeat(np.repeat(halves[:, None, :, None], 4, axis=2), 8, axis=1)


def _encoded(encoder: Any) -> Any:
    return ColumnTransformer([("numbers", StandardScaler(), [0, 1]), ("categories", encoder, [2, 3])])


def _pipeline(*steps: Any) -> Callable[[], tuple[Any, Any]]:
    return lambda: (make_pipeline(*steps, LINEAR()), make_pipeline(*steps, MultiOutputClassifier(LINEAR())))


CASCADES: dict[str, Callable[[], tuple[Any, Any]]] = {
    "linear": lambda: (LINEAR(), OneVsRestClassifier(LINEAR())),
    "sgd": lambda: (SGDClassifier(loss="log_loss"), ClassifierChain(LINEAR())),
    "boosting": lambda: (
        HistGradientBoostingClassifier(**TREES),
        MultiOutputClassifier(HistGradientBoostingClassifier(**TREES)),
    ),
    "forest": lambda: (RandomForestClassifier(3, max_depth=4), RandomForestClassifier(3, max_depth=4)),
    "tree": lambda: (DecisionTreeClassifier(max_depth=4), DecisionTreeClassifier(max_depth=4)),
    "perceptron": lambda: (MLPClassifier((4,), max_iter=3), MLPClassifier((4,), max_iter=3)),
    "bags": lambda: (GaussianNB(), BalancedBinaryRelevance(LINEAR(), n_bags=2)),
    "bagging": lambda: (BaggingClassifier(LINEAR(), 2), MultiOutputClassifier(AdaBoostClassifier(n_estimators=2))),
    "dummy": lambda: (DummyClassifier(), DummyClassifier()),
    "calibrated": lambda: (
        CalibratedClassifierCV(LINEAR(), cv=2),
        MultiOutputClassifier(CalibratedClassifierCV(GaussianNB(), cv=2, method="isotonic")),
    ),
    "one hot": _pipeline(_encoded(OneHotEncoder(handle_unknown="ignore", min_frequency=10))),
    # An encoder with fewer categories is a sound one, which would refuse the rows and not the folder.
    "ordinal": _pipeline(_encoded(OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1))),
    "bins": _pipeline(SimpleImputer(add_indicator=True), KBinsDiscretizer(3, encode="onehot")),
    "polynomial": _pipeline(PolynomialFeatures(2), FeatureUnion([("scaled", StandardScaler()), ("axes", PCA(2))])),
}


def _boosted(library: str) -> Callable[[], tuple[Any, Any]]:
    options = {"n_estimators": 3, "max_depth": 3, "n_jobs": 1}
    return lambda: (boosting_classifier(library, options), per_label(boosting_classifier(library, options)))


CASCADES |= {library: _boosted(library) for library in BOOSTERS if find_spec(library) is not None}


def rows_of(networks: bool) -> dict[str, Any]:
    """Return rows that each model takes, by its name."""
    X = problem()[0][:64]
    plain = [*CASCADES, "many labels", *(("keras", "exported") if networks else ())]
    encoded = [f"images {runtime}" for runtime in RUNTIMES] if networks else []
    rows = dict.fromkeys(plain, X) | dict.fromkeys(encoded, images(X))
    return rows | {"texts": texts(X), "sparse": sparse.csr_matrix(X)}


def build(folder: Path, networks: bool) -> None:
    """Save a model of each kind below `folder`."""
    X, Y = problem()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, make in CASCADES.items():
            CascadeClassifier(*make(), calibration_folds=None).fit(X, Y).save(folder / name)
        model = CascadeClassifier(*_texts(), calibration_folds=None).fit(texts(X), Y)
        model.save(folder / "texts")
        _save_sparse(folder / "sparse", X, Y)
        ManyLabelClassifier(OneVsRestClassifier(LINEAR())).fit(X, Y).predictor_.save(folder / "many labels")
        if networks:
            _save_networks(folder, X, Y)
            _save_encoders(folder, images(X), Y)


def _texts() -> tuple[Any, Any]:
    return make_pipeline(TfidfVectorizer(), LINEAR()), make_pipeline(TfidfVectorizer(), MultiOutputClassifier(LINEAR()))


def _save_sparse(path: Path, X: Any, Y: Any) -> None:
    rows = sparse.csr_matrix(X)
    model = CascadeClassifier(LINEAR(), MultiOutputClassifier(LINEAR()), calibration_folds=None).fit(rows, Y)
    # Coefficients become sparse, as users of penalties that set most of them to zero like to have them.
    for part in (model.gate_, *model.labeler_.estimators_):
        part.sparsify()
    model.save(path)


def _save_networks(folder: Path, X: Any, Y: Any) -> None:
    from cascade import KerasClassifier
    from cascade.estimators.runtime import measure

    measure.SECONDS = 0.02
    network = KerasClassifier("mlp", network_options={"width": 4}, epochs=1)
    model = CascadeClassifier(network, network).fit(X, Y)
    model.save(folder / "keras")
    model.predictor_.save(folder / "exported", ["litert", "onnx"])


def _save_encoders(folder: Path, X: Any, Y: Any) -> None:
    import keras

    from cascade.estimators.encoding.images.encoder import ImageEncoder
    from cascade.estimators.runtime.convert import convert

    keras.utils.set_random_seed(0)
    taken = keras.Input((8, 8, 1))
    states = keras.layers.Conv2D(6, 3, activation="relu")(taken)
    network = keras.Model(taken, keras.layers.GlobalAveragePooling2D()(states))
    path = folder / "network.keras"
    network.save(path)
    files = {"onnx": path.with_suffix(".onnx"), "litert": path.with_suffix(".tflite"), "keras": path}
    for runtime, file in files.items():
        if runtime != "keras":
            file.write_bytes(convert(network, runtime))
        gate, labeler = (
            make_pipeline(ImageEncoder(file, runtime), StandardScaler(), model)
            for model in (LINEAR(), MultiOutputClassifier(LINEAR()))
        )
        CascadeClassifier(gate, labeler, calibration_folds=None).fit(X, Y).save(folder / f"images {runtime}")
