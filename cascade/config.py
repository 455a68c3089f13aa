"""Whole runs as YAML, checked by pydantic: an unknown key is an error that names the nearest valid one."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    Discriminator,
    Field,
    Tag,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from cascade.decisions import check_decision
from cascade.errors import ConfigError
from cascade.loss_options import check_loss
from cascade.many.options import check_decoder
from cascade.retraining.options import DataLimitsConfig, PromotionConfig
from cascade.runtime.kinds import AUTO, RUNTIMES, exporting_runtimes
from cascade.strict import Strict

LARGEST = 2**20


def _refused_as_value(check: Callable[[Any], object], value: Any) -> Any:
    try:
        check(value)
    except ConfigError as error:
        # pydantic collects values that do not fit from ValueError alone; the sentence begins with the key already.
        name, sentence = str(error).split(" Received ")[0].rstrip(".").split(" ", 1)
        option = name.strip("`").partition(".")[2]
        raise ValueError(f"`{option}` {sentence}" if option else sentence) from error
    return value


def _known_windows(windows: Any) -> Any:
    # What reads data brings more than a config without windows needs.
    from cascade.data.windows import check_windows

    _refused_as_value(check_windows, windows)
    return windows


class DataConfig(Strict):
    """Where the data is and which columns play which role."""

    path: Path
    label_file: Path | None = None
    labels: list[str] | None = None
    group: str | None = None
    id: str | None = None
    allow_missing: bool = False
    missing_labels: bool = False
    any_label: str | None = "auto"
    windows: Annotated[Any, AfterValidator(_known_windows)] = "rsna"
    image_size: int | None = Field(default=None, ge=1)
    test_size: float = Field(default=0.2, gt=0, lt=1)


def _known_loss(loss: Any) -> Any:
    return _refused_as_value(check_loss, loss)


def _known_sampling(sampling: Any) -> Any:
    if sampling is None:
        return None
    # Samplers bring scikit-learn, which a config without them does not need.
    from cascade.sampling import check_sampling

    return _refused_as_value(check_sampling, sampling)


class KerasModel(Strict):
    """A Keras network."""

    kind: Literal["keras"] = "keras"
    network: Literal["mlp", "cnn", "mobilenet_v3_small", "efficientnet_v2_b0"] | None = None
    network_options: dict[str, Any] | None = None
    epochs: int = Field(default=10, ge=1)
    batch_size: int = Field(default=128, ge=1)
    learning_rate: float = Field(default=2e-3, gt=0)
    validation_size: float = Field(default=0.1, ge=0, lt=1)
    patience: int = Field(default=3, ge=1)
    loss: Annotated[Any, AfterValidator(_known_loss)] = "bce"
    top_k: int | None = Field(default=None, ge=1)
    sampling: Annotated[Any, AfterValidator(_known_sampling)] = None
    image_size: int | None = Field(default=None, ge=1)


class SklearnModel(Strict):
    """A scikit-learn classifier with its own options."""

    kind: Literal["logistic_regression", "random_forest", "hist_gradient_boosting"]
    options: dict[str, Any] = {}


def _family(model: Any) -> str:
    """Which of the two models a part of a config describes; a network where nothing is said."""
    kind = model.get("kind", "keras") if isinstance(model, dict) else getattr(model, "kind", "keras")
    return "keras" if kind == "keras" else "sklearn"


Model = Annotated[Annotated[KerasModel, Tag("keras")] | Annotated[SklearnModel, Tag("sklearn")], Discriminator(_family)]


def _refuse_sampling(model: Any) -> None:
    if getattr(model, "sampling", None) is not None:
        raise ValueError("must have no `sampling`: a model of one label knows no rarity; give it to a labeler of all")


class LabelerConfig(Strict):
    """How the labels are named: one multi-label model, or balanced binary models in bags."""

    strategy: Literal["multilabel", "balanced"] = "multilabel"
    model: Model = KerasModel(epochs=40)
    n_bags: int = Field(default=10, ge=1)
    n_jobs: int | None = None

    @field_validator("model")
    @classmethod
    def _check_model(cls, value: Any, info: ValidationInfo) -> Any:
        if info.data.get("strategy") == "balanced":
            _refuse_sampling(value)
        return value

    @field_validator("n_jobs")
    @classmethod
    def _check_n_jobs(cls, value: int | None) -> int | None:
        if value == 0:
            raise ValueError("must not be 0; -1 takes all cores")
        return value


def _checked(decision: Any) -> Any:
    return _refused_as_value(check_decision, decision)


Checked = Annotated[Any, AfterValidator(_checked)]


class PolicyConfig(Strict):
    """A guarantee wanted of the gate."""

    recall: float = Field(default=0.95, gt=0, lt=1)
    confidence: float = Field(default=0.95, gt=0, lt=1)
    claim: Literal["joint", "per_label"] = "joint"
    accept_bound: bool = False
    size: float = Field(default=0.2, gt=0, lt=1)


class CascadeConfig(Strict):
    """How both stages become one."""

    negative_pool: Literal["positives", "all", "gated"] = "positives"
    calibration: Literal["platt", "beta", "isotonic", "none"] = "platt"
    calibration_size: float = Field(default=0.2, gt=0, lt=1)
    calibration_folds: int | None = Field(default=None, ge=2)
    gate_recall: float = Field(default=0.95, gt=0, le=1)
    gate_policy: PolicyConfig | None = None
    decision: Checked = "f1"
    label_decisions: dict[str, Checked] | None = None
    coherence: Literal["lift", "labels", "any"] = "lift"
    rejected: Literal["share", "zero"] = "share"
    share_trunk: bool = False


def _known_decoder(decoder: Any) -> Any:
    return _refused_as_value(check_decoder, decoder)


class FlatConfig(Strict):
    """One model for all labels and no gate, in the place of gate, labeler and cascade."""

    model: Model = KerasModel()
    decoder: Annotated[Any, AfterValidator(_known_decoder)] = "f1"
    calibration_size: float = Field(default=0.2, gt=0, lt=1)


class RetrainConfig(Strict):
    """When new data is used, and when a challenger takes the champion's place."""

    promotion: PromotionConfig = Field(default_factory=PromotionConfig)
    limits: DataLimitsConfig = Field(default_factory=DataLimitsConfig)


