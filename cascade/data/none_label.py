"""Find the column that means "none": 1 exactly where no other label is, such as "no finding" or "healthy"."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cascade.data.label_matrix import LabelMatrix
from cascade.errors import ConfigError, DataError
from cascade.utils.types import Floats, Mask

STRAY_SHARE = 0.01
"""Largest share of stray rows among a column's positives at which the column is reported as nearly "none"."""


@dataclass(frozen=True)
class NoneLabel:
    """Which column means "none", if one does; `note` reports one that nearly does."""

    index: int | None
    note: str = ""


def find_none_label(labels: LabelMatrix, names: Sequence[str], none_label: str | None = "auto") -> NoneLabel:
    """Find the complement of the OR of the other columns.

    With such a column as a label every row has a label, and a gate has nothing to decide.

    Parameters
    ----------
    labels : LabelMatrix
        n rows and L labels. Where labels are missing, a row counts for a column if its entry is known and the others
        decide their OR.
    names : sequence of str, length L
    none_label : str or None
        "auto" searches, a name decides, None means that there is none.

    Returns
    -------
    NoneLabel
        A column that fits except for a few stray rows is not taken; the note names it.

    Raises
    ------
    ConfigError
        If the name is not among `names`.
    DataError
        If a named column is on together with another label.

    Examples
    --------
    >>> labels = LabelMatrix(np.array([[1, 0, 0], [1, 1, 0], [0, 0, 1]], np.uint8))
    >>> find_none_label(labels, ["crack", "dent", "healthy"]).index
    2
    """
    if none_label is None:
        return NoneLabel(None)
    if none_label != "auto" and none_label not in names:
        raise ConfigError(f"`none_label` must be 'auto', null or a label name. Received {none_label!r}.")
    positives, strays, is_often_known = _strays(labels)
    if none_label != "auto":
        index = list(names).index(none_label)
        if strays[index]:
            raise DataError(
                f"`none_label` {none_label!r} must be 1 exactly where no other label is. "
                f"It differs on {int(strays[index])} rows."
            )
        return NoneLabel(index)
    # Of two columns each may be the complement of the other, and of classes of which each row has one, all are.
    usable = (positives > 0) & is_often_known & (len(names) > 2)
    exact = np.flatnonzero(usable & (strays == 0))
    if len(exact):
        return NoneLabel(int(exact[0]) if len(exact) == 1 else None)
    near = np.flatnonzero(usable & (strays <= STRAY_SHARE * positives))
    if len(near) != 1:
        return NoneLabel(None)
    index = int(near[0])
    return NoneLabel(
        None,
        f"`{names[index]}` is 1 where no other label is, except on {int(strays[index])} rows; correct those rows, or "
        "take it out of the labels",
    )


def _strays(labels: LabelMatrix) -> tuple[Floats, Floats, Mask]:
    """Return positives of each column, rows on which it is not the complement, and whether it is known often enough."""
    Y, known = labels.values, labels.known
    count = np.asarray(Y.sum(axis=1, dtype=np.int64)).ravel()
    positives = np.asarray(Y.sum(axis=0, dtype=np.float64)).ravel()
    if known is None:
        # A column is its complement where it is the only label of its rows, and no row is empty. Counted without a
        # dense matrix, which sparse labels would not fit into.
        together = positives - np.asarray(Y[count == 1].sum(axis=0, dtype=np.float64)).ravel()
        return positives, together + (count == 0).sum(), np.ones(len(positives), bool)
    others = count[:, None] - Y > 0
    hidden = ~known & known.any(axis=0)
    decided = known & (others | (hidden.sum(axis=1, dtype=np.int64)[:, None] - hidden == 0))
    strays = ((others == Y.astype(bool)) & decided).sum(axis=0).astype(np.float64)
    # A column that is known on few of these rows may agree by chance.
    return positives, strays, 2 * decided.sum(axis=0) > len(labels)


def none_sentence(name: str) -> str:
    """Return the sentence that names the column and what it means.

    Examples
    --------
    >>> none_sentence("healthy")
    "label 'healthy' is 1 exactly where no other label is: it means that there is none"
    """
    return f"label {name!r} is 1 exactly where no other label is: it means that there is none"
