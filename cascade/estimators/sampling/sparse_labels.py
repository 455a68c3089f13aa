"""What every sampler reads of a label matrix, dense or sparse: rows that have a label, and labels that are rare."""

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
    """Validate labels; CSR array of 0/1 whatever was given, so that the same seed draws the same rows."""
    return check_sparse_labels(Y) if sparse.issparse(Y) else sparse.csr_array(check_labels(Y))


def labelled_rows(labels: SparseLabels) -> Rows:
    """Numbers of the rows that have a label."""
    return np.flatnonzero(np.diff(labels.indptr))


def minority_labels(labels: SparseLabels) -> NDArray[np.intp]:
    """Columns of the labels that are rarer than the mean: IRLbl above MeanIR.

    References
    ----------
    Charte et al. (2015), Addressing imbalance in multilabel classification, Neurocomputing 163.

    Examples
    --------
    >>> minority_labels(as_sparse([[1, 1], [1, 0], [0, 0]])).tolist()
    [1]
    """
    return np.flatnonzero(imbalance_ratio(labels) > mean_imbalance_ratio(labels))


def rows_wanted(labels: SparseLabels, share: Any, most: float) -> int:
    """Turn a share of the rows with a label into a number of rows."""
    if not (is_number(share) and 0 < share <= most):
        raise ConfigError(f"`share` must be more than 0 and at most {most:g}. Received {share!r}.")
    return round(float(share) * len(labelled_rows(labels)))
