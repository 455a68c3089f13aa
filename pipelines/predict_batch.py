"""Predict an input of any size into a folder of Parquet files, shard by shard; an interrupted run goes on."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

from cascade.batch.answers import CascadeAnswers, ManyLabelAnswers
from cascade.batch.exams import exams_of
from cascade.batch.identity import identify
from cascade.batch.inputs import Input, open_input
from cascade.batch.runner import MAX_REJECTED, SHARD_ROWS, Settings, run_job
from cascade.data.columns import Roles
from cascade.errors import ConfigError, DataError
from pipelines.progress import JobBar
from pipelines.reading import with_remembered
from pipelines.tables import check_format, write_table


def settings_for(output: Path, shard_rows: int | None, max_rejected: float | None, fresh: bool) -> Settings | None:
    """Settings of a job where the output is a folder; None where it is one file."""
    if not output.suffix:
        return Settings(
            SHARD_ROWS if shard_rows is None else shard_rows,
            MAX_REJECTED if max_rejected is None else max_rejected,
            fresh,
        )
    if fresh or shard_rows is not None or max_rejected is not None:
        raise ConfigError(
            f"`--shard-rows`, `--max-rejected` and `--fresh` need `--output` to be a folder. Received `{output}`."
        )
    check_format(output)
    return None


def run(
    folder: Path,
    source: Path,
    output: Path,
    answers: CascadeAnswers | ManyLabelAnswers,
    roles: Roles,
    exams: Path | None,
    settings: Settings,
) -> dict[str, Any]:
    """Predict every row of `source`; return a summary."""
    roles = with_remembered(answers.predictor, roles)
    rows = open_input(source, roles, answers.signature)
    if exams is not None:
        _refuse_without_groups(rows, source)
    with closing(JobBar()) as bar:
        summary = run_job(output, rows, answers, identify(folder, answers, roles), settings, bar)
    if exams is not None:
        table = exams_of(output, answers.predictor.labels)
        write_table(exams, table)
        summary["exams"] = table.num_rows
    return {**summary, "output": str(output), "model": str(folder)}


def _refuse_without_groups(rows: Input, source: Path) -> None:
    """Not to be found out after the job."""
    first = next(rows.chunks(1, 0), None)
    if first is not None and first.groups is None:
        raise DataError(f"`{source}` has no groups to make exams of; name the group column with --group.")
