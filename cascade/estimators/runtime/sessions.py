"""Sessions of one network that threads share."""

from __future__ import annotations

from collections.abc import Callable
from threading import BoundedSemaphore
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cascade.estimators.runtime.runtimes import Session


class Sessions:
    """A pool of up to `most` sessions, each opened when it is first needed.

    A session keeps its input and output between the calls of one prediction, so only one thread at a time may use it.

    Parameters
    ----------
    open_session : callable
        Opens a session.
    most : int
        Most sessions; a thread waits while all are in use.
    """

    def __init__(self, open_session: Callable[[], Session], most: int) -> None:
        self._open_session = open_session
        self._idle: list[Session] = []
        self._free = BoundedSemaphore(most)

    def run(self, batch: NDArray[Any]) -> NDArray[np.float32]:
        """Compute the logits of a batch in an idle session."""
        with self._free:
            session = self._idle_session()
            try:
                return session(batch)
            finally:
                self._idle.append(session)

    def _idle_session(self) -> Session:
        # `pop` of a list is atomic, while a check of its length before would not be.
        try:
            return self._idle.pop()
        except IndexError:
            return self._open_session()
