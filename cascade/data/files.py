"""Files of pixels as rows: looked at one by one, decoded in parallel when rows are asked for, and never kept."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cascade.rows import Rows, RowSource

LOOKED_AT = 4096


class PixelFiles(RowSource):
    """Rows of uint8 of shape (n, height, width, channels), one file each.

    A subclass sets `shape`, tells what a file is from its header, and decodes it.
    """

    def __init__(self, paths: list[Path]) -> None:
        self.paths = paths
        self.dtype = np.dtype(np.uint8)

    def __getitem__(self, rows: Rows) -> NDArray[Any]:
        batch = np.empty((len(rows), *self.shape[1:]), np.uint8)
        wanted = [self.paths[row] for row in np.asarray(rows).tolist()]
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            for place, image in enumerate(pool.map(self.decode, wanted)):
                batch[place] = image
        return batch

    def look_at_all(self) -> Iterator[Any]:
        """Read the header of every file in order; refuse one that does not fit, before any pixel is expanded."""
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            # What is handed to the pool at once is held at once.
            for start in range(0, len(self.paths), LOOKED_AT):
                yield from pool.map(self.look, self.paths[start : start + LOOKED_AT])

    def look(self, path: Path) -> Any:
        """Read and check the header of a file."""
        raise NotImplementedError

    def decode(self, path: Path) -> NDArray[np.uint8]:
        """Check a file and make its row."""
        raise NotImplementedError
