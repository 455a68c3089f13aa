"""Rows that stop a model although nothing in them looks wrong, such as numbers too large for it."""

from __future__ import annotations

import numpy as np

from cascade.batch.inputs.chunk import Chunk, Reasons
from cascade.batch.outputs.predictions import TablePredictor
from cascade.data.rows import part_of
from cascade.errors import DataError
from cascade.utils.types import Rows


def reject_unscorable(chunk: Chunk, answers: TablePredictor, most: int) -> Chunk:
    """Reject the rows on which a model fails, found by halving.

    Raises
    ------
    DataError
        If there are more than `most` of them: then it is not the rows.
    """
    reasons = np.full(len(chunk.ids), None, dtype=object)
    _search(chunk, answers, np.arange(len(chunk.ids)), reasons, most)
    return chunk.without(reasons)


def _search(chunk: Chunk, answers: TablePredictor, rows: Rows, reasons: Reasons, most: int) -> None:
    try:
        for _ in answers(part_of(chunk.X, rows), chunk.ids[rows], None, None):
            pass
    except DataError as error:
        if len(rows) > 1:
            for half in np.array_split(rows, 2):
                _search(chunk, answers, half, reasons, most)
            return
        reasons[rows] = f"the model does not take it: {error}"
        if reasons.astype(bool).sum() > most:
            raise