class RunConfig(Strict):
    """One training run."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    seed: int = Field(default=0, ge=0)
    data: DataConfig
    gate: Model = KerasModel()
    labeler: LabelerConfig = LabelerConfig()
    cascade: CascadeConfig = Field(default_factory=CascadeConfig)
    flat: FlatConfig | None = None
    runtimes: list[str] | Literal["auto"] = "auto"
    retrain: RetrainConfig = Field(default_factory=RetrainConfig)

    @model_validator(mode="after")
    def _one_strategy(self) -> RunConfig:
        beside = sorted(self.model_fields_set & {"gate", "labeler", "cascade"})
        if self.flat is not None and beside:
            raise ValueError(f"`flat` must stand without `{beside[0]}`: a flat model has no stages")
        return self

    @field_validator("runtimes")
    @classmethod
    def _check_runtimes(cls, value: Any) -> Any:
        odd = [] if value == AUTO else [name for name in value if name not in RUNTIMES]
        if odd:
            raise ValueError(f"must be 'auto' or a list of {', '.join(RUNTIMES)}; {odd[0]!r} is not known")
        return value

    def exported_to(self) -> tuple[str, ...]:
        """Runtimes that the model's networks are exported to: as asked, or those that are installed."""
        return exporting_runtimes() if self.runtimes == AUTO else tuple(self.runtimes)

    @field_validator("gate")
    @classmethod
    def _check_gate(cls, value: Any) -> Any:
        _refuse_sampling(value)
        return value


