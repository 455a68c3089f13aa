"""The kinds of a table's feature columns, where they are not declared: by type, or by the cells of the first rows."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cascade.data.column_kinds import Kind, is_category, undeclared
from cascade.data.readers.table.cells import TextCells, is_numeric, is_text, no_reasons, numbers_of, plain
from cascade.errors import DataError
from cascade.utils.address import Place

_DATE = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}([ T][0-9]{2}:[0-9]{2}(:[0-9]{2}([.,][0-9]+)?)?(Z|[+-][0-9]{2}:?[0-9]{2})?)?"
)
MOST_NUMBERS = 0.5
"""Share of the cells of a column that are numbers, from which it is a column of numbers with invalid cells."""


def infer_kinds(
    sample: pa.Table, names: Sequence[str], declared: Mapping[str, Kind], cells: TextCells, path: Place
) -> dict[str, Kind]:
    """Return the kind of each feature column.

    Parameters
    ----------
    sample : pyarrow.Table
        First rows of the table.
    names : sequence of str
        Feature columns.
    declared : mapping from column name to kind
    cells : TextCells
        How cells of text are written.
    path : path

    Returns
    -------
    dict
        In the order of `names`.

    Raises
    ------
    DataError
        For a column whose type has no kind, or of text that repeats too little to be a category.
    """
    return {name: declared.get(name) or _kind_of(sample[name], name, cells, path) for name in names}


def _kind_of(column: pa.ChunkedArray, name: str, cells: TextCells, path: Place) -> Kind:
    column = plain(column)
    kind = column.type
    if is_numeric(kind):
        return "number"
    if pa.types.is_temporal(kind):
        return "date"
    if not is_text(kind):
        raise DataError(f"`{path}` has a column {name!r} of {kind}; name it in `data.drop` (or --drop).")
    present = cells.present(column).drop_null()
    if not len(present):
        return "number"
    reasons = no_reasons(len(present))
    numbers_of(present, name, reasons, cells)
    if np.mean(reasons == None) >= MOST_NUMBERS:  # noqa: E711 - compared element by element
        return "number"
    distinct = pc.unique(present)
    if all(_DATE.fullmatch(value) for value in distinct.slice(0, 1000).to_pylist()):
        return "date"
    if is_category(len(distinct), len(present)):
        return "category"
    raise undeclared(name, len(distinct), len(present), f"`{path}`")
