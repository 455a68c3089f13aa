"""Common parts of Parquet and CSV input: roles of columns, and chunks of one size."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from cascade.batch.inputs.chunk import Chunk, Reasons, sift
from cascade.batch.inputs.finite import invalid_rows
from cascade.data.readers.columns import Roles, require
from cascade.errors import DataError


@dataclass(frozen=True)
class TableColumns:
    """The columns of a table that are read, and their roles.

    Attributes
    ----------
    features : tuple of str
    group, id : str or None
    allow_missing : bool
    """

    features: tuple[str, ...]
    group: str | None
    id: str | None
    allow_missing: bool

    @classmethod
    def choose(cls, names: list[str], path: Path, roles: Roles, features: tuple[str, ...] | None) -> TableColumns:
        """Choose among the `names` of a table: the features of the model, or all columns without another role."""
        roles = roles.within(names)
        for role, name in (("group", roles.group), ("id", roles.id)):
            require(names, path, [] if name is None else [name], role)
        chosen = features or tuple(name for name in names if name not in (roles.group, roles.id))
        for name in chosen:
            if name not in names:
                raise DataError(f"`{path}` has no feature column {name!r}, which the model was trained on.")
        if not chosen:
            raise DataError(f"`{path}` must have at least one feature column besides group and id.")
        return cls(chosen, roles.group, roles.id, roles.allow_missing)

    @property
    def text(self) -> list[str]:
        """Return the columns that are read as text."""
        return [name for name in (self.group, self.id) if name is not None]

    @property
    def all(self) -> list[str]:
        """Return every column that is read, once."""
        return list(dict.fromkeys([*self.features, *self.text]))

    @property
    def row_bytes(self) -> int:
        """Return the bytes of a row's numbers plus an estimate for its names."""
        return 8 * len(self.features) + 64 * len(self.text)

    def chunk(self, table: pa.Table, X: NDArray[np.float64], start: int, faults: Reasons | None = None) -> Chunk:
        """Make a chunk of the rows of `table`, with features `X`, that begin at row `start` of the input."""
        n = table.num_rows
        reasons = invalid_rows(X, self.allow_missing, self.features)
        groups = None if self.group is None else _names(table, self.group, reasons)
        ids = np.arange(start, start + n).astype(str) if self.id is None else _names(table, self.id, reasons)
        # A malformed line has empty cells only; its own fault replaces what they caused.
        if faults is not None:
            reasons[faults.astype(bool)] = faults[faults.astype(bool)]
        return sift(X, ids, groups, reasons, start)


def _names(table: pa.Table, name: str, reasons: Reasons) -> NDArray[np.object_]:
    values = np.array(["" if value is None else str(value) for value in table[name].to_pylist()], dtype=object)
    reasons[values == ""] = f"column {name!r} is empty"
    return values


def evenly(batches: Iterator[pa.Table], size: int) -> Iterator[pa.Table]:
    """Cut a stream of tables into tables of `size` rows; the last one may have fewer."""
    held: list[pa.Table] = []
    n_held = 0
    for batch in batches:
        rest = batch
        # One batch may complete several tables; slices and concatenation share its memory.
        while n_held + rest.num_rows >= size:
            cut = size - n_held
            yield pa.concat_tables([*held, rest.slice(0, cut)])
            held, n_held, rest = [], 0, rest.slice(cut)
        if rest.num_rows:
            held.append(rest)
            n_held += rest.num_rows
    if held:
        yield pa.concat_tables(held)


def after(batches: Iterator[pa.Table], n_skipped: int) -> Iterator[pa.Table]:
    """Skip the first `n_skipped` rows of a stream of tables."""
    for batch in batches:
        left = batch.slice(n_skipped)
        n_skipped = max(0, n_skipped - batch.num_rows)
        if left.num_rows:
            yield left
