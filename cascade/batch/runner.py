"""Run a job: read a shard, score it, write it, until nothing is left."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pyarrow.parquet

from cascade.batch.answers import Answers
from cascade.batch.chunk import Chunk
from cascade.batch.folder import claimed, rejected_name
from cascade.batch.inputs import Input
from cascade.batch.job import Job
from cascade.batch.manifest import Manifest
from cascade.batch.unscorable import reject_unscorable
from cascade.errors import CascadeError, ConfigError, DataError
from cascade.rows import BLOCK

SHARD_ROWS = 65_536
SHARD_BYTES = 2**28
MAX_REJECTED = 0.1
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
    """

    shard_rows: int = SHARD_ROWS
    max_rejected: float = MAX_REJECTED
    fresh: bool = False

    def check(self) -> None:
        """Refuse numbers that make no sense."""
        if self.shard_rows < 1:
            raise ConfigError(f"`--shard-rows` must be 1 or more. Received {self.shard_rows}.")
        if not 0 <= self.max_rejected <= 1:
            raise ConfigError(f"`--max-rejected` must lie between 0 and 1. Received {self.max_rejected}.")


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
    answers: Answers,
    identity: dict[str, dict[str, Any]],
    settings: Settings,
    watcher: Watcher,
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

    Returns
    -------
    dict
        `rows` of the input, `rejected` of them, the answers' counts, `shards`, `seconds`, `rows_per_second` (of this
        start), and whether the job `was_finished` before.

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
            _run(job, source, answers, size, settings, watcher)
            _check_end(job, source, begun)
        job.finish()
    seconds = time.monotonic() - started
    rate = (job.manifest.n_read - done) / seconds
    return {**_summary(job.manifest), "seconds": seconds, "rows_per_second": rate, "was_finished": was_finished}


def _shard_size(settings: Settings, row_bytes: int) -> int:
    most = max(1, SHARD_BYTES // max(1, row_bytes))
    # Whole blocks, where there is room for one, leave none half empty.
    most = most // BLOCK * BLOCK or most
    return min(settings.shard_rows, most)


def _run(job: Job, source: Input, answers: Answers, size: int, settings: Settings, watcher: Watcher) -> None:
    _judge(job, settings.max_rejected, ENOUGH_ROWS)
    for chunk in source.chunks(size, job.manifest.n_read):
        answers.signature.check(chunk.X)
        try:
            _commit(job, chunk, answers, watcher)
        except DataError:
            # One row that a model does not take must not end the job.
            most = max(1, int(settings.max_rejected * chunk.n_read))
            _commit(job, reject_unscorable(chunk, answers, most), answers, watcher)
        watcher.advance(chunk.n_read)
        _judge(job, settings.max_rejected, ENOUGH_ROWS)
    _judge(job, settings.max_rejected, 1)


def _commit(job: Job, chunk: Chunk, answers: Answers, watcher: Watcher) -> None:
    job.commit(answers(chunk.X, chunk.ids, chunk.groups, watcher.stage), chunk.rejected, chunk.n_read)


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
