"""Which rows a model was trained on, kept as short hashes: enough to find them again, not to read them."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cascade.data.labels import Labels
from cascade.data.missing import Known
from cascade.data.rows import BLOCK, as_dense, blocks, n_rows
from cascade.errors import ModelRefusedError

Hashes = NDArray[np.uint64]

UNKNOWN = 2
"""Stands for a label that is not known."""

BYTES = 8
"""Of each hash: among a million names a million others meet one of them with a probability of 1 in 18 million."""


@dataclass(frozen=True)
class Seen:
    """A set of names or contents, of which only hashes are kept.

    Attributes
    ----------
    hashes : ndarray of uint64
        Sorted, each once.

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
        """Keep some hashes."""
        return cls(np.unique(hashes))

    def holds(self, hashes: Hashes) -> NDArray[np.bool_]:
        """Mark the hashes that are in the set."""
        return np.isin(hashes, self.hashes)

    def to_json(self) -> str:
        """Little-endian hashes in base64."""
        return as_text(self.hashes)

    @classmethod
    def from_json(cls, body: str) -> Seen:
        """Read what `to_json` gave."""
        try:
            values = of_text(body, "<u8")
        except ValueError as error:
            raise ModelRefusedError("the training record holds hashes that are not base64 of whole numbers.") from error
        return cls(np.unique(values.astype(np.uint64)))


def as_text(values: NDArray[Any]) -> str:
    """Write numbers as base64, little-endian on every machine."""
    return base64.b64encode(values.astype(values.dtype.newbyteorder("<")).tobytes()).decode("ascii")


def of_text(text: str, dtype: str) -> NDArray[Any]:
    """Read what `as_text` wrote; raises ValueError where it is not base64 of such numbers."""
    return np.frombuffer(base64.b64decode(text, validate=True), dtype=dtype)


def hashes_of(names: Iterable[Any]) -> Hashes:
    """Hash names, by their text; uint64 of shape (n,)."""
    return _numbers(str(name).encode() for name in names)


def content_hashes(X: Any) -> Hashes:
    """Hash what each row holds; numbers as 32 bit floats, so that a file's precision makes no other row of it."""
    parts = [_content(batch) for _, batch in blocks(X, np.arange(n_rows(X)), BLOCK, pad=False)]
    return np.concatenate(parts) if parts else np.empty(0, np.uint64)


def labelled(keys: Hashes, Y: Labels, known: Known = None) -> Hashes:
    """Hash rows with their labels; `keys` are those of the rows, `known` tells which labels are; shape (n,)."""
    told = np.asarray(Y, np.uint8) if known is None else np.where(known, Y, UNKNOWN).astype(np.uint8)
    return _numbers(key.tobytes() + labels.tobytes() for key, labels in zip(keys.astype("<u8"), told, strict=True))


def joined(*hashes: Hashes) -> Hashes:
    """Hash several hashes of each row as one, shape (n,)."""
    return _numbers(row.tobytes() for row in np.column_stack(hashes).astype("<u8"))


def _content(batch: Any) -> Hashes:
    if isinstance(batch, list) or getattr(getattr(batch, "dtype", None), "kind", "") in "OUS":
        return hashes_of(batch)
    return _numbers(np.ascontiguousarray(row).tobytes() for row in as_dense(batch))


def _numbers(contents: Iterable[bytes]) -> Hashes:
    digests = [hashlib.blake2b(content, digest_size=BYTES).digest() for content in contents]
    return np.frombuffer(b"".join(digests), dtype="<u8").astype(np.uint64)
