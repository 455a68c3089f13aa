"""Fingerprint of training data, to check whether two runs used the same rows."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from cascade.data.label_matrix import LabelMatrix
from cascade.data.names import canonical_names
from cascade.data.rows import n_rows, spaced_rows, take

SAMPLED_ROWS = 256


def fingerprint(X: Any, labels: LabelMatrix, groups: NDArray[Any] | None) -> dict[str, Any]:
    """Hash all labels and groups, and the content of up to 256 evenly spaced rows.

    Returns
    -------
    dict
        `rows`, `label_counts`, `sha256_labels`, `sha256_groups` (or None), `sha256_sampled_rows`; where labels are
        missing `sha256_known`.
    """
    # Of X only a sample is hashed, since rows may be files that take hours to decode.
    sampled = spaced_rows(n_rows(X), SAMPLED_ROWS)
    Y, known = labels.values, labels.known
    missing = {} if known is None else {"sha256_known": _digest(np.packbits(known, axis=1).tobytes())}
    return missing | {
        "rows": n_rows(X),
        "label_counts": Y.sum(axis=0, dtype=np.int64).tolist(),
        "sha256_labels": _digest(np.packbits(Y, axis=1).tobytes()),
        "sha256_groups": None if groups is None else _digest("\n".join(map(str, canonical_names(groups))).encode()),
        "sha256_sampled_rows": _digest(_content(take(X, sampled))),
    }


def _content(batch: Any) -> bytes:
    if sparse.issparse(batch):
        batch = batch.toarray()
    if hasattr(batch, "to_numpy"):
        batch = batch.to_numpy()
    values = np.asarray(batch)
    # The bytes of an object array are addresses, which differ from run to run.
    return repr(values.tolist()).encode() if values.dtype.hasobject else np.ascontiguousarray(values).tobytes()


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
