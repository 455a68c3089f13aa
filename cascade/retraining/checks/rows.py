"""What rows contain: numbers that are not finite, images of one grey value, repeated rows."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from cascade.data.readers.dataset import Dataset
from cascade.retraining.checks.finding import DataFinding
from cascade.retraining.memory.row_hashes import RowHashes, is_text
from cascade.utils.types import Mask


def check_rows(hashes: RowHashes, held: Mask, most_constant: float, allow_missing: bool) -> Iterator[DataFinding]:
    """Find rows that no model should be trained on."""
    data = hashes.data
    # Text has no numbers to check, and sentences repeat without being an error.
    if is_text(data.X):
        return
    wrong = hashes.not_finite(allow_missing)
    if wrong is not None:
        kind = "NaN or infinite" if not allow_missing else "infinite"
        name = wrong[1] if data.feature_names is None else repr(data.feature_names[wrong[1]])
        sentence = f"row {wrong[0]} holds a number that is {kind} (feature {name}); take it out or fill it in."
        yield DataFinding("refuse", "not-finite", sentence)
    if holds_images(data) and hashes.constant.mean() > most_constant:
        rows = np.flatnonzero(hashes.constant)
        sentence = f"{len(rows)} images are of one grey value (first: row {rows[0]}); take them out of the data."
        yield DataFinding("refuse", "constant-image", sentence)
    yield from _repeated(hashes, held)


def _repeated(hashes: RowHashes, held: Mask) -> Iterator[DataFinding]:
    contents = hashes.contents
    repeated = len(contents) - len(np.unique(contents))
    if repeated:
        sentence = f"{repeated} rows repeat the content of another row; they count more than once."
        yield DataFinding("warn", "duplicates", sentence)
    shared = np.isin(contents[held], contents[~held])
    if shared.any() and holds_images(hashes.data):
        sentence = f"{int(shared.sum())} held-out images are also among the training rows, under another name."
        yield DataFinding("ask", "duplicates-held-out", sentence)


def holds_images(data: Dataset) -> bool:
    """Return whether rows are images; vectors are equal by chance, images are not."""
    return len(getattr(data.X, "shape", ())) > 2
