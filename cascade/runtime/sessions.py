"""Sessions of one network, which threads share."""

from __future__ import annotations

from collections.abc import Callable
from threading import BoundedSemaphore
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cascade.runtime.runtimes import Session


class Sessions:
    """As many sessions as threads ask at the same time, each opened when it is first needed.

    A session keeps its input and output between the calls that make one answer, so no two threads may be in it.

    Parameters
    ----------
    opened : callable
        Opens one.
    most : int
        A thread that finds all of them in use waits.
    """

    def __init__(self, opened: Callable[[], Session], most: int) -> None:
        self._opened = opened
        self._idle: list[Session] = []
        self._free = BoundedSemaphore(most)

    def run(self, batch: NDArray[Any]) -> NDArray[np.float32]:
        """Let a session that is idle answer a batch."""
        with self._free:
            session = self._taken()
            try:
                return session(batch)
            finally:
                self._idle.append(session)

    def _taken(self) -> Session:
        try:
            return self._idle.pop()
        except IndexError:
            return self._opened()
