"""Who makes the shards of a job: this process one by one, or another engine."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from cascade.batch.inputs.opening import Input
from cascade.batch.job.shard import Written, write_shard
from cascade.batch.outputs.predictions import TablePredictor
from cascade.utils.types import StageProgress


@dataclass(frozen=True)
class Task:
    """What is left of a job.

    Attributes
    ----------
    folder : path
        Of the job.
    first : int
        Number of the first shard to make; shard k begins at row k * `shard_rows`.
    shard_rows : int
        Rows of every shard but the last.
    n_rows : int or None
        Of the input, where that is known.
    max_rejected : float
        Share of bad rows above which a job stops.
    """

    folder: Path
    first: int
    shard_rows: int
    n_rows: int | None
    max_rejected: float


class Engine(Protocol):
    """Yields shards in the order of their numbers, each written whole; only who asks for them notes them."""

    def __call__(self, task: Task) -> Generator[Written, None, None]:
        """Make the shards of a task; stop what is under way when closed."""
        ...


class LocalEngine:
    """Makes shards in this process, one after the other.

    Parameters
    ----------
    source : Input
    answers : Answers
    progress : callable
        Told how far a stage is with the shard at hand.
    """

    def __init__(self, source: Input, answers: TablePredictor, progress: StageProgress) -> None:
        self.source, self.answers, self.progress = source, answers, progress

    def __call__(self, task: Task) -> Generator[Written, None, None]:
        """Read, score and write into the job's own folder."""
        chunks = self.source.chunks(task.shard_rows, task.first * task.shard_rows)
        for number, chunk in enumerate(chunks, task.first):
            yield write_shard(task.folder, number, chunk, self.answers, task.max_rejected, self.progress)
