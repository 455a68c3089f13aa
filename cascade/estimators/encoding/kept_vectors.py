"""Vectors of frozen encoders that are kept in memory, so that the fits of a training compute each row once."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar

import numpy as np

from cascade.utils.types import Floats32, Rows

_TRAINING: ContextVar[bool] = ContextVar("training", default=False)


@contextmanager
def in_training() -> Iterator[None]:
    """Let `transform` use the kept vectors, too: calibration rows of one fold are fitting rows of another."""
    token = _TRAINING.set(True)
    try:
        yield
    finally:
        _TRAINING.reset(token)


def is_training() -> bool:
    """Return whether a training is going on; elsewhere, the time of `transform` must be that of new rows."""
    return _TRAINING.get()


class KeptVectors:
    """Vectors by the digest of their row; those that were not used for the longest time are dropped first.

    Parameters
    ----------
    most_bytes : int
        Bytes of vectors that are kept.
    """

    def __init__(self, most_bytes: int) -> None:
        self.most_bytes = most_bytes
        self._kept: OrderedDict[bytes, Floats32] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._kept)

    def complete(self, keys: Sequence[bytes], columns: int, compute: Callable[[Rows], Floats32]) -> Floats32:
        """Return the vectors of some rows, and keep them.

        Parameters
        ----------
        keys : sequence of bytes
            Digests of the rows.
        columns : int
        compute : callable
            Returns the vectors of the rows with the given numbers; called for those that are not kept.
        """
        made = np.empty((len(keys), columns), dtype=np.float32)
        new = np.array([place for place, key in enumerate(keys) if not self._found(key, made[place])], dtype=np.intp)
        if len(new):
            made[new] = compute(new)
            self._keep([keys[place] for place in new], made[new])
        return made

    def _found(self, key: bytes, row: Floats32) -> bool:
        with self._lock:
            kept = self._kept.get(key)
            if kept is None:
                return False
            self._kept.move_to_end(key)
        row[:] = kept
        return True

    def _keep(self, keys: Sequence[bytes], vectors: Floats32) -> None:
        most = self.most_bytes // max(1, vectors[:1].nbytes)
        with self._lock:
            for key, vector in zip(keys[-most:], vectors[-most:], strict=True):
                self._kept[key] = vector.copy()
            while len(self._kept) > most:
                self._kept.popitem(last=False)
