"""scikit-learn estimators as skops files; this package, not the file, fixes what may be loaded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cascade.errors import ModelRefusedError
from cascade.estimators.boosting.convert import with_plain_trees
from cascade.store.skops.decoder import Decoder
from cascade.store.skops.make import Maker, is_listed

LINEAR = "Use LinearSVC in CalibratedClassifierCV, which is saved."
ROWS = "It keeps training rows; use a random forest or an MLPClassifier, which are saved."
ALONE = "Fit it alone, and pass its `best_estimator_`."
FIXED = "Pass the classifier inside it: thresholds of labels are fitted with the cascade."
INSTEAD = {
    **dict.fromkeys(("svm._classes.SVC", "svm._classes.NuSVC"), LINEAR),
    **dict.fromkeys(
        ("sklearn.neighbors._classification", "sklearn.gaussian_process.", "sklearn.semi_supervised."), ROWS
    ),
    "sklearn.model_selection._search": ALONE,
    "sklearn.model_selection._classification_threshold": FIXED,
    "functools.partial": (
        "It is a function with arguments; for boosted trees, encode categories and set `categorical_features=None`."
    ),
    "NearestCentroid": "Use GaussianNB or LinearDiscriminantAnalysis, which are saved.",
    "PassiveAggressiveClassifier": "Use SGDClassifier, which is saved.",
    "CategoricalNB": "Use a OneHotEncoder and BernoulliNB, which are saved.",
}
"""What is saved in place of a class, by a part of the class's full name."""


def save_skops(estimator: Any, path: Path, name: str) -> None:
    """Write `estimator`, trees of other libraries as plain arrays; refuse it by name if it could not be loaded again.

    Raises
    ------
    ModelRefusedError
        If it has a class, an attribute or a number that is not loaded.
    """
    import skops.io

    try:
        content = skops.io.dumps(with_plain_trees(estimator))
    except ModelRefusedError as error:
        raise ModelRefusedError(f"`{name}` cannot be saved: {error}") from error
    # skops raises errors of many types for what it cannot write.
    except Exception as error:
        kind = type(estimator).__name__
        raise ModelRefusedError(
            f"`{name}` ({kind}) cannot be saved without running code to load it: {error}"
        ) from error
    # Found out now, and not when the model is loaded on another machine and the fitted one is gone.
    try:
        load_skops(content, name)
    except ModelRefusedError as error:
        hint = next((f" {hint}" for kind, hint in INSTEAD.items() if kind in str(error)), "")
        raise ModelRefusedError(f"{error}{hint}") from error
    path.write_bytes(content)


def load_skops(content: bytes, name: str) -> Any:
    """Load an estimator whose classes and attributes are all listed.

    Raises
    ------
    ModelRefusedError
        If they are not, or do not fit together.
    """
    return Decoder(content, name, is_listed, Maker(name)).decode()
