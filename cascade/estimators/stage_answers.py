"""What a finished cascade's gate and labeler say of rows, in log-odds."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cascade.data.rows import Rows, n_rows
from cascade.errors import DataError
from cascade.estimators.scoring import block_proba
from cascade.rules.probability.prior_correction import log_odds

Floats = NDArray[np.float64]
Progress = Callable[[str, int, int], object]


def gate_answers(gate: Any, X: Any, progress: Progress | None = None) -> Floats:
    """Log-odds (n,) of a fitted gate; `progress` is called with the stage, the rows done and the rows in all."""
    return _answers(gate, X, np.arange(n_rows(X)), 1, "gate", progress)[:, 0]


def labeler_answers(labeler: Any, X: Any, rows: Rows, n_learned: int, progress: Progress | None = None) -> Floats:
    """Log-odds (m, K) of a fitted labeler for some rows; of no columns where there is none."""
    if labeler is None:
        return np.empty((len(rows), 0))
    return _answers(labeler, X, rows, n_learned, "labeler", progress)


def _answers(estimator: Any, X: Any, rows: Rows, n_outputs: int, stage: str, progress: Progress | None) -> Floats:
    told = None if progress is None else partial(progress, stage)
    done = None if told is None else lambda rows_done: told(rows_done, len(rows))
    proba = block_proba(estimator, X, rows, n_outputs, done)
    odd = np.flatnonzero(~np.isfinite(proba).all(axis=1))
    if len(odd):
        raise DataError(f"`X` must hold numbers that the {stage} can score; row {rows[odd[0]]} gave NaN.")
    return log_odds(proba)
