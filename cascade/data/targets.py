"""Form of a target, a label matrix or a vector of two classes, so that predictions have the same form."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from cascade.data.label_matrix import LabelMatrix
from cascade.data.labels import Labels, check_labels, check_sparse_labels
from cascade.data.missing import split_missing
from cascade.errors import DataError
from cascade.utils.types import Floats


@dataclass(frozen=True)
class TargetForm:
    """Form of a target.

    Attributes
    ----------
    classes : ndarray
        The values of a vector, smaller one first; column numbers 0 to L - 1 of a matrix.
    is_vector : bool
    """

    classes: NDArray[Any]
    is_vector: bool

    @classmethod
    def matrix(cls, n_labels: int) -> TargetForm:
        """Form of a label matrix."""
        return cls(np.arange(n_labels), is_vector=False)

    def decode(self, bits: NDArray[Any]) -> NDArray[Any]:
        """Turn 0/1 of shape (n, L) into what `predict` returns."""
        if not self.is_vector:
            return bits.astype(np.int64)
        # A vector with one class has no second value.
        decoded: NDArray[Any] = self.classes[np.minimum(bits[:, 0], len(self.classes) - 1)]
        return decoded

    def proba(self, proba: NDArray[Any]) -> NDArray[Any]:
        """Turn probabilities of a 1, of shape (n, L), into what `predict_proba` returns."""
        if not self.is_vector:
            return proba
        # As in scikit-learn: a column per class, and certainty if there is only one.
        return np.column_stack([1 - proba, proba]) if len(self.classes) > 1 else np.ones_like(proba)

    def decision(self, margin: Floats) -> Floats:
        """Turn margins of shape (n, L) into what `decision_function` returns."""
        return margin[:, 0] if self.is_vector else margin


def read_target_as_given(y: Any, n_rows: int) -> tuple[LabelMatrix, TargetForm]:
    """Validate a target as `read_known_target` does, but leave a sparse matrix sparse, as a CSR matrix."""
    if not sparse.issparse(y):
        return read_known_target(y, n_rows)
    labels = LabelMatrix(check_sparse_labels(y, n_rows))
    return labels, TargetForm.matrix(labels.shape[1])


def read_target(y: Any, n_rows: int) -> tuple[Labels, TargetForm]:
    """Validate a target as `read_known_target` does, and require every label to be known."""
    labels, form = read_known_target(y, n_rows)
    if labels.known is not None:
        row, column = np.argwhere(~labels.known)[0]
        raise DataError(f"`Y` must hold only 0 and 1. Received a missing label at row {row}, label {column}.")
    return labels.values, form


def read_known_target(y: Any, n_rows: int) -> tuple[LabelMatrix, TargetForm]:
    """Validate a target; return its labels with the mask of the known ones, and its form.

    Parameters
    ----------
    y : array-like or sparse matrix of 0/1, shape (n, L), or array-like of at most two classes, shape (n,)
        A matrix may have missing labels: NaN, None, or hidden by a masked array.
    n_rows : int
        Rows that `X` has.

    Returns
    -------
    labels : LabelMatrix
        Dense, of shape (n, L) or (n, 1).
    form : TargetForm

    Raises
    ------
    DataError

    Examples
    --------
    >>> labels, form = read_known_target(["no", "yes", "no"], 3)
    >>> form.decode(labels.values).tolist(), labels.known
    (['no', 'yes', 'no'], None)
    """
    if y is None:
        # scikit-learn's estimator checks expect these words.
        raise DataError("the estimator requires y to be passed, but the target y is None.")
    values = y if sparse.issparse(y) else np.asarray(y)
    if values.ndim != 1:
        # `values` has lost the mask of a masked array.
        given, known = split_missing(y if np.ma.isMaskedArray(y) else values)
        labels = LabelMatrix(check_labels(given, n_rows), known)
        if known is not None and not known.any():
            raise DataError("`Y` must hold a known label on some row. Received only missing ones.")
        return labels, TargetForm.matrix(labels.shape[1])
    if np.ma.is_masked(y):
        raise DataError("`y` must hold a class on every row. Received a masked vector; leave such rows out.")
    if len(values) != n_rows:
        raise DataError(f"`y` must have one value per row of `X` ({n_rows}). Received {len(values)}.")
    classes = _two_classes(values)
    is_second = (values == classes[-1])[:, None].astype(np.uint8) * (len(classes) > 1)
    return LabelMatrix(is_second), TargetForm(classes, is_vector=True)


def _two_classes(values: NDArray[Any]) -> NDArray[Any]:
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise DataError("`y` must not hold NaN or infinity.")
    # Imported here: a model that is loaded for prediction does not need scikit-learn.
    from sklearn.utils.multiclass import check_classification_targets, type_of_target

    check_classification_targets(values)
    kind = type_of_target(values, input_name="y")
    if kind != "binary":
        # scikit-learn's estimator checks expect the first sentence.
        raise DataError(
            f"Only binary classification is supported. The type of the target is {kind}; give a 0/1 matrix of labels."
        )
    classes = np.unique(values)
    # Of 0 and 1, one may be absent by chance, as in a small fold; both are classes all the same.
    numbers = values.dtype.kind in "biuf" and np.isin(classes, (0, 1)).all()
    return np.array([0, 1], dtype=values.dtype) if numbers else classes
