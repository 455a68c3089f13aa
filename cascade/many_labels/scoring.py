"""What an estimator says of some rows, a part at a time: all its answers would not fit in memory."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cascade.data.image_size import at_size
from cascade.data.rows import blocks, makes_batches
from cascade.errors import DataError
from cascade.estimators.scoring import positive_proba, size_of
from cascade.utils.log_odds import log_odds
from cascade.utils.types import Floats32, Rows

ENTRIES = 2**24
"""Log-odds held at a time: 64 MB of them."""
MOST_ROWS = 2048


def raw_chunks(estimator: Any, X: Any, rows: Rows, n_labels: int) -> Iterator[tuple[Rows, Floats32]]:
    """Yield row numbers with what the estimator says, log-odds in float32 (m, L), its own shift taken off."""
    X, size = at_size(X, size_of(estimator)), max(1, min(MOST_ROWS, ENTRIES // n_labels))
    for part, batch in blocks(X, rows, size, pad=not makes_batches(estimator)):
        z = _log_odds(estimator, batch, n_labels)[: len(part)].astype(np.float32)
        if not np.isfinite(z).all():
            row = part[np.flatnonzero(~np.isfinite(z).all(axis=1))[0]]
            raise DataError(f"`X` must hold numbers that the model can score; row {row} gave NaN.")
        yield part, z


def _log_odds(estimator: Any, X: Any, n_labels: int) -> NDArray[Any]:
    if hasattr(estimator, "predict_log_odds"):
        return np.asarray(estimator.predict_log_odds(X))
    return log_odds(positive_proba(estimator, X, n_labels))
