"""scikit-learn estimators as skops files; the types that may be loaded are fixed here, never by the file."""

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
        "numpy.dtype",
        "sklearn.calibration._CalibratedClassifier",
        "sklearn.calibration._SigmoidCalibration",
        "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
        "sklearn.neural_network._stochastic_optimizers.AdamOptimizer",
        "sklearn.neural_network._stochastic_optimizers.SGDOptimizer",
        "sklearn.tree._tree.Tree",
    }
)
"""Types of scikit-learn's own that skops does not trust by default; none of them runs code from a file."""

COEFFICIENTS = {"coef_", "intercept_", "coefs_", "intercepts_"}


def save_skops(estimator: Any, path: Path, name: str) -> None:
    """Write `estimator`, or refuse it by name if it holds a type that would not be loaded again."""
    import skops.io

    check_compiled(estimator, name)
    _check_finite(estimator, name)
    try:
        skops.io.dump(estimator, path)
    except Exception as error:
        kind = type(estimator).__name__
        raise ModelRefusedError(
            f"`{name}` ({kind}) cannot be saved without running code to load it: {error}"
        ) from error
    unknown = _untrusted(path)
    if unknown:
        raise ModelRefusedError(f"`{name}` holds {unknown[0]}, which cannot be loaded safely again; use another part.")


def load_skops(path: Path) -> Any:
    """Read an estimator whose types are all trusted."""
    import skops.io

    _check_archive(path)
    unknown = _untrusted(path)
    if unknown:
        raise ModelRefusedError(f"`{path}` holds {unknown[0]}, a type that is not trusted; it was not loaded.")
    estimator = skops.io.load(path, trusted=sorted(TRUSTED))
    check_compiled(estimator, str(path))
    _check_finite(estimator, str(path))
    return estimator


def _untrusted(path: Path) -> list[str]:
    import skops.io

    return sorted(set(skops.io.get_untrusted_types(file=path)) - TRUSTED)


def _check_archive(path: Path) -> None:
    """Refuse an archive that would expand: skops stores its members uncompressed."""
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
    """Yield every fitted coefficient of an estimator and of those inside it."""
    for owner in objects_inside(estimator):
        held = vars(owner) if isinstance(owner, BaseEstimator) else {}
        for attribute in COEFFICIENTS & held.keys():
            values = held[attribute]
            for array in values if isinstance(values, list) else [values]:
                yield attribute, np.asarray(array.toarray() if hasattr(array, "toarray") else array, np.float64)
