"""The space that `cascade tune` searches for a config, and the config of one of its settings."""

from __future__ import annotations

import math
from typing import Any

from cascade.config.schema import KerasModel, Model, NoGate, RunConfig
from cascade.data import Dataset
from cascade.errors import ConfigError
from cascade.tuning.space import Space
from cascade.tuning.trial import FLAT, Setting, Values

Candidates = dict[str, tuple[Any, ...]]

LABELER, GATE = "labeler.model", "gate"
POOL = "cascade.negative_pool"
WIDTHS = {"cnn": 24, "mlp": 64}
"""Width of a network by name, where the config does not set it."""
SMALLEST_IMAGE = 16
"""Height and width in pixels of the smallest images that a gate is tried on."""
ROUNDS, RATE, TREES, PENALTY = 100, 0.1, 100, 1.0
"""Defaults of scikit-learn: `max_iter` and `learning_rate` of boosting, `n_estimators` of forests, and `C`."""


def space_of(config: RunConfig, data: Dataset) -> Space:
    """Return the space around a config with a gate, for rows like those of `data`."""
    model = config.labeler.model
    assert not isinstance(config.gate, NoGate)
    labeler = {f"{LABELER}.{key}": values for key, values in _labeler(model, data).items()}
    if config.labeler.strategy == "balanced":
        labeler["labeler.n_bags"] = _whole(config.labeler.n_bags, (1, 0.3))
    gate = {f"{GATE}.{key}": values for key, values in _gate(config.gate, model, data).items()}
    rules: Candidates = {POOL: ("gated", "positives", "all"), "cascade.merge": ("stacked", "pool")}
    # What a gate of one output per label gains depends on the data; others have one output in any case.
    if config.gate.kind in ("keras", "random_forest"):
        gate["gate.targets"] = ("labels", "any")
    sizes = tuple(key for key in labeler if key.rsplit(".")[-1] in ("width", "max_iter", "n_estimators", "n_bags"))
    recipes = tuple({key: value} for key in sizes for value in labeler[key])
    return Space(labeler, gate | rules, sizes, ({}, *recipes), {POOL: "all"})


def _labeler(model: Model, data: Dataset) -> Candidates:
    if isinstance(model, KerasModel):
        width = _width(model, data)
        rates = tuple(model.learning_rate * factor for factor in (1, 0.5, 2))
        epochs = _whole(model.epochs, (1, 0.5, 1.5))
        sizes = {} if width is None else {"network_options.width": _whole(width, (1, 2 / 3, 1.5))}
        return {**sizes, "learning_rate": rates, "epochs": epochs}
    if model.kind == "hist_gradient_boosting":
        rate = model.options.get("learning_rate", RATE)
        rounds = _whole(model.options.get("max_iter", ROUNDS), (1, 0.5, 2))
        return {"options.max_iter": rounds, "options.learning_rate": (rate, rate / 2)}
    if model.kind == "random_forest":
        return {"options.n_estimators": _whole(model.options.get("n_estimators", TREES), (1, 0.5, 2))}
    penalty = model.options.get("C", PENALTY)
    return {"options.C": (penalty, penalty / 10, penalty * 10)}


def _gate(gate: Model, labeler: Model, data: Dataset) -> Candidates:
    if isinstance(gate, KerasModel):
        # From the width of the labeler: a gate as large as its labeler saves nothing.
        width = _width(labeler, data) if isinstance(labeler, KerasModel) else None
        width = width or _width(gate, data)
        sizes = {} if width is None else {"network_options.width": _whole(width, (2 / 3, 1 / 3, 1))}
        return {**sizes, **_resolutions(data), "epochs": _whole(gate.epochs, (1, 2))}
    if gate.kind == "hist_gradient_boosting":
        rounds = gate.options.get("max_iter", ROUNDS)
        return {"options.max_iter": _whole(rounds, (0.25, 0.1, 1)), "options.max_leaf_nodes": (15, 7, 31)}
    if gate.kind == "random_forest":
        return {
            "options.n_estimators": _whole(gate.options.get("n_estimators", TREES), (0.25, 0.1, 1)),
            "options.max_depth": (8, 4, None),
        }
    penalty = gate.options.get("C", PENALTY)
    return {"options.C": (penalty, penalty / 10, penalty * 10)}


def _width(model: KerasModel, data: Dataset) -> int | None:
    """Return the width of a network; None if it has no such option."""
    name = model.network or ("cnn" if len(data.X.shape) == 4 else "mlp")
    return (model.network_options or {}).get("width", WIDTHS.get(name))


def _resolutions(data: Dataset) -> Candidates:
    if len(data.X.shape) != 4:
        return {}
    size = max(data.X.shape[1:3])
    smaller = tuple(size // factor for factor in (2, 4) if size // factor >= SMALLEST_IMAGE)
    return {"image_size": (*smaller, size)}


def _whole(base: int, factors: tuple[float, ...]) -> tuple[int, ...]:
    """Return multiples as whole numbers of 1 or more, each once, in order."""
    return tuple(dict.fromkeys(max(1, math.ceil(base * factor)) for factor in factors))


def config_of(config: RunConfig, setting: Setting) -> RunConfig:
    """Return a config with the values of a setting.

    Raises
    ------
    ConfigError
        If a value is not valid.
    """
    content = config.model_dump(mode="python")
    # The trunk can be shared only by networks of one size.
    values: Values = {"cascade.share_trunk": False, **setting.values}
    if setting.kind == FLAT:
        content["gate"] = {"kind": "none"}
    for key, value in values.items():
        _set(content, key.split("."), value)
    try:
        return RunConfig.model_validate(content)
    except ValueError as error:
        raise ConfigError(f"the config does not allow {setting.values}: {error}") from error


def _set(content: dict[str, Any], path: list[str], value: Any) -> None:
    *parents, last = path
    for parent in parents:
        # `network_options` is None where the config has none.
        content[parent] = dict(content.get(parent) or {})
        content = content[parent]
    content[last] = value
