"""Where the trainings of a run keep their state: a killed run goes on, and equal trainings are done once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path


class StoredTrainings:
    """Files for the states of a run's trainings, by the key of what is trained.

    Parameters
    ----------
    folder : path
        Folder of this run only: a run with other data, config or code has another one.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, key: str) -> Path:
        """Return the file of a training."""
        return self.folder / f"{key}.npz"


_trainings: ContextVar[StoredTrainings | None] = ContextVar("trainings", default=None)


@contextmanager
def resumable(folder: Path) -> Iterator[None]:
    """Let networks that are trained in the block, in this thread, keep their state in `folder`.

    A training that was begun before goes on, in this start or an earlier one, and takes over the weights where it was
    finished. All trainings must be on the same rows or on views of them.
    """
    token = _trainings.set(StoredTrainings(folder))
    try:
        yield
    finally:
        _trainings.reset(token)


def stored_trainings() -> StoredTrainings | None:
    """Return where trainings keep their state; None where they need not."""
    # Other threads do not see it: two of them would write to one file.
    return _trainings.get()
