"""Predict an input with a saved model, to a folder shard by shard or to one file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from cascade.batch.folder import MONITOR
from cascade.batch.runner import Settings
from cascade.data.readers.table.columns import Roles
from cascade.errors import ConfigError
from cascade.estimators.runtime.runtimes import AUTO
from cascade.utils.address import Address, Place

from . import predict_batch, predict_file
from .steps.loading import Loading
from .steps.locate import find_model, is_many_labels

MOST_WARNINGS = 5
"""Drift warnings that are printed; all are in the file of the monitor."""


def run(
    model: Path,
    source: Place,
    output: Place,
    roles: Roles,
    exams: Path | None = None,
    top_k: int | None = None,
    settings: Settings | None = None,
    runtime: str = AUTO,
    threads: int | None = None,
) -> dict[str, Any]:
    """Predict every row of `source` and return a summary.

    Parameters
    ----------
    model : path
        Version, model folder, name or reference to the registry.
    source, output : path or address
        With an address, the output must be a folder.
    roles : Roles
        Columns of the input.
    exams : path, optional
        File with one row per group.
    top_k : int, optional
        Number of most probable labels that a many-label model lists.
    settings : Settings, optional
        Settings of a batch job; without them the output is one file.
    runtime : str
    threads : int, optional

    Returns
    -------
    dict
    """
    # Paths and options first: loading a model takes seconds, and a job may take hours.
    _check_outputs(source, output, exams)
    if settings is None and not (isinstance(source, Path) and isinstance(output, Path)):
        raise ConfigError(f"an address needs `--output` to be a folder, without a suffix. Received `{output}`.")
    # The alias of a registered model is looked up once, so that all shards come from one version.
    loading = Loading(find_model(model), top_k, runtime, threads)
    if is_many_labels(loading.folder):
        _check_many_labels(output, exams)
    tables = loading.load()
    if settings is not None:
        return predict_batch.run(loading, source, output, tables, roles, exams, settings)
    # Refused above, where the output is one file.
    assert isinstance(source, Path)
    assert isinstance(output, Path)
    return predict_file.run(loading.folder, source, output, tables, roles, exams)


def _check_many_labels(output: Place, exams: Path | None) -> None:
    if exams is not None:
        raise ConfigError("`--exams` needs a cascade. Received a many-label model; leave `--exams` out.")
    if output.suffix.lower() == ".csv":
        raise ConfigError(f"`--output` of the many-label model must be .parquet, for its lists. Received `{output}`.")


def _check_outputs(source: Place, output: Place, exams: Path | None) -> None:
    """Refuse to overwrite the input, to write into it, or to write one output over the other."""
    if isinstance(output, Address):
        output.check_writable()
    # Resolved, since two paths may name one file.
    for path in (output, exams):
        if path is not None and _is_in(path, source):
            raise ConfigError(f"`{path}` would be written over the input `{source}`; choose another place.")
    if exams is not None and _is_in(exams, output):
        raise ConfigError(f"`--output` and `--exams` must be two files. Received `{output}` and `{exams}`.")


def _is_in(path: Place, folder: Place) -> bool:
    if isinstance(path, Path) and isinstance(folder, Path):
        return _real(path).is_relative_to(_real(folder))
    return f"{path}/".startswith(f"{folder}/") and isinstance(path, Address) and isinstance(folder, Address)


def _real(path: Path) -> Path:
    # Unlike `Path.resolve`, this raises nothing for a link that leads to itself.
    return Path(os.path.realpath(path))


def text(summary: dict[str, Any]) -> str:
    """Return the summary as text, with warnings of the monitor."""
    # Only a cascade has a gate; a many-label model counts the labels that it gave.
    passed = "{rows_past_gate} past the gate" if "rows_past_gate" in summary else "{labels} labels"
    rejected = ", {rejected} rejected" if summary.get("rejected") else ""
    before = "; it was finished before" if summary.get("was_finished") else ""
    line = ("{rows} rows" + rejected + ", " + passed + ", {rows_with_label} with a label -> {output}").format(**summary)
    return "\n".join([line + before, *_warnings(summary.get("monitor"))])


def _warnings(monitor: dict[str, Any] | None) -> list[str]:
    """Return the first warnings of the monitor, which are sorted by effect, and how many there are more."""
    drifted = [] if monitor is None else monitor["drifted"]
    more = [f"warning: {len(drifted) - MOST_WARNINGS} more, see {MONITOR}"] if len(drifted) > MOST_WARNINGS else []
    return [*(f"warning: {sentence}" for sentence in drifted[:MOST_WARNINGS]), *more]
