"""A process that makes single shards of a job for another one, which alone puts them into the job's folder."""

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
    """Input and model of a job, and what the job's output depends on as this process sees it."""

    source: Input
    answers: TablePredictor
    identity: dict[str, dict[str, Any]]


Opener = Callable[[], Opened]
Outcome = Written | CascadeError | OSError


@dataclass(frozen=True)
class Order:
    """What a worker needs to know.

    Attributes
    ----------
    task : Task
    opener : callable
        Opens input and model; can be pickled and hashed.
    identity : str
        What opening must find, as JSON.
    start : str
        Of the job, unlike any other: what an earlier start opened may have changed since.
    """

    task: Task
    opener: Opener
    identity: str
    start: str


def outcome_of(order: Order, number: int) -> Outcome:
    """Make a shard; what goes wrong with it comes back as a value, to be told when it is the shard's turn."""
    try:
        return _worker(order).write(number)
    except (CascadeError, OSError) as error:
        return error


class Worker:
    """A model and an input, opened once, and a folder of its own beside the job's files.

    Two workers never write to the same place: one that was taken for dead and lives on does no harm.

    Parameters
    ----------
    order : Order
    """

    def __init__(self, order: Order) -> None:
        self.task, host = order.task, platform.node()
        if not (self.task.folder / MANIFEST).exists():
            raise ConfigError(f"`{self.task.folder}` must be a folder that all machines share; {host} does not see it.")
        self.source, self.answers, identity = order.opener()
        _check(json.loads(order.identity), identity, host)
        if self.source.n_rows != self.task.n_rows:
            rows = f"{self.source.n_rows} on {host}, {self.task.n_rows} where the job began"
            raise ConfigError(f"the input must be the same on all machines; it has {rows} rows.")
        self.place = Path(tempfile.mkdtemp(prefix=WORKER, dir=self.task.folder))

    def write(self, number: int) -> Written:
        """Read, score and write one shard."""
        size = self.task.shard_rows
        chunk = next(self.source.chunks(size, number * size))
        return write_shard(self.place, number, chunk, self.answers, self.task.max_rejected)


# Kept for the next shard: to load a model may take longer than to make one.
_worker = lru_cache(maxsize=1)(Worker)


def _check(wanted: dict[str, dict[str, Any]], found: dict[str, dict[str, Any]], host: str) -> None:
    """Refuse a machine whose answers would differ in their last digits."""
    other = difference(wanted, found)
    if other is not None:
        raise ConfigError(f"{host} would answer otherwise: {other}; give all machines the same packages and --threads.")
