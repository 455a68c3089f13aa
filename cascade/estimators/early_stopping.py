"""Validation rows for early stopping, if there are enough of them to be trusted."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy import sparse

from cascade.data.label_matrix import LabelMatrix
from cascade.data.splits import grouped_holdout
from cascade.errors import ConfigError
from cascade.utils.types import Rows

logger = logging.getLogger("cascade.training")

AUTO = "auto"
SIZE = 0.1
"""Share of the rows for early stopping, where it is left to the data."""
FEWEST_POSITIVES = 100
"""Positives of each label among the validation rows. The loss of fewer is noisy from epoch to epoch: it stops a network
too early, at a high learning rate, and the rows held out for it are missed (`benchmarks/defaults.py`)."""


def check_validation_size(size: Any) -> None:
    """Raise an error for an invalid share of validation rows."""
    if isinstance(size, str) and size == AUTO:
        return
    is_number = isinstance(size, (int, float, np.number)) and not isinstance(size, bool)
    if not (is_number and 0 <= size < 1):
        raise ConfigError(f"`validation_size` must be 'auto' or in [0, 1). Received {size!r}.")


def split_validation(labels: LabelMatrix, groups: ArrayLike | None, size: float | str, seed: int) -> tuple[Rows, Rows]:
    """Return the rows to train on, and the validation rows, of which there may be none.

    Parameters
    ----------
    labels : LabelMatrix
    groups : array-like, shape (n,), or None
    size : float or "auto"
        Share of the rows, in whole groups. "auto" holds out a tenth, if it has 100 positives of every label.
    seed : int
    """
    rows, Y = labels.rows_with_known_label(), labels.values
    if size != AUTO and not size:
        return rows, rows[:0]
    if labels.known is not None:
        Y, groups = Y[rows], None if groups is None else np.asarray(groups)[rows]
    held = grouped_holdout(Y, groups, SIZE if isinstance(size, str) else size, seed)
    # Of very small samples nothing, or everything, may be held out; then all epochs use all rows.
    if held.all() or not held.any():
        return rows, rows[:0]
    if size == AUTO:
        fewest = int(_positives(Y[held]).min())
        if fewest < FEWEST_POSITIVES:
            logger.info("no early stopping: a label has %d positives among a tenth of the rows", fewest)
            return rows, rows[:0]
    return rows[~held], rows[held]


def _positives(Y: Any) -> Any:
    return np.asarray(Y.sum(axis=0)).ravel() if sparse.issparse(Y) else Y.sum(axis=0, dtype=np.int64)
