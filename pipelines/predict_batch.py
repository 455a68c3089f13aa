"""Predict an input of any size into a folder of Parquet files, shard by shard; an interrupted run goes on."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

from cascade.batch.answers import CascadeAnswers, ManyLabelAnswers
from cascade.batch.identity import identify
from cascade.batch.inputs import open_input
from cascade.batch.runner import MAX_REJECTED, SHARD_ROWS, Settings, run_job
from cascade.data.columns import Roles
from cascade.errors import ConfigError
from pipelines.progress import JobBar
from pipelines.reading import with_remembered
from pipelines.tables import check_format


def settings_for(
    output: Path, exams: Path | None, shard_rows: int | None, max_rejected: float | None, fresh: bool
) -> Settings | None:
    """Settings of a job where the output is a folder; None where it is one file."""
    for path in (exams, output if output.suffix else None):
        if path is not None:
            check_format(path)
    if not output.suffix:
        if exams is not None:
            raise ConfigError(f"`--exams` needs `--output` to be one file. Received the folder `{output}`.")
        return Settings(
            SHARD_ROWS if shard_rows is None else shard_rows,
            MAX_REJECTED if max_rejected is None else max_rejected,
            fresh,
        )
    if fresh or shard_rows is not None or max_rejected is not None:
        raise ConfigError(
            f"`--shard-rows`, `--max-rejected` and `--fresh` need `--output` to be a folder. Received `{output}`."
        )
    return None


def run(
    folder: Path,
    source: Path,
    output: Path,
    answers: CascadeAnswers | ManyLabelAnswers,
    roles: Roles,
    settings: Settings,
) -> dict[str, Any]:
    """Predict every row of `source`; return a summary."""
    roles = with_remembered(answers.predictor, roles)
    rows = open_input(source, roles, answers.signature)
    with closing(JobBar()) as bar:
        summary = run_job(output, rows, answers, identify(folder, answers, roles), settings, bar)
    return {**summary, "output": str(output), "model": str(folder)}
