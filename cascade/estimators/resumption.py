"""Where the trainings of a run keep their state, so that a killed run goes on from its last finished epoch."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path


class StoredTrainings:
    """Files for the states of a run's trainings, by the order in which they begin.

    Parameters
    ----------
    folder : path
        Folder of this run only: a run with other data, config or code has another one.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.begun = folder, 0

    def next_path(self) -> Path:
        """Return the file of the training that begins now."""
        self.begun += 1
        return self.folder / f"{self.begun:05d}.npz"


_trainings: ContextVar[StoredTrainings | None] = ContextVar("trainings", default=None)


@contextmanager
def resumable(folder: Path) -> Iterator[None]:
    """Let networks that are trained in the block, in this thread, keep their state in `folder`.

    A run that is started again must train the same networks in the same order; a state that does not fit is not used.
    """
    token = _trainings.set(StoredTrainings(folder))
    try:
        yield
    finally:
        _trainings.reset(token)


def stored_trainings() -> StoredTrainings | None:
    """Return where trainings keep their state; None where they need not."""
    # Other threads do not see it: the order in which they begin would not be the same in each start.
    return _trainings.get()
