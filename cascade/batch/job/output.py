"""What a job does with its output, wherever that is: a folder of this machine or a folder of a store."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Protocol

from cascade.batch.job.journal import Noted
from cascade.batch.job.manifest import Shard
from cascade.batch.outputs.tally import Tally
from cascade.utils.address import Place

State = tuple[int, ...] | None
"""What changes when a file is written again; None where it is missing."""


class ShardJournal(Protocol):
    """The shards that are done since the manifest was last written."""

    def begin(self) -> None:
        """Replace the journal by an empty one."""
        ...

    def append(self, number: int, shard: Shard, tally: Tally | None) -> None:
        """Note shard `number` with its tally; when this returns, the note is kept."""
        ...

    def remove(self) -> None:
        """Remove the journal if it exists."""
        ...

    def read(self, first: int) -> list[Noted]:
        """Return the shards from number `first` on."""
        ...


class Output(Protocol):
    """The output of one job, which no other job may write at the same time.

    Attributes
    ----------
    place : path or address
        Folder of the results.
    work : path
        Folder of this machine where shards are made.
    journal : ShardJournal
    """

    @property
    def place(self) -> Place:
        """Return the folder of the results."""
        ...

    @property
    def work(self) -> Path:
        """Return the folder of this machine where shards are made."""
        ...

    @property
    def journal(self) -> ShardJournal:
        """Return the journal."""
        ...

    def clear(self) -> None:
        """Remove the temporary files of a killed job."""
        ...

    def refuse_foreign(self) -> None:
        """Raise if there is anything but a job.

        Raises
        ------
        ConfigError
        """
        ...

    def check(self) -> None:
        """Raise if the output was removed or replaced since the job started, or taken over by another job.

        Raises
        ------
        CascadeError
        """
        ...

    def names_of_shards(self, n_known: int) -> Iterable[str]:
        """Return the names of all files that shards may have left, of which `n_known` are noted."""
        ...

    def take(self, folder: Path, names: list[str]) -> None:
        """Move the files of a shard from another folder of this machine here; they are kept when this returns."""
        ...

    def state(self, name: str) -> State:
        """Return the state of a file."""
        ...

    def states(self, names: list[str]) -> dict[str, State]:
        """Return the states of files, and of files beside them that only another job can have written."""
        ...
