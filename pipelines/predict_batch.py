"""Predict an input of any size to a folder of Parquet files, shard by shard; an interrupted job resumes."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

from cascade.batch.engines.engine import Engine
from cascade.batch.inputs.opening import Input, open_input
from cascade.batch.job.identity import identify
from cascade.batch.outputs.exams import exams_of
from cascade.batch.outputs.predictions import CascadeTables, ManyLabelTables
from cascade.batch.runner import LOCAL, MAX_REJECTED, SHARD_ROWS, Settings, run_job
from cascade.data.readers.table.columns import Roles
from cascade.errors import ConfigError, DataError
from cascade.utils.address import Address, Place

from .steps.loading import Loading, Opening
from .steps.progress import JobBar
from .steps.reading import with_remembered
from .steps.tables import check_format, write_table


def settings_for(
    output: Place,
    shard_rows: int | None,
    max_rejected: float | None,
    fresh: bool,
    engine: str = LOCAL,
    workers: int | None = None,
) -> Settings | None:
    """Return the settings of a job if the output is a folder, and None if it is one file.

    Raises
    ------
    ConfigError
        If options of a folder are given for a file, or the file has no known format.
    """
    # A path without a suffix is a folder, whether it exists or not: an existing one is resumed.
    if not output.suffix:
        return Settings(
            SHARD_ROWS if shard_rows is None else shard_rows,
            MAX_REJECTED if max_rejected is None else max_rejected,
            fresh,
            engine,
            workers,
        )
    if fresh or shard_rows is not None or max_rejected is not None or engine != LOCAL or workers is not None:
        options = "`--shard-rows`, `--max-rejected`, `--fresh`, `--engine` and `--workers`"
        raise ConfigError(f"{options} need `--output` to be a folder. Received `{output}`.")
    check_format(output)
    return None


def run(
    loading: Loading,
    source: Place,
    output: Place,
    tables: CascadeTables | ManyLabelTables,
    roles: Roles,
    exams: Path | None,
    settings: Settings,
) -> dict[str, Any]:
    """Predict every row of `source` as a batch job; return a summary."""
    # Columns that were group and id in training are part of the identity: with others the output differs.
    roles = with_remembered(tables.predictor, roles)
    rows = open_input(source, roles, tables.signature, tables.gate_size)
    if exams is not None:
        _refuse_without_groups(rows, source)
    identity = identify(loading.folder, tables, roles)
    if isinstance(output, Address) and settings.engine != LOCAL:
        raise ConfigError(f"`--engine {settings.engine}` needs `--output` to be a shared folder. Received `{output}`.")
    engine = _engine(Opening(loading, source, roles), rows, identity, settings)
    with closing(JobBar()) as bar:
        summary = run_job(output, rows, tables, identity, settings, bar, engine)
    # Made from the finished shards, so groups may be spread over shards, and a resumed job gives the same exams.
    if exams is not None:
        table = exams_of(output, tables.predictor.label_names)
        write_table(exams, table)
        summary["exams"] = table.num_rows
    return {**summary, "output": str(output), "model": str(loading.folder)}


def _engine(opening: Opening, rows: Input, identity: dict[str, dict[str, Any]], settings: Settings) -> Engine | None:
    """Return the engine that computes the shards; None for this process."""
    settings.check()
    if settings.engine == LOCAL:
        return None
    # Each worker reads its shard only, and CSV has no index of rows.
    if rows.n_rows is None:
        raise ConfigError(
            f"`--engine {settings.engine}` cannot read `{opening.source}` from the middle; make it .parquet."
        )
    # Ray is an extra, which a job on one machine does not need.
    from cascade.batch.engines.ray import RayEngine

    return RayEngine(opening.absolute(), identity, settings.workers, opening.loading.threads)


def _refuse_without_groups(rows: Input, source: Place) -> None:
    """Refuse exams of an input without groups, before the job and not after it."""
    # One row shows whether there are groups; an input without rows is refused by the job itself.
    first = next(rows.chunks(1, 0), None)
    if first is not None and first.groups is None:
        raise DataError(f"`{source}` has no groups to make exams of; name the group column with --group.")
