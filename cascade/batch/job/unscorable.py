"""Rows that pass all checks of the input but that a model cannot score, such as numbers too large for it."""

from __future__ import annotations

import numpy as np

from cascade.batch.inputs.chunk import Chunk
from cascade.batch.outputs.predictions import TablePredictor
from cascade.data.readers.table.cells import Reasons
from cascade.data.rows import part_of
from cascade.errors import DataError
from cascade.utils.types import Rows


def reject_unscorable(chunk: Chunk, predictor: TablePredictor, most: int) -> Chunk:
    """Find the rows on which a model fails by bisection, and reject them.

    Raises
    ------
    DataError
        If there are more than `most` of them: then the model or the whole input is at fault.
    """
    reasons = np.full(len(chunk.ids), None, dtype=object)
    _search(chunk, predictor, np.arange(len(chunk.ids)), reasons, most)
    return chunk.without(reasons)


def _search(chunk: Chunk, predictor: TablePredictor, rows: Rows, reasons: Reasons, most: int) -> None:
    try:
        for _ in predictor(part_of(chunk.X, rows), chunk.ids[rows], None, None):
            pass
    except DataError as error:
        # Halving costs about 2 log2(n) runs per bad row, far fewer than scoring each row separately.
        if len(rows) > 1:
            for half in np.array_split(rows, 2):
                _search(chunk, predictor, half, reasons, most)
            return
        # One row fails on its own, so the error is about this row and becomes its reason.
        reasons[rows] = f"the model does not take it: {error}"
        # Without this bound, a model that fails on every row would be run for each of them.
        if reasons.astype(bool).sum() > most:
            raise
