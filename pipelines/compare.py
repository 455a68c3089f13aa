"""Compare the flat model, the peer stack, the literal recipe and cascades on one data set's grouped folds."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cascade.comparison.compare import compare
from cascade.comparison.compare_text import table
from cascade.comparison.contenders import contenders
from cascade.config.build import build_model
from cascade.config.schema import KerasModel, LabelerConfig, RunConfig
from cascade.data import Dataset, read_data
from cascade.errors import DataError
from cascade.reports.html import comparison_data, page
from cascade.utils.atomic import new_folder

from .steps.run_data import roles_of
from .steps.version import PAGE


def run(config: RunConfig, models: Path, n_folds: int, pools: tuple[str, ...]) -> tuple[Path, dict[str, Any]]:
    """Compare and publish; return the folder of the comparison and its result."""
    config = with_stages(config)
    data = read_data(config.data.path, roles_of(config)).with_dense_labels()
    if data.Y is None:
        raise DataError(f"`{config.data.path}` must hold labels to compare on; it has none.")
    if data.known is not None:
        raise DataError(f"`{config.data.path}` has missing labels; a comparison needs every label to be known.")
    chosen = contenders_of(config, data, pools)
    # An output that cannot be written must not be found out after the fits.
    (models / config.name).mkdir(parents=True, exist_ok=True)
    any_label = config.data.any_label
    result = compare(chosen, data.X, data.Y, data.label_names, data.groups, n_folds, config.seed, any_label)
    result["rows"], result["labels"] = len(data), list(data.label_names)
    now = datetime.now(UTC)
    folder = models / config.name / f"compare-{now:%Y%m%dT%H%M%S%fZ}"
    facts = comparison_data(result, data, any_label)
    laid_out = page(facts, f"{config.name}: comparison", f"{now:%d %B %Y, %H:%M} UTC, {folder.name}")
    with new_folder(folder) as place:
        (place / "compare.json").write_text(json.dumps(result, indent=2, allow_nan=False) + "\n", encoding="utf-8")
        (place / "compare.md").write_text(table(result) + "\n", encoding="utf-8")
        (place / PAGE).write_text(laid_out, encoding="utf-8")
    return folder, result


def with_stages(config: RunConfig) -> RunConfig:
    """Give a flat config a gate and a labeler: its own model, which is the flat contender too."""
    if config.flat is None:
        return config
    model = config.flat.model
    # Of one label there are no shares, and no rarity.
    gate = model.model_copy(update={"loss": "bce", "sampling": None}) if isinstance(model, KerasModel) else model
    return config.model_copy(update={"flat": None, "gate": gate, "labeler": LabelerConfig(model=model)})


def contenders_of(config: RunConfig, data: Dataset, pools: tuple[str, ...]) -> dict[str, Any]:
    """Contenders with the config's gate and its labeler's model as base learner."""
    model = config.labeler.model
    # One label has no rarity to sample by: that is for the models of all labels.
    of_one = model.model_copy(update={"sampling": None}) if isinstance(model, KerasModel) else model
    options = config.cascade.model_dump(exclude={"negative_pool", "calibration_folds"})
    return contenders(
        build_model(config.gate, data),
        build_model(of_one, data),
        # A network answers for all labels at once; other learners are fitted label by label.
        build_model(model, data) if isinstance(model, KerasModel) else None,
        n_bags=config.labeler.n_bags,
        n_jobs=config.labeler.n_jobs,
        calibration_folds=config.cascade.calibration_folds,
        any_label=config.data.any_label,
        random_state=config.seed,
        pools=pools,
        label_names=data.label_names,
        **options,
    )
