"""scikit-learn estimators as skops files; this module, not the file, fixes the types that may be loaded."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator

from cascade.errors import ModelRefusedError
from cascade.store.compiled import check_compiled, objects_inside

TRUSTED = frozenset(
    {
        "cascade.estimators.encoding.dates.DateParts",
        "numpy.dtype",
        "sklearn.calibration._CalibratedClassifier",
        "sklearn.calibration._SigmoidCalibration",
        "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
        "sklearn.neural_network._stochastic_optimizers.AdamOptimizer",
        "sklearn.neural_network._stochastic_optimizers.SGDOptimizer",
        "sklearn.tree._tree.Tree",
    }
)
"""Types that skops does not trust by default; none of them runs code from a file."""

COEFFICIENTS = {"latest_", "coef_", "intercept_", "coefs_", "intercepts_"}


def save_skops(estimator: Any, path: Path, name: str) -> None:
    """Write `estimator`; refuse it by name if it contains a type that could not be loaded again."""
    import skops.io

    check_compiled(estimator, name)
    _check_finite(estimator, name)
    try:
        skops.io.dump(estimator, path)
    # skops raises errors of many types for what it cannot write.
    except Exception as error:
        kind = type(estimator).__name__
        raise ModelRefusedError(
            f"`{name}` ({kind}) cannot be saved without running code to load it: {error}"
        ) from error
    # Found out now, and not when the model is loaded on another machine and the fitted one is gone.
    unknown = _untrusted(path)
    if unknown:
        raise ModelRefusedError(f"`{name}` holds {unknown[0]}, which cannot be loaded safely again; use another part.")


def load_skops(path: Path) -> Any:
    """Load an estimator whose types are all trusted."""
    import skops.io

    _check_archive(path)
    unknown = _untrusted(path)
    if unknown:
        raise ModelRefusedError(f"`{path}` holds {unknown[0]}, a type that is not trusted; it was not loaded.")
    # Types are safe to construct by now; their numbers are checked before any of them reaches compiled code.
    estimator = skops.io.load(path, trusted=sorted(TRUSTED))
    check_compiled(estimator, str(path))
    _check_finite(estimator, str(path))
    return estimator


def _untrusted(path: Path) -> list[str]:
    import skops.io

    return sorted(set(skops.io.get_untrusted_types(file=path)) - TRUSTED)


def _check_archive(path: Path) -> None:
    """Refuse an archive that would expand; skops stores its members uncompressed."""
    if not zipfile.is_zipfile(path):
        raise ModelRefusedError(f"`{path}` is not a skops file.")
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            if member.compress_type != zipfile.ZIP_STORED or member.file_size != member.compress_size:
                raise ModelRefusedError(
                    f"`{path}` has a compressed member {member.filename!r}, which skops never writes."
                )


def _check_finite(estimator: Any, name: str) -> None:
    for attribute, values in _coefficients(estimator):
        if not np.isfinite(values).all():
            raise ModelRefusedError(f"`{name}` has a weight in {attribute!r} that is not finite; it is refused.")


def _coefficients(estimator: Any) -> Iterator[tuple[str, Any]]:
    """Yield every fitted coefficient of an estimator and of the estimators inside it."""
    for owner in objects_inside(estimator):
        attributes = vars(owner) if isinstance(owner, BaseEstimator) else {}
        for attribute in COEFFICIENTS & attributes.keys():
            values = attributes[attribute]
            # A multi-layer perceptron has a list of arrays, one per layer; after `sparsify` coefficients are sparse.
            for array in values if isinstance(values, list) else [values]:
                yield attribute, np.asarray(array.toarray() if hasattr(array, "toarray") else array, np.float64)
