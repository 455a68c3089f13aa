"""Run a batch job: read, score and write one shard after the other, from the first that is not done."""

from __future__ import annotations

import time
from contextlib import closing
from dataclasses import dataclass
from typing import Any, Protocol

from cascade.batch.engines.engine import Engine, LocalEngine, Task
from cascade.batch.folder import rejected_name
from cascade.batch.inputs.opening import Input
from cascade.batch.job.job import Job
from cascade.batch.job.manifest import Manifest
from cascade.batch.job.opening import opened_output
from cascade.batch.outputs.monitor import status_of
from cascade.batch.outputs.predictions import TablePredictor
from cascade.batch.outputs.writing import read_rows
from cascade.data.rows import BLOCK
from cascade.errors import CascadeError, ConfigError, DataError
from cascade.utils.address import Place

SHARD_ROWS = 65_536
SHARD_BYTES = 2**28
MAX_REJECTED = 0.1
LOCAL = "local"
ENGINES = (LOCAL, "ray")
ENOUGH_ROWS = 1000
"""Rows before the share of bad rows is judged; at the end of the input it is judged in any case."""


@dataclass(frozen=True)
class Settings:
    """Options of a job.

    Attributes
    ----------
    shard_rows : int
        Most rows per shard; fewer if they would take more than 256 MB.
    max_rejected : float
        Share of bad rows above which the job stops.
    fresh : bool
        Whether to start over instead of resuming.
    engine : {"local", "ray"}
        Where shards are computed: in this process or on a cluster.
    workers : int, optional
        Most shards that a cluster computes at the same time.
    """

    shard_rows: int = SHARD_ROWS
    max_rejected: float = MAX_REJECTED
    fresh: bool = False
    engine: str = LOCAL
    workers: int | None = None

    def check(self) -> None:
        """Refuse options that are out of range."""
        if self.shard_rows < 1:
            raise ConfigError(f"`--shard-rows` must be 1 or more. Received {self.shard_rows}.")
        if not 0 <= self.max_rejected <= 1:
            raise ConfigError(f"`--max-rejected` must be between 0 and 1. Received {self.max_rejected}.")
        if self.engine not in ENGINES:
            raise ConfigError(f"`--engine` must be one of {', '.join(ENGINES)}. Received {self.engine!r}.")
        if self.workers is not None and (self.workers < 1 or self.engine == LOCAL):
            raise ConfigError(f"`--workers` must be 1 or more, with `--engine ray`. Received {self.workers}.")


class Watcher(Protocol):
    """Receive the progress of a job."""

    def begin(self, done: int, total: int | None) -> None:
        """Report the rows done by earlier starts, and the rows of the input if known."""
        ...

    def stage(self, stage: str, done: int, total: int) -> None:
        """Report the progress of a stage within the current shard."""
        ...

    def advance(self, rows: int) -> None:
        """Report rows of a shard that was committed."""
        ...


def run_job(
    folder: Place,
    source: Input,
    predictor: TablePredictor,
    identity: dict[str, dict[str, Any]],
    settings: Settings,
    watcher: Watcher,
    engine: Engine | None = None,
) -> dict[str, Any]:
    """Predict every row of `source` into `folder`, resuming where an earlier start of the same job ended.

    Parameters
    ----------
    folder : path or address
    source : Input
    predictor : TablePredictor
    identity : dict of dict
        `model`, `settings` and `versions`; an earlier start must have had the same.
    settings : Settings
    watcher : Watcher
    engine : Engine, optional
        Engine that computes the shards; by default in this process. It is not part of the identity, so a job may be
        resumed with another engine.

    Returns
    -------
    dict
        `rows` of the input, `rejected` rows among them, counts of the predictions, `shards`, `seconds`,
        `rows_per_second` (of this start), whether the job `was_finished` before, and the status of its `monitor`.

    Raises
    ------
    BusyError, ConfigError, DataError
    """
    settings.check()
    started = time.monotonic()
    size = _shard_size(settings, source.row_bytes + predictor.row_bytes)
    before = source.fingerprint()
    # The shard size decides which rows a file holds, so a resumed job must have the same one.
    identity = {**identity, "input": before, "settings": {**identity["settings"], "shard_rows": size}}
    with opened_output(folder) as output:
        job = Job(output, identity, settings.fresh)
        was_finished, done = job.manifest.finished, job.manifest.n_read
        if not was_finished:
            watcher.begin(done, source.n_rows)
            task = Task(output.work, len(job.manifest.shards), size, source.n_rows, settings.max_rejected)
            _run(job, engine or LocalEngine(source, predictor, watcher.stage), task, watcher)
            _check_end(job, source, before)
        # Also for a finished job: an earlier start may have ended before it removed its temporary files.
        job.finish(predictor.tallying)
        monitor = {} if predictor.tallying is None else {"monitor": status_of(folder)}
    seconds = time.monotonic() - started
    rate = (job.manifest.n_read - done) / seconds
    run = {"seconds": seconds, "rows_per_second": rate, "was_finished": was_finished}
    return {**_summary(job.manifest), **run, **monitor}


def _shard_size(settings: Settings, row_bytes: int) -> int:
    most = max(1, SHARD_BYTES // max(1, row_bytes))
    # Estimators compute blocks of a fixed size; a multiple of it, if one fits, pads no block of the shard.
    most = most // BLOCK * BLOCK or most
    return min(settings.shard_rows, most)


def _run(job: Job, engine: Engine, task: Task, watcher: Watcher) -> None:
    # Shards of an earlier start count as well: a job that was stopped for bad rows stops again at once.
    _judge(job, task.max_rejected, ENOUGH_ROWS)
    # Closed also on an error or Ctrl-C, so that an engine cancels its running shards before the lock is released.
    with closing(engine(task)) as shards:
        try:
            for written in shards:
                job.commit(written)
                watcher.advance(written.shard.n_read)
                _judge(job, task.max_rejected, ENOUGH_ROWS)
        except FileNotFoundError:
            # A folder that is gone is the cause of a file that cannot be made in it, and the clearer message.
            job.output.check()
            raise
    _judge(job, task.max_rejected, 1)


def _judge(job: Job, most: float, enough: int) -> None:
    """Raise if too many of the rows so far are bad; the sentence shows the first bad row and its reason."""
    seen, rejected = job.manifest.n_read, job.manifest.n_rejected
    if seen < enough or rejected <= most * seen:
        return
    number = next(number for number, shard in enumerate(job.manifest.shards) if shard.rejected)
    path = job.folder / rejected_name(number)
    first = read_rows(path).slice(0, 1).to_pylist()[0]
    raise DataError(
        f"`--max-rejected` allows {most:g} of the rows to be bad. Received {rejected} of {seen}; the first is row "
        f"{first['row']} ({first['id']}): {first['reason'].rstrip('.')}. See `{path}`."
    )


def _check_end(job: Job, source: Input, before: dict[str, Any]) -> None:
    """Check that every row of the input was predicted or rejected, and that the input has not changed meanwhile."""
    n_read = job.manifest.n_read
    if not n_read:
        raise DataError("the input must hold at least one row. Received none.")
    # Before the row count: a file that changed is the likelier cause of a wrong count.
    if source.fingerprint() != before:
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
