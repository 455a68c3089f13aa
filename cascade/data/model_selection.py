"""Splitter for scikit-learn's cross-validation: grouped folds that spread every label evenly."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy import sparse
from sklearn.model_selection import BaseCrossValidator

from cascade.data.labels import check_sparse_labels
from cascade.data.splits import fold_shares, group_counts, group_numbers, grouped_folds
from cascade.data.targets import read_known_target
from cascade.errors import ConfigError, DataError
from cascade.utils.types import Rows


class GroupedMultilabelSplit(BaseCrossValidator):  # type: ignore[misc]
    """Folds for a multi-label target: groups stay whole, and each fold gets its share of every label.

    Parameters
    ----------
    n_splits : int, default=5
    tolerance : float, default=0.05
        A warning names the labels whose share in some fold is further than this from 1 / n_splits. It also names labels
        found in fewer groups than there are folds.
    random_state : int, default=0

    Examples
    --------
    >>> Y = np.repeat(np.eye(4, 3, dtype=int), 6, axis=0)
    >>> patients = np.repeat(np.arange(12), 2)
    >>> for training, test in GroupedMultilabelSplit(3).split(Y, Y, patients):
    ...     print(Y[test].sum(axis=0), set(patients[training]) & set(patients[test]))
    [2 2 2] set()
    [2 2 2] set()
    [2 2 2] set()
    """

    # With metadata routing, scikit-learn passes `groups` only to a splitter that requests it.
    __metadata_request__split = {"groups": True}

    def __init__(self, n_splits: int = 5, *, tolerance: float = 0.05, random_state: int = 0) -> None:
        self.n_splits = n_splits
        self.tolerance = tolerance
        self.random_state = random_state

    def get_n_splits(self, X: Any = None, y: Any = None, groups: Any = None) -> int:
        """Return the number of folds."""
        return self.n_splits

    def split(self, X: Any, y: Any = None, groups: ArrayLike | None = None) -> Iterator[tuple[Rows, Rows]]:
        """Yield the row numbers of training and test for each fold.

        Parameters
        ----------
        X : rows, n of them
            Ignored.
        y : array-like or sparse matrix of 0/1, shape (n, L), or of two classes, shape (n,)
            Known positives are spread; labels may be missing.
        groups : array-like, shape (n,), optional
            None takes every row as a separate group.
        """
        if y is None:
            raise ConfigError("`y` must be given, since its labels are spread over the folds. Received None.")
        Y = check_sparse_labels(y) if sparse.issparse(y) else read_known_target(y, len(y))[0].values
        n_groups = int(group_numbers(groups, Y.shape[0]).max(initial=-1)) + 1
        if n_groups < self.n_splits:
            raise DataError(f"`groups` must hold at least `n_splits` groups ({self.n_splits}). Received {n_groups}.")
        folds = grouped_folds(Y, groups, self.n_splits, self.random_state)
        self._report(Y, groups, folds)
        for fold in range(self.n_splits):
            yield np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)

    def _report(self, Y: Any, groups: ArrayLike | None, folds: Rows) -> None:
        counts = group_counts(Y, group_numbers(groups, Y.shape[0]))[:, :-2]
        # In CSC format, the entries of a column are the groups that have the label.
        few = np.flatnonzero(np.diff(counts.tocsc().indptr) < self.n_splits)
        if len(few):
            warnings.warn(
                f"{len(few)} labels are found in fewer groups than {self.n_splits} folds, so some folds have none: "
                f"columns {few[:5].tolist()}.",
                stacklevel=4,
            )
        share = fold_shares(Y, folds, self.n_splits)
        # Labels without positives have NaN shares; `initial` makes them count as even.
        uneven = np.flatnonzero(np.nanmax(abs(share - 1 / self.n_splits), axis=0, initial=0.0) > self.tolerance)
        # A label in too few groups cannot be even, and was reported above.
        uneven = np.setdiff1d(uneven, few)
        if len(uneven):
            warnings.warn(
                f"{len(uneven)} labels have a share in some fold that is more than {self.tolerance} from even, "
                f"because few groups hold them: columns {uneven[:5].tolist()}.",
                stacklevel=4,
            )
