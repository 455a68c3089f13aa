"""Files with their labels, as the forms of annotation tools give them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from cascade.data.labels import Labels, name_labels
from cascade.data.missing import Known
from cascade.data.readers.table.columns import refuse_duplicates, require
from cascade.data.readers.table.json_lines import text_of
from cascade.data.readers.table.lists import Listed
from cascade.errors import DataError

MOST_KEYS = 50
"""Attributes of the first file that can be its group or identifier."""


@dataclass(frozen=True)
class Annotated:
    """Files with their labels.

    Attributes
    ----------
    files : ndarray of str, shape (n,)
    labels : Listed
    table : pyarrow.Table, n rows
        Attributes of the files, such as their group.
    """

    files: NDArray[Any]
    labels: Listed
    table: pa.Table


def annotated(
    path: Path, files: list[str], names: Sequence[str], Y: Labels, known: Known, items: Sequence[Mapping[str, Any]]
) -> Annotated:
    """Return files with their labels and attributes; each file and each label must have a name of its own.

    Parameters
    ----------
    path : path
        For errors.
    files : list of str, length n
    names : sequence of str, length L
    Y : ndarray of 0/1, shape (n, L)
    known : ndarray of bool, shape (n, L), or None
    items : sequence of mappings, length n or 0
        Attributes of the files.

    Raises
    ------
    DataError
    """
    if not files:
        raise DataError(f"`{path}` must name at least one image. Received none.")
    refuse_duplicates(np.array(files), path, "file")
    try:
        checked = name_labels(names, len(names))
    except DataError as error:
        raise DataError(f"`{path}`: {error}") from error
    keys = list(items[0])[:MOST_KEYS] if items else []
    table = pa.table({key: pa.array([text_of(item.get(key)) for item in items], pa.string()) for key in keys})
    return Annotated(np.array(files), Listed(checked, Y, known), table)


def selected(labels: Listed, wanted: tuple[str, ...] | None, path: Path) -> Listed:
    """Return the wanted labels in their order, or all."""
    if wanted is None:
        return labels
    require(labels.names, path, wanted, "label")
    places = [labels.names.index(name) for name in wanted]
    Y = None if labels.Y is None else labels.Y[:, places]
    return Listed(wanted, Y, None if labels.known is None else labels.known[:, places])


def texts_in(value: Any) -> Iterable[str] | None:
    """Return the texts of a list of texts, or a single one; None for anything else."""
    if isinstance(value, str):
        return (value,)
    are_texts = isinstance(value, list) and all(isinstance(one, str) for one in value)
    return value if are_texts else None
