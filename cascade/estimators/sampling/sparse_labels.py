"""Rows with a label and rare labels of a label matrix, dense or sparse, for all samplers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from cascade.data.labels import SparseLabels, check_labels, check_sparse_labels
from cascade.errors import ConfigError
from cascade.metrics.imbalance import imbalance_ratio, mean_imbalance_ratio
from cascade.utils.checks import is_number
from cascade.utils.types import Rows

Seed = int | Sequence[int]


def as_sparse(Y: Any) -> SparseLabels:
    """Validate labels; return a CSR array of 0/1."""
    # One format for all, so that a seed draws the same rows from dense and sparse labels.
    return check_sparse_labels(Y) if sparse.issparse(Y) else sparse.csr_array(check_labels(Y))


def labelled_rows(labels: SparseLabels) -> Rows:
    """Return the numbers of the rows with a label."""
    return np.flatnonzero(np.diff(labels.indptr))


def minority_labels(labels: SparseLabels) -> NDArray[np.intp]:
    """Return the columns of the labels that are rarer than the mean: IRLbl above MeanIR.

    References
    ----------
    Charte et al. (2015), Addressing imbalance in multilabel classification, Neurocomputing 163.

    Examples
    --------
    >>> minority_labels(as_sparse([[1, 1], [1, 0], [0, 0]])).tolist()
    [1]
    """
    # A label that never occurs has a ratio of NaN, which compares as False: it has no row to sample.
    return np.flatnonzero(imbalance_ratio(labels) > mean_imbalance_ratio(labels))


def rows_wanted(labels: SparseLabels, share: Any, most: float) -> int:
    """Turn a share of the rows with a label into a number of rows."""
    if not (is_number(share) and 0 < share <= most):
        raise ConfigError(f"`share` must be more than 0 and at most {most:g}. Received {share!r}.")
    return round(float(share) * len(labelled_rows(labels)))
