"""The merge of gate and labeler, decided by the rows that the labeler was trained on.

A labeler trained on rows with a label estimates p(y_k | x, a), so the gate's p(a | x) multiplies it. A labeler
trained on all rows estimates p(y_k | x) already: multiplying would count the gate twice, so it is only capped.
A labeler trained on the rows that a gate lets pass, with a label or not, estimates p(y_k | x) for just those rows.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from cascade.data.labels import Labels
from cascade.errors import ConfigError
from cascade.utils.types import Floats, Mask


def _product(gate: Floats, labeler: Floats) -> Floats:
    return gate[:, None] * labeler


def _cap(gate: Floats, labeler: Floats) -> Floats:
    return np.minimum(gate[:, None], labeler)


def _labeler_alone(gate: Floats, labeler: Floats) -> Floats:
    return labeler


MERGES: dict[str, Callable[[Floats, Floats], Floats]] = {"positives": _product, "all": _cap, "gated": _labeler_alone}
"""Merge by negative pool: the pool that a model records is the only thing that chooses."""


def check_pool(negative_pool: str) -> str:
    """Return `negative_pool` if its merge is known."""
    if negative_pool not in MERGES:
        raise ConfigError(f"`negative_pool` must be one of {sorted(MERGES)}. Received {negative_pool!r}.")
    return negative_pool


def pool_rows(Y: Labels, negative_pool: str, passed: Mask | None = None) -> Mask:
    """Mark the rows of `Y` (n, L) that belong to the labeler's population.

    `passed` (n,) says which rows a gate that has not seen them lets pass; only the pool "gated" asks.
    """
    if negative_pool == "all":
        return np.ones(len(Y), dtype=bool)
    has_label = np.asarray(Y.any(axis=1))
    if negative_pool == "gated":
        assert passed is not None
        return has_label | passed
    return has_label
