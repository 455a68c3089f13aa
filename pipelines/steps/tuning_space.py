"""The space that `cascade tune` searches for a config, and the config of one of its settings."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from cascade.config.build import build_model, network_name
from cascade.config.models import AutoModel, ExitGate, KerasModel, Model, NoGate
from cascade.config.schema import RunConfig
from cascade.data import Dataset
from cascade.errors import ConfigError
from cascade.tuning.space import Space
from cascade.tuning.trial import EXIT, FLAT, Setting, Values

Candidates = dict[str, tuple[Any, ...]]

LABELER, GATE = "labeler.model", "gate"
POOL = "cascade.negative_pool"
WIDTHS = {"cnn": 24, "mlp": 64, "embedding_bag": 64}
"""Width of a network by name, where the config does not set it."""
SMALLEST_IMAGE = 16
"""Height and width in pixels of the smallest images that a gate is tried on."""
SIZES = ("width", "max_iter", "n_estimators")
"""Last names of the keys that determine the size of a labeler."""
GATE_WIDTHS = (1 / 2, 2 / 3, 1 / 3)
"""Widths of a gate to try, as shares of the labeler's."""
LAST_STRIDES = (2, 1)
"""Strides of the last convolution of a gate: a narrow gate of 2 that sees the whole image lets the fewest rows pass."""
LABELER_EPOCHS, GATE_EPOCHS = (1, 0.5, 1.5), (1, 2)
"""Epochs to try, as multiples of the config's."""
ONE_TRAINING: Values = {POOL: "all", "labeler.strategy": "multilabel", "labeler.pretrain": "all"}
"""Values of a labeler with an exit as gate."""
NO_GATE: Values = {"cascade.gate_policy": None, "flat_baseline": False, "labeler.strategy": "multilabel"}
"""Values of a flat model: what needs a gate is left out, and of the strategies it has the better one."""
SEVERAL_OUTPUTS = ("keras", "random_forest")
"""Kinds of gates that can learn several outputs."""
ROUNDS, LEAVES, TREES, PENALTY = 100, 31, 100, 1.0
"""The libraries' rounds and leaves of boosting, scikit-learn's `n_estimators` of forests, and `C`."""


class Boosting(NamedTuple):
    """How a library of boosted trees names its rounds and the size of a tree, with sizes and its learning rate."""

    rounds: str
    size: str
    sizes: tuple[int, int, int]
    rate: float


BOOSTING = {
    "hist_gradient_boosting": Boosting("max_iter", "max_leaf_nodes", (15, 7, LEAVES), 0.1),
    "lightgbm": Boosting("n_estimators", "num_leaves", (15, 7, LEAVES), 0.1),
    "xgboost": Boosting("n_estimators", "max_depth", (4, 3, 6), 0.3),
}
"""By kind; the last size is the library's own."""


def space_of(config: RunConfig, data: Dataset) -> Space:
    """Return the space around a config with a gate and without "auto", for rows like those of `data`."""
    model = config.labeler.model
    assert not isinstance(config.gate, (ExitGate, NoGate, AutoModel))
    assert not isinstance(model, AutoModel)
    labeler = {f"{LABELER}.{key}": values for key, values in _labeler(model, data).items()}
    searched = {f"{GATE}.{key}": pair for key, pair in _gate(config.gate, model, data).items()}
    # What a gate of one output per label gains depends on the data; other kinds have one output in any case.
    if config.gate.kind in SEVERAL_OUTPUTS:
        searched["gate.targets"] = "any" if config.gate.targets == "any" else "labels", ("labels", "any")
    if config.labeler.strategy == "balanced":
        searched["labeler.n_bags"] = config.labeler.n_bags, _whole(config.labeler.n_bags, (1, 0.3))
    searched[POOL] = config.cascade.negative_pool, ("gated", "positives", "all")
    searched["cascade.merge"] = config.cascade.merge, ("stacked", "pool")
    cascade = {key: tuple(dict.fromkeys((*values, given))) for key, (given, values) in searched.items()}
    sizes = tuple(key for key in labeler if key.rsplit(".")[-1] in SIZES)
    gates = _other_gates(config.gate, data)
    others = [{f"{GATE}.{key}": value for key, value in gate.items()} for gate in gates]
    resized = ({key: value} for key in sizes for value in labeler[key])
    # The config as it is comes last: what is left of the plan has better prospects.
    given = {key: values[0] for key, values in labeler.items()} | {key: value for key, (value, _) in searched.items()}
    recipes = {}, *others, *resized, given
    has_exit = getattr(build_model(model, data), "can_have_exit", False)
    return Space(labeler, cascade, sizes, _longer(model), recipes, {POOL: "all"}, has_exit)


