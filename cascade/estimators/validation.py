"""Validate X as scikit-learn does: number and names of columns, finite numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils import get_tags
from sklearn.utils.validation import validate_data

from cascade.data.rows import is_source
from cascade.errors import DataError


def validate_rows(estimator: Any, X: Any, reset: bool, min_rows: int = 1) -> Any:
    """Validate rows for `estimator`, as scikit-learn does; return a list as an array.

    Data frames stay data frames, for estimators that select columns by name. Text, images, and objects that make their
    rows on demand have no columns to count and are returned unchanged.

    Parameters
    ----------
    estimator : estimator
        Gets `n_features_in_` and `feature_names_in_` if `reset`; otherwise `X` is compared with them.
    X : rows
    reset : bool
    min_rows : int, default=1

    Raises
    ------
    DataError
    """
    if is_source(X) or is_text(X) or len(getattr(X, "shape", ())) > 2:
        return X
    try:
        return _validate(estimator, X, reset, min_rows)
    except ValueError as error:
        # scikit-learn's messages have several lines; errors of this package are one sentence.
        raise DataError(" ".join(str(error).split())) from error


def _validate(estimator: Any, X: Any, reset: bool, min_rows: int) -> Any:
    if hasattr(X, "columns"):
        # Names are checked, values are not: columns may be text or categories that a pipeline encodes.
        validate_data(estimator, X, reset=reset, skip_check_array=True)
        return X
    tags = get_tags(estimator).input_tags
    return validate_data(
        estimator,
        X,
        reset=reset,
        accept_sparse="csr" if tags.sparse else False,
        ensure_all_finite="allow-nan" if tags.allow_nan else True,
        ensure_min_samples=min_rows,
        allow_nd=True,
    )


def is_text(X: Any) -> bool:
    """Return whether the rows of `X` are texts."""
    # The first row is enough: a list of a million texts is not converted only to look at its type.
    values = np.asarray(X[:1]) if isinstance(X, (list, tuple)) else X
    kind = getattr(getattr(values, "dtype", None), "kind", "")
    return getattr(values, "ndim", 2) == 1 and kind in "OUTS" and len(values) > 0 and isinstance(_first(values), str)


def _first(values: Any) -> Any:
    return values.iloc[0] if hasattr(values, "iloc") else values[0]
