"""The merge of gate and labeler, determined by the rows that the labeler was trained on (the negative pool).

* "positives": a labeler trained on rows with a label estimates p(y_k | x, a), which is multiplied by p(a | x).
* "all": a labeler trained on all rows estimates p(y_k | x) already. A product would count the gate twice, so the
  labeler's probability is only capped at the gate's.
* "gated": a labeler trained on the rows that pass a gate, with a label or without, estimates p(y_k | x) for these rows.
* "flat": without a gate, one model estimates p(a | x) and p(y_k | x) for all rows.
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
    # Each label implies that there is some label, so p(y_k | x) is at most p(a | x).
    return np.minimum(gate[:, None], labeler)


def _labeler_alone(gate: Floats, labeler: Floats) -> Floats:
    # Only rows past the gate get here, and the labeler was trained on such rows: no gate probability is left to apply.
    return labeler


FLAT = "flat"
"""Recorded in place of a negative pool where there is no gate."""
MERGES: dict[str, Callable[[Floats, Floats], Floats]] = {
    "positives": _product,
    "all": _cap,
    "gated": _labeler_alone,
    FLAT: _labeler_alone,
}
"""Merge by negative pool. The pool recorded in the model determines it, never an option at prediction."""
POOLS = tuple(name for name in MERGES if name != FLAT)


def check_pool(negative_pool: str) -> str:
    """Return `negative_pool`, or raise an error if it is not one of `POOLS`."""
    if negative_pool not in POOLS:
        raise ConfigError(f"`negative_pool` must be one of {sorted(POOLS)}. Received {negative_pool!r}.")
    return negative_pool


def pool_rows(Y: Labels, negative_pool: str, passed: Mask | None = None) -> Mask:
    """Mark the rows of `Y` (n, L) that belong to the labeler's population.

    `passed` (n,) marks the rows that pass a gate fitted without them; only the pool "gated" needs it.
    """
    if negative_pool in ("all", FLAT):
        return np.ones(len(Y), dtype=bool)
    has_label = np.asarray(Y.any(axis=1))
    if negative_pool == "gated":
        assert passed is not None
        # Positives below the gate threshold stay in the pool, since a rare label has few. The merged calibration is
        # fitted on the rows past the gate alone and so corrects for them.
        return has_label | passed
    return has_label
