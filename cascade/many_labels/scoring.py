"""Score rows with many labels in chunks, since the log-odds of all rows would not fit in memory."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cascade.data.images.size import at_size
from cascade.data.rows import blocks, makes_batches
from cascade.errors import DataError
from cascade.estimators.scoring import behind_encoder, positive_proba, size_of
from cascade.utils.log_odds import log_odds
from cascade.utils.types import Floats32, ProbabilityEstimator, Rows

ENTRIES = 2**24
"""Log-odds per chunk, which are 64 MB in float32."""
MOST_ROWS = 2048


def raw_chunks(estimator: ProbabilityEstimator, X: Any, rows: Rows, n_labels: int) -> Iterator[tuple[Rows, Floats32]]:
    """Yield row numbers with the estimator's corrected log-odds, float32 (m, L), before calibration."""
    estimator, X = behind_encoder(estimator, X)
    X, size = at_size(X, size_of(estimator)), max(1, min(MOST_ROWS, ENTRIES // n_labels))
    for part, batch in blocks(X, rows, size, pad=not makes_batches(estimator)):
        z = _log_odds(estimator, batch, n_labels)[: len(part)].astype(np.float32)
        if not np.isfinite(z).all():
            row = part[np.flatnonzero(~np.isfinite(z).all(axis=1))[0]]
            raise DataError(f"`X` must hold numbers that the model can score; row {row} gave NaN.")
        yield part, z


def _log_odds(estimator: ProbabilityEstimator, X: Any, n_labels: int) -> NDArray[Any]:
    # Probabilities near 1 have few digits left, so log-odds are taken from the estimator where it has them.
    if hasattr(estimator, "predict_log_odds"):
        return np.asarray(estimator.predict_log_odds(X))
    return log_odds(positive_proba(estimator, X, n_labels))