def _labeler(model: Model, data: Dataset) -> Candidates:
    """Return candidates by key of the labeler, the config's value first."""
    if isinstance(model, KerasModel):
        width = _width(model, data)
        rates = tuple(model.learning_rate * factor for factor in (1, 0.5, 2))
        epochs = _whole(model.epochs, LABELER_EPOCHS)
        sizes = {} if width is None else {"network_options.width": _whole(width, (1, 2 / 3, 1.5))}
        return {**sizes, "learning_rate": rates, "epochs": epochs}
    if (boosting := BOOSTING.get(model.kind)) is not None:
        rate = model.options.get("learning_rate", boosting.rate)
        rounds = _whole(model.options.get(boosting.rounds, ROUNDS), (1, 0.5, 2))
        return {f"options.{boosting.rounds}": rounds, "options.learning_rate": (rate, rate / 2)}
    if model.kind == "random_forest":
        return {"options.n_estimators": _whole(model.options.get("n_estimators", TREES), (1, 0.5, 2))}
    penalty = model.options.get("C", PENALTY)
    return {"options.C": (penalty, penalty / 10, penalty * 10)}


def _gate(gate: Model, labeler: Model, data: Dataset) -> dict[str, tuple[Any, tuple[Any, ...]]]:
    """Return the config's value and candidates by key of the gate, the most promising candidate first."""
    if isinstance(gate, KerasModel):
        whole = _whole_width(gate, labeler, data)
        sizes = {} if whole is None else {"network_options.width": (_width(gate, data), _whole(whole, GATE_WIDTHS))}
        images = {"image_size": (gate.image_size, _resolutions(data))} if len(data.X.shape) == 4 else {}
        if network_name(gate, data) == "cnn":
            images["network_options.last_stride"] = (gate.network_options or {}).get("last_stride", 1), LAST_STRIDES
        return {**sizes, **images, "epochs": (gate.epochs, _whole(gate.epochs, GATE_EPOCHS))}
    options = gate.options
    if (boosting := BOOSTING.get(gate.kind)) is not None:
        rounds, size = options.get(boosting.rounds, ROUNDS), options.get(boosting.size, boosting.sizes[-1])
        fewer = _whole(rounds, (0.25, 0.1, 1))
        return {f"options.{boosting.rounds}": (rounds, fewer), f"options.{boosting.size}": (size, boosting.sizes)}
    if gate.kind == "random_forest":
        trees = options.get("n_estimators", TREES)
        depths = (8, 4, None)
        return {
            "options.n_estimators": (trees, _whole(trees, (0.25, 0.1, 1))),
            "options.max_depth": (options.get("max_depth"), depths),
        }
    penalty = options.get("C", PENALTY)
    return {"options.C": (penalty, (penalty, penalty / 10, penalty * 10))}


def _longer(model: Model) -> tuple[Values, ...]:
    """Return what may make the best flat model better: more epochs, where it is a network."""
    if not isinstance(model, KerasModel):
        return ()
    return ({f"{LABELER}.epochs": max(_whole(model.epochs, LABELER_EPOCHS))},)


def _other_gates(gate: Model, data: Dataset) -> list[Values]:
    """Return other gates to try: those that cost more and let fewer rows pass, and of images a smaller one."""
    if isinstance(gate, KerasModel):
        longer: Values = {"epochs": max(_whole(gate.epochs, GATE_EPOCHS))}
        whole = {"network_options.last_stride": 1} if network_name(gate, data) == "cnn" else {}
        sizes = _resolutions(data)[1:2] if len(data.X.shape) == 4 else ()
        smaller: list[Values] = [{**whole, "image_size": size} for size in sizes]
        return [longer, *([{**longer, **whole}] if whole else []), *smaller]
    if (boosting := BOOSTING.get(gate.kind)) is not None:
        rounds = gate.options.get(boosting.rounds, ROUNDS)
        return [{f"options.{boosting.rounds}": rounds, f"options.{boosting.size}": boosting.sizes[-1]}]
    if gate.kind == "random_forest":
        return [{"options.n_estimators": gate.options.get("n_estimators", TREES), "options.max_depth": None}]
    return []


def _whole_width(gate: KerasModel, labeler: Model, data: Dataset) -> int | None:
    """Return the width of which a gate's are shares: the labeler's, or else its own; None if a gate has no width."""
    own = _width(gate, data)
    # A gate as large as its labeler saves nothing.
    return own and ((_width(labeler, data) if isinstance(labeler, KerasModel) else None) or own)


def _width(model: KerasModel, data: Dataset) -> int | None:
    """Return the width of a network; None if it has no such option."""
    return (model.network_options or {}).get("width", WIDTHS.get(network_name(model, data)))


def _resolutions(data: Dataset) -> tuple[int | None, ...]:
    """Return heights of the gate's images; None leaves them unchanged."""
    size = max(data.X.shape[1:3])
    smaller = tuple(size // factor for factor in (2, 4) if size // factor >= SMALLEST_IMAGE)
    return (None, *smaller)


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
        values |= NO_GATE
    elif setting.kind == EXIT:
        content["gate"] = {"kind": "exit", "targets": content["gate"]["targets"]}
        values |= ONE_TRAINING
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
