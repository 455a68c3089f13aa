"""Config files in YAML: an unknown key is an error that names the nearest valid one."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from cascade.config.models import (
    TEXT,
    EmbeddingsConfig,
    EncoderConfig,
    ImageEncoderConfig,
    KerasGate,
    KerasModel,
    OnnxTextConfig,
    SklearnGate,
    SklearnModel,
)
from cascade.config.retraining import DataLimitsConfig, PromotionConfig
from cascade.config.schema import (
    CascadeConfig,
    DataConfig,
    LabelerConfig,
    ManyLabelsConfig,
    PolicyConfig,
    RetrainConfig,
    RunConfig,
)
from cascade.errors import ConfigError

LARGEST = 2**20
"""Size of a config file in bytes."""


class UniqueKeys(yaml.SafeLoader):
    """Loader of YAML without tags, in which a key occurs once per mapping."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """Refuse a repeated key; PyYAML would silently use the last one."""
        # Before `super` merges `<<`: a mapping may override the keys that it merges.
        seen: set[Any] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value in seen:
                raise yaml.constructor.ConstructorError(None, None, f"key {key.value!r} occurs twice", key.start_mark)
            seen.add(key.value if isinstance(key, yaml.ScalarNode) else None)
        return super().construct_mapping(node, deep)


def load_config(path: str | Path, overrides: list[str] | None = None) -> RunConfig:
    """Read a config file.

    Parameters
    ----------
    path : path
        YAML without tags.
    overrides : list of str, optional
        Each is ``key.key=value``, with the value in YAML.

    Returns
    -------
    RunConfig

    Raises
    ------
    ConfigError
        If the file cannot be read, or a key or value is not valid.
    """
    path = Path(path)
    if not path.is_file():
        raise ConfigError(f"`{path}` is not a config file; give the path of a YAML file.")
    # Before the file is read: a model or an archive that was named by mistake may have gigabytes.
    size = path.stat().st_size
    if size > LARGEST:
        raise ConfigError(f"`{path}` must have at most {LARGEST} bytes to be a config. Received {size}.")
    try:
        # PyYAML raises ValueError for text such as an impossible date, and so does text that is not UTF-8.
        content = yaml.load(path.read_text(encoding="utf-8"), Loader=UniqueKeys)
    except (yaml.YAMLError, ValueError) as error:
        raise ConfigError(f"`{path}` is not plain YAML: {str(error).splitlines()[0]}.") from error
    if not isinstance(content, dict):
        raise ConfigError(f"`{path}` must be a mapping of keys to values. Received {type(content).__name__}.")
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
        value = yaml.load(text, Loader=UniqueKeys)
    except (yaml.YAMLError, ValueError) as error:
        problem = getattr(error, "problem", None)
        reason = f" ({problem})" if problem else ""
        raise ConfigError(f"`--set {key}` must be given a plain YAML value. Received {text!r}{reason}.") from error
    # Whether the key exists is left to the validation, whose error names the nearest valid key.
    *parents, last = key.split(".")
    place = content
    for parent in parents:
        mapping = place.get(parent, {})
        if not isinstance(mapping, dict):
            raise ConfigError(f"`--set {key}` does not name a key: {parent!r} has a value, not keys.")
        # A copy, since YAML's anchors let two keys share one mapping, of which only this one is changed.
        place[parent] = dict(mapping)
        place = place[parent]
    place[last] = value


def _first_sentence(error: ValidationError, content: dict[str, Any]) -> str:
    # An unknown key comes first: if it is a misspelt one, another error says that the right one is missing.
    first = min(error.errors(), key=lambda problem: problem["type"] != "extra_forbidden")
    sentence = first["msg"].removeprefix("Value error, ")
    # Errors of the whole run, such as `flat` beside `gate`, have no place and name their keys themselves.
    if not first["loc"]:
        return f"{sentence}."
    # pydantic adds the tag of a union to the place, which is no key. A top-level key is kept whatever its name.
    tags = ("keras", "sklearn", "auto", "exit", "none")
    where = [
        str(part)
        for place, part in enumerate(first["loc"])
        if place == 0 or not (part in tags or str(part).startswith(TEXT))
    ]
    key = ".".join(where)
    if first["type"] == "extra_forbidden":
        known = _known_keys(error, where[:-1])
        if where[-1] in known:
            return f"key `{key}` belongs to another `kind` of model than `{'.'.join(where[:-1])}.kind` names."
        # Without a cutoff the nearest key is named however different it is: it shows at least where to look.
        near = difflib.get_close_matches(where[-1], known, n=1, cutoff=0.0)
        return f"unknown key `{key}`; did you mean `{'.'.join([*where[:-1], *near])}`?"
    if first["type"] == "missing":
        return f"key `{key}` is missing; it has no default."
    received = first["input"].get("kind") if first["type"] == "unknown_kind" else first["input"]
    return f"`{key}` {sentence[0].lower()}{sentence[1:]}. Received {received!r}."


def _known_keys(error: ValidationError, parents: list[str]) -> list[str]:
    # Both classes of a model: which one is meant is unknown if `kind` itself is misspelt.
    classes: dict[str, list[type[BaseModel]]] = {
        "": [RunConfig],
        "data": [DataConfig],
        "gate": [KerasGate, SklearnGate],
        "labeler": [LabelerConfig],
        "labeler.model": [KerasModel, SklearnModel],
        "cascade": [CascadeConfig],
        "cascade.gate_policy": [PolicyConfig],
        "flat": [ManyLabelsConfig],
        "retrain": [RetrainConfig],
        "retrain.promotion": [PromotionConfig],
        "retrain.limits": [DataLimitsConfig],
        "flat.model": [KerasModel, SklearnModel],
    }
    if parents[-1:] == ["encoder"]:
        return list(EncoderConfig.model_fields)
    if parents[-2:] == ["encoder", "text"]:
        return [*EmbeddingsConfig.model_fields, *OnnxTextConfig.model_fields]
    if parents[-2:] == ["encoder", "image"]:
        return list(ImageEncoderConfig.model_fields)
    return [name for model in classes.get(".".join(parents), []) for name in model.model_fields]
