"""The interface of an engine, and the local engine, which computes shards one by one in this process."""

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
    """The shards of a job that are not done yet.

    Attributes
    ----------
    folder : path
        Folder of the job.
    first : int
        Number of the first shard to compute; shard k begins at row k * `shard_rows`.
    shard_rows : int
        Rows per shard; the last shard may have fewer.
    n_rows : int or None
        Rows of the input, if known before it is read.
    max_rejected : float
        Share of bad rows above which a job stops.
    """

    folder: Path
    first: int
    shard_rows: int
    n_rows: int | None
    max_rejected: float


class Engine(Protocol):
    """Yield shards in the order of their numbers, each with complete files.

    An engine does not write the journal; its caller does, so that one process decides what is done.
    """

    def __call__(self, task: Task) -> Generator[Written, None, None]:
        """Compute the shards of a task; cancel running shards when the generator is closed."""
        ...


class LocalEngine:
    """Compute shards in this process, one after the other.

    Parameters
    ----------
    source : Input
    predictor : TablePredictor
    progress : callable
        Called with the progress of a stage within the current shard.
    """

    def __init__(self, source: Input, predictor: TablePredictor, progress: StageProgress) -> None:
        self.source, self.predictor, self.progress = source, predictor, progress

    def __call__(self, task: Task) -> Generator[Written, None, None]:
        """Read, score and write each shard into the folder of the job."""
        # One reader for all shards: opening the input once per shard would read a CSV file from its start each time.
        chunks = self.source.chunks(task.shard_rows, task.first * task.shard_rows)
        for number, chunk in enumerate(chunks, task.first):
            yield write_shard(task.folder, number, chunk, self.predictor, task.max_rejected, self.progress)
