"""Compare a flat model, a peer stack, a literal recipe and cascades on grouped folds of one data set."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cascade.comparison.compare import compare
from cascade.comparison.compare_text import comparison_table
from cascade.comparison.contenders import contenders
from cascade.config.build import build_model, with_defaults
from cascade.config.models import AutoGate, ExitGate, KerasGate, KerasModel, NoGate, SklearnGate
from cascade.config.schema import LabelerConfig, RunConfig
from cascade.data import Dataset
from cascade.errors import DataError
from cascade.reports.html import comparison_data, page
from cascade.utils.atomic import new_folder
from cascade.utils.plain_json import to_json

from .steps.progress import step_bars
from .steps.run_data import cached, read_labelled_data
from .steps.version import PAGE

logger = logging.getLogger("cascade.pipeline")


@step_bars()
def run(config: RunConfig, models: Path, n_folds: int, pools: tuple[str, ...]) -> tuple[Path, dict[str, Any]]:
    """Compare and publish; return the folder of the comparison and its result."""
    config = with_stages(config)
    data = read_labelled_data(config).with_dense_labels()
    if data.Y is None:
        raise DataError(f"`{config.data.path}` must have labels to compare models on. Received none.")
    if data.known is not None:
        raise DataError(f"`{config.data.path}` has missing labels; a comparison needs every label to be known.")
    chosen = contenders_of(config, data, pools)
    # A folder that cannot be written is an error now, not after hours of fits.
    (models / config.name).mkdir(parents=True, exist_ok=True)
    any_label = config.data.any_label
    X = cached(with_defaults(config, data), data, models).X
    result = compare(chosen, X, data.Y, data.label_names, data.groups, n_folds, config.seed, any_label)
    result["rows"], result["labels"] = len(data), list(data.label_names)
    now = datetime.now(UTC)
    folder = models / config.name / f"compare-{now:%Y%m%dT%H%M%S%fZ}"
    facts = comparison_data(result, data, any_label)
    html = page(facts, f"{config.name}: comparison", f"{now:%d %B %Y, %H:%M} UTC, {folder.name}")
    with new_folder(folder) as temporary:
        (temporary / "compare.json").write_text(to_json(result, indent=2) + "\n", encoding="utf-8")
        (temporary / "compare.md").write_text(comparison_table(result) + "\n", encoding="utf-8")
        (temporary / PAGE).write_text(html, encoding="utf-8")
    return folder, result


def with_stages(config: RunConfig) -> RunConfig:
    """Return a config with a gate of its own and a labeler: without a gate, the one model becomes both."""
    if config.flat is not None:
        stages: dict[str, Any] = {"flat": None, "labeler": LabelerConfig(model=config.flat.model)}
    elif isinstance(config.gate, ExitGate):
        logger.info("gate: an exit is tried beside the default gate")
        return config.model_copy(update={"gate": AutoGate(targets=config.gate.targets)})
    elif isinstance(config.gate, NoGate):
        stages = {}
    else:
        return config
    model = config.labeler.model if config.flat is None else config.flat.model
    # The gate has one label: there are no shares for a softmax loss, and no rare labels to sample.
    options = {"loss": "bce", "sampling": None, "targets": "any"} if isinstance(model, KerasModel) else {}
    kinds = {"keras": KerasGate, "auto": AutoGate}
    gate = kinds.get(model.kind, SklearnGate)(**model.model_dump() | options)
    return config.model_copy(update={"gate": gate} | stages)


def contenders_of(config: RunConfig, data: Dataset, pools: tuple[str, ...]) -> dict[str, Any]:
    """Return the contenders by name, with the config's gate, and its labeler's model as base learner."""
    config = with_defaults(config, data)
    model, folds = config.labeler.model, config.cascade.calibration_folds
    # `with_defaults` has replaced "auto".
    assert not isinstance(folds, str)
    # A model of a single label has no rare labels to sample; the models of all labels keep `sampling`.
    binary = model.model_copy(update={"sampling": None}) if isinstance(model, KerasModel) else model
    assert not isinstance(config.gate, (ExitGate, NoGate))
    # `pools` replaces the config's pool. Calibration folds are passed separately: flat contenders use them too.
    options = config.cascade.model_dump(exclude={"negative_pool", "calibration_folds"})
    return contenders(
        build_model(config.gate, data),
        build_model(binary, data),
        # A network predicts all labels at once; other learners are fitted separately for each label.
        build_model(model, data) if isinstance(model, KerasModel) else None,
        n_bags=config.labeler.n_bags,
        n_jobs=config.labeler.n_jobs,
        calibration_folds=folds,
        any_label=config.data.any_label,
        random_state=config.seed,
        pools=pools,
        label_names=data.label_names,
        pretrain=config.labeler.pretrain,
        gate_targets=config.gate.targets,
        **options,
    )
