"""Log a version as an MLflow run: config, data, commit, environment, metrics with intervals, plots and model."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from cascade.errors import ModelRefusedError
from cascade.registry.packaging import package
from cascade.store.manifest import read_manifest

MODEL = "model"
SHA256 = "cascade.sha256"
"""Tag of a run with the digest of its model, by which an interrupted run is found and completed."""
COMMIT = "mlflow.source.git.commit"
MOST_LABELS = 100
"""Most labels whose metrics are logged one by one; the report has all labels."""
BATCH = 100
# MLflow refuses metric names with other characters.
UNSAFE = re.compile(r"[^A-Za-z0-9_\-. :/]")


def log_version(client: Any, run_id: str, version: Path) -> None:
    """Log everything in a version folder. Logging twice changes nothing, so an interrupted process is repeated."""
    from mlflow.entities import Metric, Param, RunTag

    report, config, body = read_report(version), read_config(version), read_manifest(version / MODEL)
    environment = _read(version / "environment.json")
    # The time of the report, not of this process: a metric that is logged twice is then the same row of the store.
    written = int((version / "report.json").stat().st_mtime * 1000)
    metrics = [Metric(key, value, written, 0) for key, value in metrics_of(report)]
    facts = {"config": config, "data": body["provenance"].get("data", {}), "environment": environment["versions"]}
    params = [Param(key, str(value)) for key, value in flattened(facts)]
    # MLflow limits the number of metrics and parameters per request.
    for batch in _batches(metrics):
        client.log_batch(run_id, metrics=batch)
    for batch in _batches(params):
        client.log_batch(run_id, params=batch)
    client.log_batch(run_id, tags=[RunTag(COMMIT, environment["git_commit"] or "unknown")])
    _log_files(client, run_id, version, body)


def _log_files(client: Any, run_id: str, version: Path, body: dict[str, Any]) -> None:
    with tempfile.TemporaryDirectory() as temporary:
        place = Path(temporary)
        package(version / MODEL, place / MODEL)
        facts = {"data": body["provenance"].get("data"), "certificate": body["certificate"]}
        for name, fact in facts.items():
            (place / f"{name}.json").write_text(json.dumps(fact, indent=2) + "\n", encoding="utf-8")
        client.log_artifacts(run_id, str(place))
    for path in sorted(version.iterdir()):
        if path.is_file():
            client.log_artifact(run_id, str(path))


def metrics_of(report: dict[str, Any]) -> Iterator[tuple[str, float]]:
    """Yield name and value of all overall metrics and, if labels are few, of the metrics per label.

    Examples
    --------
    >>> dict(metrics_of({"overall": {"rows": 9}, "labels": [{"label": "any", "f1": 0.5, "auroc": None}]}))
    {'rows': 9.0, 'f1/any': 0.5}
    """
    yield from ((key, float(value)) for key, value in report["overall"].items() if _is_number(value))
    labels = report["labels"]
    # The report of a many-label model has a list of values per figure, that of a cascade a row per label.
    if isinstance(labels, dict):
        labels = [dict(zip(labels, values, strict=True)) for values in zip(*labels.values(), strict=True)]
    for row in labels if len(labels) <= MOST_LABELS else []:
        name = UNSAFE.sub("_", row["label"])
        yield from ((f"{key}/{name}", float(value)) for key, value in row.items() if _is_number(value))


def flattened(facts: Any, place: str = "") -> Iterator[tuple[str, Any]]:
    """Yield every value of nested mappings with its dotted key.

    Examples
    --------
    >>> list(flattened({"gate": {"kind": "keras", "epochs": 3}}))
    [('gate.kind', 'keras'), ('gate.epochs', 3)]
    """
    if not isinstance(facts, dict):
        yield place, facts
        return
    for key, value in facts.items():
        yield from flattened(value, f"{place}.{key}" if place else str(key))


def _is_number(value: Any) -> bool:
    # Flags such as `certified` are booleans, which Python counts as integers.
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _batches(things: list[Any]) -> Iterator[list[Any]]:
    return (things[start : start + BATCH] for start in range(0, len(things), BATCH))


def read_report(version: Path) -> Any:
    """Return the report of a version.

    Raises
    ------
    ModelRefusedError
        If it cannot be read.
    """
    return _read(version / "report.json")


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelRefusedError(
            f"`{path}` cannot be read ({type(error).__name__}); register a folder that train wrote."
        ) from error


def read_config(version: Path) -> Any:
    """Return the config of a version.

    Raises
    ------
    ModelRefusedError
        If it cannot be read.
    """
    try:
        return yaml.safe_load((version / "config.yaml").read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise ModelRefusedError(f"`{version / 'config.yaml'}` is missing or not plain YAML; train again.") from error
