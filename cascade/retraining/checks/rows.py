"""What the rows themselves hold: numbers that are none, images of one grey value, rows that stand there twice."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from cascade.data.readers.dataset import Dataset
from cascade.data.rows import BLOCK, as_dense, blocks
from cascade.retraining.checks.finding import DataFinding
from cascade.retraining.memory.row_hashes import content_hashes
from cascade.utils.types import Mask


def check_rows(data: Dataset, held: Mask, most_constant: float, allow_missing: bool) -> Iterator[DataFinding]:
    """Find rows that no model should learn from."""
    if _is_text(data):
        return
    odd, constant = _odd_and_constant(data, allow_missing)
    if odd is not None:
        kind = "NaN or infinite" if not allow_missing else "infinite"
        name = odd[1] if data.feature_names is None else repr(data.feature_names[odd[1]])
        sentence = f"row {odd[0]} holds a number that is {kind} (feature {name}); take it out or fill it in."
        yield DataFinding("refuse", "not-finite", sentence)
    if holds_images(data) and constant.mean() > most_constant:
        rows = np.flatnonzero(constant)
        sentence = f"{len(rows)} images are of one grey value (first: row {rows[0]}); take them out of the data."
        yield DataFinding("refuse", "constant-image", sentence)
    yield from _twice(data, held)


def _odd_and_constant(data: Dataset, allow_missing: bool) -> tuple[tuple[int, int] | None, Mask]:
    """First row and column of a number that is none, and the rows that are of one value."""
    odd: tuple[int, int] | None = None
    constant = np.zeros(len(data), bool)
    for rows, batch in blocks(data.X, np.arange(len(data)), BLOCK, pad=False):
        values = as_dense(batch).reshape(len(rows), -1)
        wrong = np.isinf(values) if allow_missing else ~np.isfinite(values)
        if odd is None and wrong.any():
            row, column = np.argwhere(wrong)[0]
            odd = int(rows[row]), int(column)
        constant[rows] = values.min(axis=1) == values.max(axis=1)
    return odd, constant


def _twice(data: Dataset, held: Mask) -> Iterator[DataFinding]:
    hashes = content_hashes(data.X)
    repeated = len(hashes) - len(np.unique(hashes))
    if repeated:
        sentence = f"{repeated} rows hold what another row holds; they count twice."
        yield DataFinding("warn", "duplicates", sentence)
    both = np.isin(hashes[held], hashes[~held])
    if both.any() and holds_images(data):
        sentence = f"{int(both.sum())} held-out images stand in the training rows too, under another name."
        yield DataFinding("ask", "duplicates-held-out", sentence)


def holds_images(data: Dataset) -> bool:
    """Whether a row is more than a list of numbers; tables repeat a row by chance, images do not."""
    return len(getattr(data.X, "shape", ())) > 2


def _is_text(data: Dataset) -> bool:
    return getattr(getattr(data.X, "dtype", None), "kind", "") in "OUS" or isinstance(data.X, list)
