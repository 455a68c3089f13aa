"""Predict an input with a saved model: into a folder shard by shard, or into one file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cascade.batch.folder import MONITOR
from cascade.batch.runner import Settings
from cascade.data.readers.columns import Roles
from cascade.errors import ConfigError
from cascade.runtime.runtimes import AUTO

from . import predict_batch, predict_file
from .steps.loading import Loading
from .steps.locate import find_model, is_many_labels

MOST_WARNINGS = 5


def run(
    model: Path,
    source: Path,
    output: Path,
    roles: Roles,
    exams: Path | None = None,
    top_k: int | None = None,
    settings: Settings | None = None,
    runtime: str = AUTO,
    threads: int | None = None,
) -> dict[str, Any]:
    """Predict every row of `source`; return a summary. Without `settings` the output is one file."""
    _check_outputs(source, output, exams)
    loading = Loading(find_model(model), top_k, runtime, threads)
    if is_many_labels(loading.folder):
        _check_flat(output, exams)
    answers = loading.answers()
    if settings is not None:
        return predict_batch.run(loading, source, output, answers, roles, exams, settings)
    return predict_file.run(loading.folder, source, output, answers, roles, exams)


def _check_flat(output: Path, exams: Path | None) -> None:
    if exams is not None:
        raise ConfigError("`--exams` needs a cascade; the model is a flat one. Leave it out.")
    if output.suffix == ".csv":
        raise ConfigError(f"a flat model's answers are lists, which only .parquet holds. Received `{output}`.")


def _check_outputs(source: Path, output: Path, exams: Path | None) -> None:
    """Refuse to write over the input, inside of it, or one output over the other."""
    for path in (output, exams):
        if path is not None and path.resolve().is_relative_to(source.resolve()):
            raise ConfigError(f"`{path}` would be written over the input `{source}`; choose another place.")
    if exams is not None and exams.resolve().is_relative_to(output.resolve()):
        raise ConfigError(f"`--output` and `--exams` must be two files. Received `{output}` and `{exams}`.")


def text(summary: dict[str, Any]) -> str:
    """Lines to read."""
    passed = "{rows_past_gate} past the gate" if "rows_past_gate" in summary else "{labels} labels"
    rejected = ", {rejected} rejected" if summary.get("rejected") else ""
    before = "; it was finished before" if summary.get("was_finished") else ""
    line = ("{rows} rows" + rejected + ", " + passed + ", {rows_with_label} with a label -> {output}").format(**summary)
    return "\n".join([line + before, *_warnings(summary.get("monitor"))])


def _warnings(monitor: dict[str, Any] | None) -> list[str]:
    """What the monitor found, the largest first."""
    drifted = [] if monitor is None else monitor["drifted"]
    more = [f"warning: {len(drifted) - MOST_WARNINGS} more, see {MONITOR}"] if len(drifted) > MOST_WARNINGS else []
    return [*(f"warning: {sentence}" for sentence in drifted[:MOST_WARNINGS]), *more]
