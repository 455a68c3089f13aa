"""Short hashes of the rows that a model was trained on: rows can be recognised, but not read."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cascade.data.column_kinds import column_types, is_mixed
from cascade.data.label_matrix import LabelMatrix
from cascade.data.names import canonical_names
from cascade.data.readers.dataset import Dataset
from cascade.data.rows import BLOCK, as_dense, blocks, n_rows
from cascade.drift.measures import IMAGE_MEASURES, Measures, measure
from cascade.errors import ModelRefusedError
from cascade.utils.progress import counted
from cascade.utils.types import Floats, Mask, Rows

Hashes = NDArray[np.uint64]

UNKNOWN = 2
"""Value of a label that is not known, within a hash."""

BYTES = 8
"""Length of a hash: a million names and a million others share one with a probability of 1 in 18 million."""


@dataclass(frozen=True)
class Seen:
    """A set of names or contents, stored as hashes.

    Attributes
    ----------
    hashes : ndarray of uint64
        Sorted and unique.

    Examples
    --------
    >>> patients = Seen.of(hashes_of(["p1", "p2"]))
    >>> patients.holds(hashes_of(["p2", "p3"])).tolist()
    [True, False]
    >>> Seen.from_json(patients.to_json()).holds(hashes_of(["p1"])).tolist()
    [True]
    """

    hashes: Hashes

    @classmethod
    def of(cls, hashes: Hashes) -> Seen:
        """Make a set of hashes, which may repeat."""
        return cls(np.unique(hashes))

    def holds(self, hashes: Hashes) -> NDArray[np.bool_]:
        """Return a mask of the hashes that are in the set."""
        return np.isin(hashes, self.hashes)

    def to_json(self) -> str:
        """Return the hashes as base64, little-endian."""
        return as_text(self.hashes)

    @classmethod
    def from_json(cls, body: str) -> Seen:
        """Make a set from the result of `to_json`."""
        try:
            values = of_text(body, "<u8")
        except ValueError as error:
            raise ModelRefusedError("the training record must have hashes as base64 of 8-byte integers.") from error
        # Sorted again, whatever the file had, so that equal sets are equal arrays; in native byte order.
        return cls(np.unique(values.astype(np.uint64)))


class RowHashes:
    """Hashes of a data set's rows, and facts from the same pass over the rows, so that each file is decoded once.

    Everything is computed when it is first used.

    Parameters
    ----------
    data : Dataset
        n rows.

    Examples
    --------
    >>> X = np.array([[1.0, 2.0], [3.0, 3.0], [1.0, 2.0]])
    >>> hashes = RowHashes(Dataset(X, None, (), None, np.array(["a", "b", "c"])))
    >>> len(np.unique(hashes.contents)), len(np.unique(hashes.keys)), hashes.constant.tolist()
    (2, 3, [False, True, False])
    """

    def __init__(self, data: Dataset) -> None:
        self.data = data

    @cached_property
    def groups(self) -> Hashes:
        """Hash of each row's group; empty without groups."""
        return hashes_of([] if self.data.groups is None else canonical_names(self.data.groups))

    @cached_property
    def ids(self) -> Hashes:
        """Hash of each row's name; empty if rows are only numbered, since any data has a row 0."""
        return hashes_of([] if self.data.numbered else self.data.ids.tolist())

    @property
    def contents(self) -> Hashes:
        """Hash of each row's content, shape (n,); see `content_hashes`."""
        return self._scan.contents

    @cached_property
    def keys(self) -> Hashes:
        """Hash of each row's content and, if it has one, its name; shape (n,)."""
        return self.contents if self.data.numbered else joined(self.ids, self.contents)

    @property
    def constant(self) -> Mask:
        """Mask of the rows whose values are all the same, shape (n,)."""
        return self._scan.constant

    def not_finite(self, allow_nan: bool) -> tuple[int, int] | None:
        """Return row and column of the first value that is infinite or, unless allowed, NaN; None without one."""
        return self._scan.infinite if allow_nan else self._scan.not_finite

    def measures(self, rows: Rows) -> Measures:
        """Measure some rows; images are measured in the pass that hashes them."""
        measured = self._scan.measured
        if measured is None:
            return measure(self.data.X, rows, self.data.feature_names)
        return Measures(IMAGE_MEASURES, measured[rows])

    @cached_property
    def _scan(self) -> _Scan:
        X = self.data.X
        # The readers have checked the numbers of a data frame, in which missing ones are valid.
        if is_text(X) or is_mixed(X):
            return _Scan(content_hashes(X), np.zeros(len(self.data), bool), None, None, None)
        contents, constant = np.empty(len(self.data), np.uint64), np.zeros(len(self.data), bool)
        infinite = not_finite = None
        measured = np.empty((len(self.data), 2)) if len(getattr(X, "shape", ())) > 2 else None
        # Unpadded: a padded last block would hash rows that the data does not have.
        parts = blocks(X, np.arange(len(self.data)), BLOCK, pad=False)
        for rows, batch in counted(parts, "hashes of rows", "blocks", -(-len(self.data) // BLOCK)):
            # Flat rows have the same bytes as images, so the hashes are those of `content_hashes`.
            values = as_dense(batch).reshape(len(rows), -1)
            contents[rows] = _hash_each(np.ascontiguousarray(row).tobytes() for row in values)
            # NaN is unequal to itself, so a row with NaN is not constant.
            constant[rows] = values.min(axis=1) == values.max(axis=1)
            if measured is not None:
                measured[rows] = measure(batch, np.arange(len(rows))).values
            # Both kinds in one pass: whether NaN is allowed is decided by the caller, later.
            infinite = _first(rows, np.isinf(values)) if infinite is None else infinite
            not_finite = _first(rows, ~np.isfinite(values)) if not_finite is None else not_finite
        return _Scan(contents, constant, infinite, not_finite, measured)


@dataclass(frozen=True)
class _Scan:
    """Results of one pass over the rows; `infinite` and `not_finite` are the first row and column.

    `measured` holds mean and spread of each image, and is None for other rows.
    """

    contents: Hashes
    constant: Mask
    infinite: tuple[int, int] | None
    not_finite: tuple[int, int] | None
    measured: Floats | None


def is_text(X: Any) -> bool:
    """Return whether rows are text or other objects rather than numbers."""
    return getattr(getattr(X, "dtype", None), "kind", "") in "OUS" or isinstance(X, list)


def _first(rows: NDArray[np.intp], wrong: NDArray[np.bool_]) -> tuple[int, int] | None:
    if not wrong.any():
        return None
    row, column = np.argwhere(wrong)[0]
    return int(rows[row]), int(column)


def as_text(values: NDArray[Any]) -> str:
    """Encode numbers as base64, little-endian on every machine."""
    return base64.b64encode(values.astype(values.dtype.newbyteorder("<")).tobytes()).decode("ascii")


def of_text(text: str, dtype: str) -> NDArray[Any]:
    """Decode the result of `as_text`; raises ValueError if it is not base64 of such numbers."""
    # Without `validate` characters outside of the alphabet are skipped, and a damaged text gives other numbers.
    return np.frombuffer(base64.b64decode(text, validate=True), dtype=dtype)


def hashes_of(names: Iterable[Any]) -> Hashes:
    """Hash names by their text; uint64 of shape (n,)."""
    return _hash_each(str(name).encode() for name in names)


def content_hashes(X: Any) -> Hashes:
    """Hash the content of each row; numbers as 32-bit floats, so that the precision of a file does not matter."""
    parts = [_content(batch) for _, batch in blocks(X, np.arange(n_rows(X)), BLOCK, pad=False)]
    return np.concatenate(parts) if parts else np.empty(0, np.uint64)


def labelled(keys: Hashes, labels: LabelMatrix) -> Hashes:
    """Hash rows by their keys and labels, shape (n,)."""
    Y, known = labels.values, labels.known
    # An unknown label differs from 0: annotating it later counts as a change of the row's labels.
    marked = np.asarray(Y, np.uint8) if known is None else np.where(known, Y, UNKNOWN).astype(np.uint8)
    return _hash_each(key.tobytes() + row.tobytes() for key, row in zip(keys.astype("<u8"), marked, strict=True))


def joined(*hashes: Hashes) -> Hashes:
    """Hash several hashes of each row as one, shape (n,)."""
    return _hash_each(row.tobytes() for row in np.column_stack(hashes).astype("<u8"))


def _content(batch: Any) -> Hashes:
    if is_mixed(batch):
        return _hash_each(_row_bytes(batch))
    if is_text(batch):
        return hashes_of(batch)
    return _hash_each(np.ascontiguousarray(row).tobytes() for row in as_dense(batch))


def _row_bytes(frame: Any) -> Iterator[bytes]:
    """Yield the content of each row of a data frame: numbers as 32-bit floats, dates and texts as text."""
    columns: list[list[bytes]] = []
    for name, kind in zip(frame.columns, column_types(frame), strict=True):
        if kind == "number":
            columns.append([value.tobytes() for value in frame[name].to_numpy(np.float32)])
        else:
            texts = (str(value).encode() for value in frame[name].tolist())
            # With its length, so that no text can take over a part of the next column.
            columns.append([len(text).to_bytes(8, "little") + text for text in texts])
    return map(b"".join, zip(*columns, strict=True))


def _hash_each(contents: Iterable[bytes]) -> Hashes:
    # BLAKE2b gives the same digests in every process, unlike `hash`, and can be shortened.
    digests = [hashlib.blake2b(content, digest_size=BYTES).digest() for content in contents]
    return np.frombuffer(b"".join(digests), dtype="<u8").astype(np.uint64)
