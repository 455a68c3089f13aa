"""Find the column that equals the OR of the others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cascade.data.label_matrix import LabelMatrix
from cascade.errors import ConfigError
from cascade.utils.types import Floats, Mask, Rows

STRAY_SHARE = 0.01
"""Largest share of stray rows among a column's positives at which the column is reported as nearly `any`."""


@dataclass(frozen=True)
class AnyLabel:
    """Which column says "some label is present", if one does; `note` reports what is unusual about it."""

    index: int | None
    note: str = ""


def find_any_label(labels: LabelMatrix, names: Sequence[str], any_label: str | None = "auto") -> AnyLabel:
    """Find the column that equals the OR of the others, decided once on all rows.

    Parameters
    ----------
    labels : LabelMatrix
        n rows and L labels. Where labels are missing, a row counts for a column if the entry is known and the
        others decide their OR: one of them is on, or all are known. A column that is unknown on half of the rows that
        decide is not taken.
    names : sequence of str, length L
    any_label : str or None
        "auto" searches, a name decides, None means that there is none. A single label is always `any`.

    Returns
    -------
    AnyLabel
        A column that fits except for a few stray rows is not taken; the note names the first such row.

    Examples
    --------
    >>> labels = LabelMatrix(np.array([[1, 0, 1], [0, 1, 1], [0, 0, 0]]))
    >>> find_any_label(labels, ["a", "b", "any"]).index
    2
    """
    positives, strays, often_known = _strays(labels)
    if any_label is None:
        return AnyLabel(None)
    if any_label == "auto" and len(names) == 1:
        # A single label is present exactly where some label is.
        return AnyLabel(0)
    if any_label != "auto":
        return _named_any_label(labels, names, any_label)
    # Without positives every column would equal the OR of the others.
    exact = np.flatnonzero((strays == 0) & (positives > 0) & often_known)
    if len(exact) == 1:
        return AnyLabel(int(exact[0]))
    if len(exact) > 1:
        twins = ", ".join(names[index] for index in exact.tolist())
        return AnyLabel(None, f"several columns equal the OR of the others ({twins}), so none is taken as `any`")
    # `any` is on wherever another label is, so only the column with the most positives can be meant. Of two columns,
    # each is the OR of the other, so their similarity shows nothing.
    nearest = int(np.argmax(positives))
    if len(names) > 2 and 0 < strays[nearest] <= max(STRAY_SHARE * positives[nearest], 1):
        return AnyLabel(None, _stray_note(labels, names, nearest) + ", so it is not taken as `any`")
    return AnyLabel(None)


def _strays(labels: LabelMatrix) -> tuple[Floats, Floats, Mask]:
    """Return positives of each column, rows on which it differs from the OR of the others, and if it is often known."""
    Y, known = labels.values, labels.known
    # Summed in 64 bits: the labels' uint8 would overflow on a row with more than 255 labels.
    count = np.asarray(Y.sum(axis=1, dtype=np.int64)).ravel()
    positives = np.asarray(Y.sum(axis=0, dtype=np.float64)).ravel()
    if known is None:
        # It differs where it is the only label, and where it is off on a row that has one. Counted by columns, since
        # sparse labels do not fit into memory as a dense matrix.
        alone = np.asarray(Y[count == 1].sum(axis=0, dtype=np.float64)).ravel()
        return positives, (count > 0).sum() - positives + alone, np.ones(len(positives), bool)
    others = count[:, None] - Y > 0
    # A label that is known on no row is ignored, as in `LabelMatrix.any_known`.
    hidden = ~known & known.any(axis=0)
    # The OR of the others is certain where one of them is on, or where none of them is hidden.
    decided = others | (hidden.sum(axis=1, dtype=np.int64)[:, None] - hidden == 0)
    strays = ((others != Y.astype(bool)) & decided & known).sum(axis=0).astype(np.float64)
    # A column that is known on few of these rows may agree by chance.
    return positives, strays, 2 * (decided & known).sum(axis=0) > decided.sum(axis=0)


def _named_any_label(labels: LabelMatrix, names: Sequence[str], any_label: str) -> AnyLabel:
    if any_label not in names:
        raise ConfigError(f"`any_label` must be 'auto', None or a label name. Received {any_label!r}.")
    index = list(names).index(any_label)
    return AnyLabel(index, _stray_note(labels, names, index) if _stray_rows(labels, index).size else "")


def _stray_note(labels: LabelMatrix, names: Sequence[str], index: int) -> str:
    rows = _stray_rows(labels, index)
    return f"`{names[index]}` differs from the OR of the others on {len(rows)} rows (first: row {rows[0]})"


def _stray_rows(labels: LabelMatrix, index: int) -> Rows:
    """Return the rows on which a column differs from the OR of the others, as far as both are known."""
    Y, known = labels.values, labels.known
    column = np.asarray(Y[:, [index]].sum(axis=1, dtype=np.int64)).ravel()
    others = np.asarray(Y.sum(axis=1, dtype=np.int64)).ravel() - column > 0
    differs = others != (column > 0)
    if known is not None:
        hidden = ~known & known.any(axis=0)
        n_hidden = hidden.sum(axis=1, dtype=np.int64) - hidden[:, index]
        differs &= known[:, index] & (others | (n_hidden == 0))
    return np.flatnonzero(differs)
