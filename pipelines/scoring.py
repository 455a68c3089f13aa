"""Score a data set chunk by chunk, with progress."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from cascade.data import Dataset
from cascade.predictor import CascadePredictor, Scores
from cascade.rows import BLOCK
from pipelines.progress import bar

CHUNK = 8 * BLOCK


def score_chunks(predictor: CascadePredictor, data: Dataset, chunk: int = CHUNK) -> Iterator[tuple[Dataset, Scores]]:
    """Yield parts of the data with their scores; memory holds one part at a time."""
    with bar(len(data), "rows") as progress:
        for start in range(0, len(data), chunk):
            part = data.part(np.arange(start, min(start + chunk, len(data))))
            yield part, predictor.score(part.X)
            progress(len(part))


def score_all(predictor: CascadePredictor, data: Dataset) -> Scores:
    """Score all rows; only the scores are kept."""
    parts: list[Any] = [scores for _, scores in score_chunks(predictor, data)]
    return Scores(
        np.concatenate([part.gate_z for part in parts]),
        np.concatenate([part.passed for part in parts]),
        np.concatenate([part.labeler_z for part in parts]),
    )
