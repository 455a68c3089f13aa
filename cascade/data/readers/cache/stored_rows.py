"""Decoded rows of a list of files, wherever their records are."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cascade.data.readers.cache.checksum import MODULUS
from cascade.data.readers.cache.file_state import States
from cascade.data.readers.cache.segment import Segment

logger = logging.getLogger("cascade.data")

NOWHERE = -1
"""Slot of a file that has no record."""


class StoredRows:
    """Records of n files in segments.

    Parameters
    ----------
    segments : sequence of Segment
    states : ndarray of uint64, shape (n, 2)
    """

    def __init__(self, segments: Sequence[Segment], states: States) -> None:
        self.segments, self.states = segments, states
        self.segment = np.zeros(len(states), np.int32)
        self.slot = np.full(len(states), NOWHERE, np.int64)
        self.is_full = False
        for number, segment in enumerate(segments):
            self._place(number, segment)

    def _place(self, number: int, segment: Segment) -> None:
        order = np.argsort(segment.states[:, 1])
        known = segment.states[order, 1]
        if not len(known):
            return
        place = np.minimum(np.searchsorted(known, self.states[:, 1]), len(known) - 1)
        # A file without a state has a hash of 0, which no segment has.
        here = (known[place] == self.states[:, 1]) & (self.slot == NOWHERE)
        self.segment[here], self.slot[here] = number, order[place[here]]

    def without_record(self) -> NDArray[np.bool_]:
        """Return a mask of the files that have a state and no record, shape (n,)."""
        missing: NDArray[np.bool_] = (self.slot == NOWHERE) & (self.states[:, 1] != 0)
        return missing

    def read(self, row: int, pixels: NDArray[np.uint8]) -> bool:
        """Read a row into contiguous `pixels`; return whether it was stored and undamaged."""
        slot = int(self.slot[row])
        return slot != NOWHERE and self.segments[self.segment[row]].read(slot, self._seed(row), pixels.reshape(-1))

    def lacks(self, row: int) -> bool:
        """Return whether a row can be stored and is not."""
        slot = int(self.slot[row])
        return slot != NOWHERE and not self.segments[self.segment[row]].is_marked(slot)

    def write(self, row: int, pixels: NDArray[np.uint8]) -> None:
        """Store a row if it has a record; a full disk ends storing, and no run."""
        slot = int(self.slot[row])
        if slot == NOWHERE or self.is_full:
            return
        try:
            flat = np.ascontiguousarray(pixels).reshape(-1)
            self.segments[self.segment[row]].write(slot, self._seed(row), flat)
        except OSError as error:
            # Set before the line is logged, so that other threads do not log it as well.
            self.is_full = True
            logger.warning("data: decoded pixels are not kept any more: %s", error.strerror)

    def _seed(self, row: int) -> int:
        # With place and state, records of other files are not valid even if two files share a hash.
        place, state = self.states[row].tolist()
        return int(3 * place + state) % MODULUS
