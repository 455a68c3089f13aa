"""Workers: processes that compute single shards; only the driver moves them into the folder of the job."""

from __future__ import annotations

import json
import platform
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from cascade.batch.engines.engine import Task
from cascade.batch.folder import MANIFEST, WORKER
from cascade.batch.inputs.opening import Input
from cascade.batch.job.identity import difference
from cascade.batch.job.shard import Written, write_shard
from cascade.batch.outputs.predictions import TablePredictor
from cascade.errors import CascadeError, ConfigError


class Opened(NamedTuple):
    """Input and model of a job, and the identity of the job in this process."""

    source: Input
    predictor: TablePredictor
    identity: dict[str, dict[str, Any]]


Opener = Callable[[], Opened]
Outcome = Written | CascadeError | OSError


@dataclass(frozen=True)
class Order:
    """Everything that a worker needs to compute shards of a job.

    Attributes
    ----------
    task : Task
    opener : callable
        Open input and model; must be picklable and hashable.
    identity : str
        Identity that a worker must have, as JSON.
    start : str
        Unique for each start of a job: input and model may have changed since an earlier start opened them.
    """

    task: Task
    opener: Opener
    identity: str
    start: str


def outcome_of(order: Order, number: int) -> Outcome:
    """Compute a shard; return an expected error as a value, to be raised when the shard is due."""
    # A raised error would reach the driver as soon as the task ends, before earlier shards are in the journal.
    try:
        return _worker(order).write(number)
    except (CascadeError, OSError) as error:
        return error


class Worker:
    """A model and an input, opened once, and a separate temporary folder inside the folder of the job.

    Two workers never write to the same folder. A worker that was taken for dead and still runs does no harm.

    Parameters
    ----------
    order : Order
    """

    def __init__(self, order: Order) -> None:
        self.task, host = order.task, platform.node()
        # The driver has written the manifest, so its absence shows a folder that only looks the same on this machine.
        if not (self.task.folder / MANIFEST).exists():
            raise ConfigError(f"`{self.task.folder}` must be a folder that all machines share; {host} does not see it.")
        self.source, self.predictor, identity = order.opener()
        _check(json.loads(order.identity), identity, host)
        if self.source.n_rows != self.task.n_rows:
            rows = f"{self.source.n_rows} on {host}, {self.task.n_rows} where the job began"
            raise ConfigError(f"the input must be the same on all machines; it has {rows} rows.")
        # Inside the job's folder, hence on the same file system: moving a shard into place is then a plain rename.
        self.place = Path(tempfile.mkdtemp(prefix=WORKER, dir=self.task.folder))

    def write(self, number: int) -> Written:
        """Read, score and write one shard."""
        size = self.task.shard_rows
        chunk = next(self.source.chunks(size, number * size))
        return write_shard(self.place, number, chunk, self.predictor, self.task.max_rejected)


# Cached for the next shard: loading a model may take longer than computing a shard. One entry bounds the memory.
_worker = lru_cache(maxsize=1)(Worker)


def _check(wanted: dict[str, dict[str, Any]], identity: dict[str, dict[str, Any]], host: str) -> None:
    """Refuse a machine whose predictions would differ in their last digits."""
    change = difference(wanted, identity)
    if change is not None:
        raise ConfigError(
            f"{host} would predict differently: {change}; use the same packages and --threads on all machines."
        )