class UniqueKeys(yaml.SafeLoader):
    """YAML without tags, in which a key stands once in a mapping."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """Refuse a repeated key; the last one would win without a word."""
        seen: set[Any] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value in seen:
                raise yaml.constructor.ConstructorError(None, None, f"key {key.value!r} stands twice", key.start_mark)
            seen.add(key.value if isinstance(key, yaml.ScalarNode) else None)
        return super().construct_mapping(node, deep)


def load_config(path: str | Path, overrides: list[str] | None = None) -> RunConfig:
    """Read a config file.

    Parameters
    ----------
    path : path
        YAML without tags.
    overrides : list of str, optional
        ``key.key=value`` each, the value in YAML.

    Raises
    ------
    ConfigError
    """
    path = Path(path)
    if not path.is_file():
        raise ConfigError(f"`{path}` is not a config file; give the path of a YAML file.")
    if path.stat().st_size > LARGEST:
        raise ConfigError(f"`{path}` is larger than {LARGEST} bytes, which no config needs.")
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), Loader=UniqueKeys)
    except (yaml.YAMLError, ValueError) as error:
        raise ConfigError(f"`{path}` is not plain YAML: {str(error).splitlines()[0]}.") from error
    if not isinstance(content, dict):
        raise ConfigError(f"`{path}` must hold keys and values. Received {type(content).__name__}.")
    for override in overrides or []:
        _override(content, override)
    try:
        return RunConfig.model_validate(content)
    except ValidationError as error:
        raise ConfigError(f"`{path}`: {_first_sentence(error, content)}") from error


def _override(content: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    if not equals or not key:
        raise ConfigError(f"`--set` must have the form key.key=value. Received {override!r}.")
    try:
        value = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError) as error:
        raise ConfigError(f"`--set {key}` must be given a plain YAML value. Received {text!r}.") from error
    *parents, last = key.split(".")
    place = content
    for parent in parents:
        held = place.get(parent, {})
        if not isinstance(held, dict):
            raise ConfigError(f"`--set {key}` does not name a key: {parent!r} holds a value.")
        # A copy: with YAML's anchors two keys may share one mapping, and only this one is meant.
        place[parent] = dict(held)
        place = place[parent]
    place[last] = value


def _first_sentence(error: ValidationError, content: dict[str, Any]) -> str:
    # A misspelt key is the cause where another one is then missing.
    first = min(error.errors(), key=lambda found: (found["loc"][-1:] != ("kind",), found["type"] != "extra_forbidden"))
    sentence = first["msg"].removeprefix("Value error, ")
    if not first["loc"]:
        return f"{sentence}."
    where = [str(part) for place, part in enumerate(first["loc"]) if place == 0 or part not in ("keras", "sklearn")]
    key = ".".join(where)
    if first["type"] == "extra_forbidden":
        known = _known_keys(error, where[:-1])
        if where[-1] in known:
            return f"key `{key}` belongs to another `kind` of model than `{'.'.join(where[:-1])}.kind` names."
        near = difflib.get_close_matches(where[-1], known, n=1, cutoff=0.0)
        return f"unknown key `{key}`; did you mean `{'.'.join([*where[:-1], *near])}`?"
    if first["type"] == "missing":
        return f"key `{key}` is missing; it has no default."
    received = first["input"]
    return f"`{key}` {sentence[0].lower()}{sentence[1:]}. Received {received!r}."


def _known_keys(error: ValidationError, parents: list[str]) -> list[str]:
    homes: dict[str, list[type[BaseModel]]] = {
        "": [RunConfig],
        "data": [DataConfig],
        "gate": [KerasModel, SklearnModel],
        "labeler": [LabelerConfig],
        "labeler.model": [KerasModel, SklearnModel],
        "cascade": [CascadeConfig],
        "cascade.gate_policy": [PolicyConfig],
        "flat": [FlatConfig],
        "retrain": [RetrainConfig],
        "retrain.promotion": [PromotionConfig],
        "retrain.limits": [DataLimitsConfig],
        "flat.model": [KerasModel, SklearnModel],
    }
    return [name for model in homes.get(".".join(parents), []) for name in model.model_fields]
