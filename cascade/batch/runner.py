"""Run a job: read a shard, score it, write it, until nothing is left."""

from __future__ import annotations

import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pyarrow.parquet

from cascade.batch.engines.engine import Engine, LocalEngine, Task
from cascade.batch.folder import rejected_name
from cascade.batch.inputs.opening import Input
from cascade.batch.job.job import Job
from cascade.batch.job.manifest import Manifest
from cascade.batch.outputs.monitor import status_of
from cascade.batch.outputs.predictions import TablePredictor
from cascade.data.rows import BLOCK
from cascade.errors import CascadeError, ConfigError, DataError
from cascade.utils.locking import claimed

SHARD_ROWS = 65_536
SHARD_BYTES = 2**28
MAX_REJECTED = 0.1
LOCAL = "local"
ENGINES = (LOCAL, "ray")
ENOUGH_ROWS = 1000
"""Fewer rows than that do not tell whether too many are bad; the end of the input does."""


@dataclass(frozen=True)
class Settings:
    """How a job is run.

    Attributes
    ----------
    shard_rows : int
        Most rows of a shard; fewer where they would take more than 256 MB.
    max_rejected : float
        Share of bad rows above which the job stops.
    fresh : bool
        Whether to start over what was begun.
    engine : {"local", "ray"}
        Who makes the shards: this process, or a cluster's.
    workers : int, optional
        Most shards that a cluster makes at the same time.
    """

    shard_rows: int = SHARD_ROWS
    max_rejected: float = MAX_REJECTED
    fresh: bool = False
    engine: str = LOCAL
    workers: int | None = None

    def check(self) -> None:
        """Refuse numbers that make no sense."""
        if self.shard_rows < 1:
            raise ConfigError(f"`--shard-rows` must be 1 or more. Received {self.shard_rows}.")
        if not 0 <= self.max_rejected <= 1:
            raise ConfigError(f"`--max-rejected` must lie between 0 and 1. Received {self.max_rejected}.")
        if self.engine not in ENGINES:
            raise ConfigError(f"`--engine` must be one of {', '.join(ENGINES)}. Received {self.engine!r}.")
        if self.workers is not None and (self.workers < 1 or self.engine == LOCAL):
            raise ConfigError(f"`--workers` must be 1 or more, with `--engine ray`. Received {self.workers}.")


class Watcher(Protocol):
    """What is told how far a job is."""

    def begin(self, done: int, total: int | None) -> None:
        """Rows done by earlier starts, and rows of the input where that is known."""
        ...

    def stage(self, stage: str, done: int, total: int) -> None:
        """How far a stage is with the shard at hand."""
        ...

    def advance(self, rows: int) -> None:
        """Rows that are done, and safe."""
        ...


def run_job(
    folder: Path,
    source: Input,
    answers: TablePredictor,
    identity: dict[str, dict[str, Any]],
    settings: Settings,
    watcher: Watcher,
    engine: Engine | None = None,
) -> dict[str, Any]:
    """Predict every row of `source` into `folder`, going on where an earlier start of the same job ended.

    Parameters
    ----------
    folder : path
    source : Input
    answers : Answers
    identity : dict of dict
        `model`, `settings` and `versions`, which an earlier start must have had too.
    settings : Settings
    watcher : Watcher
    engine : Engine, optional
        Who makes the shards; default this process. No part of the identity: a job may change it on its way.

    Returns
    -------
    dict
        `rows` of the input, `rejected` of them, the answers' counts, `shards`, `seconds`, `rows_per_second` (of this
        start), whether the job `was_finished` before, and what its `monitor` says, where there is one.

    Raises
    ------
    BusyError, ConfigError, DataError
    """
    settings.check()
    started = time.monotonic()
    size = _shard_size(settings, source.row_bytes + answers.row_bytes)
    begun = source.fingerprint()
    identity = {**identity, "input": begun, "settings": {**identity["settings"], "shard_rows": size}}
    with claimed(folder):
        job = Job(folder, identity, settings.fresh)
        was_finished, done = job.manifest.finished, job.manifest.n_read
        if not was_finished:
            watcher.begin(done, source.n_rows)
            task = Task(folder, len(job.manifest.shards), size, source.n_rows, settings.max_rejected)
            _run(job, engine or LocalEngine(source, answers, watcher.stage), task, watcher)
            _check_end(job, source, begun)
        job.finish(answers.tallying)
        monitor = {} if answers.tallying is None else {"monitor": status_of(folder)}
    seconds = time.monotonic() - started
    rate = (job.manifest.n_read - done) / seconds
    told = {"seconds": seconds, "rows_per_second": rate, "was_finished": was_finished}
    return {**_summary(job.manifest), **told, **monitor}


def _shard_size(settings: Settings, row_bytes: int) -> int:
    most = max(1, SHARD_BYTES // max(1, row_bytes))
    # Whole blocks, where there is room for one, leave none half empty.
    most = most // BLOCK * BLOCK or most
    return min(settings.shard_rows, most)


def _run(job: Job, engine: Engine, task: Task, watcher: Watcher) -> None:
    _judge(job, task.max_rejected, ENOUGH_ROWS)
    with closing(engine(task)) as shards:
        for written in shards:
            job.commit(written)
            watcher.advance(written.shard.n_read)
            _judge(job, task.max_rejected, ENOUGH_ROWS)
    _judge(job, task.max_rejected, 1)


def _judge(job: Job, most: float, enough: int) -> None:
    """Stop where too many of the rows seen are bad, and say what is wrong with the first one."""
    seen, rejected = job.manifest.n_read, job.manifest.n_rejected
    if seen < enough or rejected <= most * seen:
        return
    number = next(number for number, shard in enumerate(job.manifest.shards) if shard.rejected)
    path = job.folder / rejected_name(number)
    first = pyarrow.parquet.read_table(path).slice(0, 1).to_pylist()[0]
    raise DataError(
        f"`--max-rejected` allows {most:g} of the rows to be bad. Received {rejected} of {seen}; the first is row "
        f"{first['row']} ({first['id']}): {first['reason'].rstrip('.')}. See `{path}`."
    )


def _check_end(job: Job, source: Input, begun: dict[str, Any]) -> None:
    """Every row of the input must have come out, or be among the rejected, and the input must be the same still."""
    n_read = job.manifest.n_read
    if not n_read:
        raise DataError("the input must hold at least one row. Received none.")
    if source.fingerprint() != begun:
        raise DataError("the input changed while it was read; start over with --fresh.")
    if source.n_rows not in (None, n_read):
        raise CascadeError(f"the output must account for {source.n_rows} rows. Received {n_read}; please report this.")


def _summary(manifest: Manifest) -> dict[str, Any]:
    return {
        "rows": manifest.n_read,
        "rejected": manifest.n_rejected,
        **manifest.totals(),
        "shards": len(manifest.shards),
    }
