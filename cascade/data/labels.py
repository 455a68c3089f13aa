"""The label matrix: what it must look like, which column is `any`, and which columns need a model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse

from cascade.data.missing import Known
from cascade.errors import ConfigError, DataError

Labels = NDArray[np.uint8]
SparseLabels = Any
"""CSR matrix of 0/1; scipy has no types for it."""

STRAY_SHARE = 0.01

MOST_LABELS = 12
"""Whole vectors are weighed for up to this many labels: 2 to the power of it, for every row."""


def check_labels(Y: ArrayLike | Any, n_rows: int | None = None) -> Labels:
    """Validate a label matrix.

    Parameters
    ----------
    Y : array-like or sparse matrix of 0/1, shape (n, L) or (n,)
    n_rows : int, optional
        Number of rows that `X` has.

    Returns
    -------
    ndarray of uint8, shape (n, L)

    Raises
    ------
    DataError
        If a value is not 0 or 1, or the number of rows is wrong.

    Examples
    --------
    >>> check_labels([[0, 1], [0, 0]])
    array([[0, 1],
           [0, 0]], dtype=uint8)
    """
    if np.ma.is_masked(Y):
        raise DataError("`Y` must hold only 0 and 1. Received a masked array that hides labels.")
    dense = Y.toarray() if sparse.issparse(Y) else np.asarray(Y)  # type: ignore[union-attr]
    if dense.ndim == 1:
        dense = dense[:, None]
    if dense.ndim != 2 or dense.shape[1] == 0:
        raise DataError(f"`Y` must be of shape (rows, labels). Received shape {dense.shape}.")
    if n_rows is not None and len(dense) != n_rows:
        raise DataError(f"`Y` must have one row per row of `X` ({n_rows}). Received {len(dense)}.")
    wrong = ~np.isin(dense, (0, 1))
    if wrong.any():
        row, column = np.argwhere(wrong)[0]
        value = dense[row, column]
        raise DataError(f"`Y` must hold only 0 and 1. Received {value!r} at row {row}, label {column}.")
    return dense.astype(np.uint8)


def check_sparse_labels(Y: Any, n_rows: int | None = None) -> SparseLabels:
    """Validate a sparse label matrix without making it dense: whole rows in order, each 1 named once.

    Raises
    ------
    DataError

    Examples
    --------
    >>> check_sparse_labels(sparse.coo_array([[0, 1], [0, 0]])).toarray()
    array([[0, 1],
           [0, 0]], dtype=uint8)
    """
    if len(Y.shape) != 2 or Y.shape[1] == 0:
        raise DataError(f"`Y` must be of shape (rows, labels). Received shape {Y.shape}.")
    if n_rows is not None and Y.shape[0] != n_rows:
        raise DataError(f"`Y` must have one row per row of `X` ({n_rows}). Received {Y.shape[0]}.")
    rows = sparse.csr_array(Y)
    if rows is Y or not rows.has_canonical_format:
        rows = rows.copy()
        rows.sum_duplicates()
    wrong = np.flatnonzero(~np.isin(rows.data, (0, 1)))
    if len(wrong):
        row = int(np.searchsorted(rows.indptr, wrong[0], side="right")) - 1
        value, column = rows.data[wrong[0]], rows.indices[wrong[0]]
        raise DataError(f"`Y` must hold only 0 and 1. Received {value!r} at row {row}, label {column}.")
    checked = rows.astype(np.uint8)
    checked.eliminate_zeros()
    return checked


def name_labels(names: Sequence[str] | None, n_labels: int) -> tuple[str, ...]:
    """Check label names, or make them up: label_0, label_1, ..."""
    chosen = tuple(str(name) for name in (names if names is not None else [f"label_{k}" for k in range(n_labels)]))
    if len(chosen) != n_labels:
        raise DataError(f"`label_names` must have one name per label ({n_labels}). Received {len(chosen)}.")
    if len(set(chosen)) != n_labels:
        raise DataError(f"`label_names` must differ from each other. Received {list(chosen)}.")
    return chosen


@dataclass(frozen=True)
class AnyLabel:
    """Which column says "some label is present", if one does; `note` tells what was odd about it."""

    index: int | None
    note: str = ""


def find_any_label(Y: Labels, names: Sequence[str], any_label: str | None = "auto", known: Known = None) -> AnyLabel:
    """Find the column that equals the OR of the others, decided once on all rows.

    Parameters
    ----------
    Y : ndarray of 0/1, shape (n, L)
    names : sequence of str, length L
    any_label : str or None
        "auto" searches, a name decides, None says that there is none. An only label is always `any`.
    known : ndarray of bool, shape (n, L), optional
        A row counts for a column where that is known and the others decide their OR: one of them is on, or all are
        known. A column that half of such rows do not know is not taken.

    Returns
    -------
    AnyLabel
        A column that fits but for a few stray rows is not taken; the note names the first such row.

    Examples
    --------
    >>> find_any_label(np.array([[1, 0, 1], [0, 1, 1], [0, 0, 0]]), ["a", "b", "any"]).index
    2
    """
    others = Y.sum(axis=1, dtype=np.int64)[:, None] - Y > 0
    differs = others != Y.astype(bool)
    often_known = np.ones(Y.shape[1], dtype=bool)
    if known is not None:
        # What is known on no row has no say, as in `settled_rows`.
        hidden = ~known & known.any(axis=0)
        decided = others | (hidden.sum(axis=1, dtype=np.int64)[:, None] - hidden == 0)
        differs &= decided & known
        # A few rows agree by chance.
        often_known = 2 * (decided & known).sum(axis=0) > decided.sum(axis=0)
    strays = differs.sum(axis=0)
    if any_label is None:
        return AnyLabel(None)
    if any_label == "auto" and Y.shape[1] == 1:
        # The only label is present exactly where some label is.
        return AnyLabel(0)
    if any_label != "auto":
        return _named_any_label(names, any_label, differs)
    exact = np.flatnonzero((strays == 0) & Y.any(axis=0) & often_known)
    if len(exact) == 1:
        return AnyLabel(int(exact[0]))
    if len(exact) > 1:
        twins = ", ".join(names[index] for index in exact.tolist())
        return AnyLabel(None, f"several columns equal the OR of the others ({twins}), so none is taken as `any`")
    # A column that is `any` holds all positives of the others, so only the fullest one can be meant.
    nearest = int(np.argmax(Y.sum(axis=0)))
    if Y.shape[1] > 2 and 0 < strays[nearest] <= max(STRAY_SHARE * int(Y[:, nearest].sum()), 1):
        return AnyLabel(None, _stray_note(names, nearest, differs) + ", so it is not taken as `any`")
    return AnyLabel(None)


def _named_any_label(names: Sequence[str], any_label: str, differs: NDArray[np.bool_]) -> AnyLabel:
    if any_label not in names:
        raise ConfigError(f"`any_label` must be 'auto', None or a label name. Received {any_label!r}.")
    index = list(names).index(any_label)
    return AnyLabel(index, _stray_note(names, index, differs) if differs[:, index].any() else "")


def _stray_note(names: Sequence[str], index: int, differs: NDArray[np.bool_]) -> str:
    rows = np.flatnonzero(differs[:, index])
    return f"`{names[index]}` differs from the OR of the others on {len(rows)} rows (first: row {rows[0]})"


def varying_labels(Y: Labels, known: Known = None) -> NDArray[np.intp]:
    """Columns that have both classes among the rows, of those that know the label."""
    count = Y.sum(axis=0, dtype=np.int64)
    return np.flatnonzero((count > 0) & (count < (len(Y) if known is None else known.sum(axis=0))))


@dataclass(frozen=True)
class LabelPlan:
    """How each column gets its probability: by the gate (`any`), by the labeler, or as a constant share.

    Attributes
    ----------
    any_index : int or None
    learned : ndarray of int
        Columns the labeler learns.
    share : ndarray of float, shape (L,)
        Smoothed share of each label among rows with a label; what a constant column is given.
    seen : ndarray of 0/1, shape (S, K)
        Combinations of the learned labels among training rows with one of them; none for more than 12 labels.
    seen_count : ndarray of int, shape (S,)
    """

    any_index: int | None
    learned: NDArray[np.intp]
    share: NDArray[np.float64]
    seen: Labels
    seen_count: NDArray[np.int64]


def plan_labels(
    Y: Labels, any_index: int | None, weight: NDArray[np.float64] | None = None, known: Known = None
) -> LabelPlan:
    """Decide which columns the labeler can learn from the training rows `Y`.

    A label that never, or always, occurs among rows with a label has nothing to learn; it gets its share there
    with half a count added (Jeffreys), so that no probability is exactly 0 or 1. Only rows that know it count.
    """
    some = Y.any(axis=1)
    learned = varying_labels(Y[some], None if known is None else known[some])
    counted = some * (np.ones(len(Y)) if weight is None else weight)
    total = counted.sum() if known is None else counted @ known
    return planned(Y, any_index, learned[learned != any_index], (counted @ Y + 0.5) / (total + 1.0), known)


def planned(
    Y: Labels, any_index: int | None, learned: NDArray[np.intp], share: NDArray[np.float64], known: Known = None
) -> LabelPlan:
    """Make a plan for columns that were chosen, with the combinations of them that occur, all known, in `Y`."""
    kept = Y[:, learned] if len(learned) <= MOST_LABELS else Y[:0, learned]
    if known is not None:
        kept = kept[known[: len(kept), learned].all(axis=1)]
    seen, count = np.unique(kept[kept.any(axis=1)], axis=0, return_counts=True)
    return LabelPlan(any_index, learned, share, seen, count.astype(np.int64))
