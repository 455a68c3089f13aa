"""The space around a config: its own values are part of it, and every setting is a valid config."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cascade.config.build import build_cascade
from cascade.config.models import ExitGate, NoGate
from cascade.config.schema import PolicyConfig, RunConfig
from cascade.data import Dataset, read_data
from cascade.errors import ConfigError
from cascade.estimators.boosting.kinds import BOOSTERS
from cascade.tuning.trial import CASCADE, EXIT, FLAT, Setting
from cascade_pipelines.steps.tuning_space import config_of, space_of

MODELS: dict[str, dict[str, Any]] = {
    "linear": {"kind": "logistic_regression", "options": {"C": 0.3}},
    "forest": {"kind": "random_forest", "options": {"n_estimators": 30, "max_depth": 5}},
    "boosting": {
        "kind": "hist_gradient_boosting",
        "options": {"max_iter": 7, "max_leaf_nodes": 4, "learning_rate": 0.1},
    },
    "lightgbm": {"kind": "lightgbm", "options": {"n_estimators": 7, "num_leaves": 4, "learning_rate": 0.1}},
    "xgboost": {"kind": "xgboost", "options": {"n_estimators": 7, "max_depth": 2, "learning_rate": 0.3}},
    "mlp": {"kind": "keras", "network_options": {"width": 10, "depth": 1}, "epochs": 3},
    "cnn": {"kind": "keras", "network": "cnn", "network_options": {"width": 12, "flip": True}, "epochs": 3},
    "application": {"kind": "keras", "network": "mobilenet_v3_small", "epochs": 3},
}
IMAGES = ("cnn", "application")


@pytest.fixture
def rows(request: pytest.FixtureRequest, phantom_folder: Path, tmp_path: Path) -> Dataset:
    if request.param in BOOSTERS:
        pytest.importorskip(request.param)
    if request.param in IMAGES:
        return read_data(phantom_folder)
    rng = np.random.default_rng(0)
    np.savez(tmp_path / "rows.npz", X=rng.normal(size=(50, 3)), Y=rng.integers(0, 2, (50, 2)))
    return read_data(tmp_path / "rows.npz")


def config_for(kind: str, **changes: Any) -> RunConfig:
    labeler = {"model": MODELS[kind], **changes}
    body = {"name": "x", "data": {"path": "x"}, "gate": MODELS[kind], "labeler": labeler, "flat_baseline": True}
    return RunConfig.model_validate(body)


PAIRS = [(kind, kind) for kind in MODELS]


@pytest.mark.parametrize(("kind", "rows"), PAIRS, ids=MODELS, indirect=["rows"])
def test_every_setting_is_a_config_and_the_own_values_are_one(kind: str, rows: Dataset) -> None:
    config = config_for(kind)
    space = space_of(config, rows)
    planned = list(space.planned())
    assert planned[0].kind == FLAT
    assert isinstance(config_of(config, planned[0]).gate, NoGate)
    own = config_of(config, planned[-1])
    assert own.labeler.model == config.labeler.model
    assert own.cascade == config.cascade
    assert own.gate.model_dump(exclude={"options", "network_options", "targets"}) == config.gate.model_dump(
        exclude={"options", "network_options", "targets"}
    )
    for key, candidates in space.candidates.items():
        assert len(set(candidates)) == len(candidates) >= 2
        for value in candidates:
            changed = config_of(config, Setting(CASCADE, {**space.start(), key: value})).model_dump(mode="json")
            for name in key.split("."):
                changed = changed[name]
            assert changed == value


@pytest.mark.parametrize("loss", ["bce", "focal"])
@pytest.mark.parametrize("rows", ["cnn"], indirect=True)
def test_an_exit_is_planned_where_the_labeler_can_have_one(loss: str, rows: Dataset) -> None:
    config = config_for("cnn", model=MODELS["cnn"] | {"loss": loss})
    exits = [config_of(config, setting) for setting in space_of(config, rows).planned() if setting.kind == EXIT]
    assert len(exits) == (1 if loss == "bce" else 0)
    for each in exits:
        assert each.gate == ExitGate()
        assert build_cascade(each, rows).get_params(deep=False)["negative_pool"] == "all"


@pytest.mark.parametrize("rows", ["cnn"], indirect=True)
def test_planned_gates_are_smaller_than_their_labeler(rows: Dataset) -> None:
    config = config_for("cnn")
    candidates = space_of(config, rows).candidates
    assert candidates["labeler.model.network_options.width"] == (12, 8, 18)
    # The last one is the config's own.
    assert candidates["gate.network_options.width"] == (6, 8, 4, 12)
    # A quarter of 32 pixels would be below the smallest size.
    assert candidates["gate.image_size"] == (None, 16)
    first, longer, whole, smaller, *_ = [
        config_of(config, setting).gate for setting in space_of(config, rows).planned() if setting.kind == CASCADE
    ]
    strided, plain = ({"width": 6, "last_stride": stride, "flip": True} for stride in (2, 1))
    assert (first.network_options, first.image_size, first.epochs) == (strided, None, config.gate.epochs)
    assert (longer.network_options, longer.image_size, longer.epochs) == (strided, None, 2 * config.gate.epochs)
    assert (whole.network_options, whole.image_size, whole.epochs) == (plain, None, 2 * config.gate.epochs)
    assert (smaller.network_options, smaller.image_size, smaller.epochs) == (plain, 16, config.gate.epochs)


@pytest.mark.parametrize(("gate", "width", "wanted"), [("application", 12, None), ("cnn", 1, 1), ("cnn", 3, 2)])
@pytest.mark.parametrize("rows", ["cnn"], indirect=True)
def test_a_planned_gate_has_a_width_only_where_its_network_has_one(
    rows: Dataset, gate: str, width: int, wanted: int | None
) -> None:
    config = config_for("cnn", model={**MODELS["cnn"], "network_options": {"width": width}})
    config = config.model_copy(update={"gate": config_for(gate).gate})
    planned = [setting for setting in space_of(config, rows).planned() if setting.kind == CASCADE]
    options = config_of(config, planned[1]).gate.network_options
    assert (options or {}).get("width") == wanted


@pytest.mark.parametrize("rows", ["linear"], indirect=True)
def test_balanced_labelers_vary_in_their_bags(rows: Dataset) -> None:
    config = config_for("linear", strategy="balanced", n_bags=10)
    space = space_of(config, rows)
    assert space.cascade["labeler.n_bags"] == (10, 3)
    flat, *_, own = (config_of(config, setting) for setting in space.planned())
    assert (flat.labeler.strategy, own.labeler.strategy, own.labeler.n_bags) == ("multilabel", "balanced", 10)


@pytest.mark.parametrize("rows", ["linear"], indirect=True)
def test_a_flat_model_has_no_certificate(rows: Dataset) -> None:
    config = config_for("linear")
    cascade = config.cascade.model_copy(update={"gate_policy": PolicyConfig()})
    config = config.model_copy(update={"cascade": cascade})
    flat, *_, own = (config_of(config, setting) for setting in space_of(config, rows).planned())
    assert flat.cascade.gate_policy is None
    assert own.cascade.gate_policy == PolicyConfig()
    build_cascade(flat, rows).fit(rows.X, rows.Y)


def test_an_invalid_value_is_refused_by_name() -> None:
    with pytest.raises(ConfigError, match="the config does not allow"):
        config_of(config_for("linear"), Setting(CASCADE, {"cascade.merge": "no"}))
