"""The output of a job in a folder of this machine, which a lock of the system protects."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cascade.batch.folder import clear_temporary, clear_workers, names_of_shard
from cascade.batch.job.journal import Journal
from cascade.batch.job.output import State
from cascade.errors import CascadeError
from cascade.utils.atomic import sync
from cascade.utils.locking import claimed, refuse_foreign


class FolderOutput:
    """A locked folder; its methods are those of `Output`.

    Parameters
    ----------
    folder : path
    """

    def __init__(self, folder: Path) -> None:
        self.place = self.work = folder
        self.journal = Journal(folder)
        self.identity = _identity(folder)

    def clear(self) -> None:
        """Remove the temporary files of a killed job and of its workers."""
        clear_temporary(self.place)
        clear_workers(self.place)

    def refuse_foreign(self) -> None:
        """Raise if the folder holds anything but the lock."""
        refuse_foreign(self.place)

    def check(self) -> None:
        """Raise if the folder was removed or replaced."""
        if _identity(self.place) != self.identity:
            raise CascadeError(f"`{self.place}` was removed or replaced while the job ran; start the job again.")

    def names_of_shards(self, n_known: int) -> Iterator[str]:
        """Yield names of the noted shards and of one more, whose files may exist before it is in the journal."""
        for number in range(n_known + 1):
            yield from names_of_shard(number)

    def take(self, folder: Path, names: list[str]) -> None:
        """Rename files into the folder."""
        if folder == self.place:
            return
        for name in names:
            (folder / name).replace(self.place / name)
        sync(self.place)

    def state(self, name: str) -> State:
        """Return number, size and modification time of a file."""
        try:
            status = (self.place / name).stat()
        except OSError:
            return None
        return status.st_ino, status.st_size, status.st_mtime_ns

    def states(self, names: list[str]) -> dict[str, State]:
        """Return the states of files; the lock keeps other jobs away, so no file beside them matters."""
        return {name: self.state(name) for name in names}


@contextmanager
def locked(folder: Path) -> Iterator[FolderOutput]:
    """Lock a folder, made if needed, for one job.

    Raises
    ------
    BusyError, ConfigError
    """
    with claimed(folder):
        yield FolderOutput(folder)


def _identity(folder: Path) -> tuple[int, int] | None:
    """Return what identifies a folder, whatever its name; None if there is none."""
    try:
        status = folder.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino
