"""Check the config of a Keras network before Keras reads it: listed layers and functions, and bounded sizes."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cascade.errors import ModelRefusedError
from cascade.store.networks.listed import (
    ACTIVATIONS,
    INITIALIZER_NAMES,
    INITIALIZERS,
    LAYERS,
    MODELS,
    OPERATIONS,
    OTHERS,
    PLAIN_OBJECTS,
    TYPES,
)

MOST_CALLS = 5000
"""Calls of layers per row. A network inside of a network may be called twice by one that is called twice, and so on."""
MOST_NUMBERS = 2**27
"""Numbers that the largest layer may give for one batch, or more where rows are large themselves."""
TIMES_THE_ROW = 64


def check_config(path: Path, config: Any) -> None:
    """Refuse a config that names anything but listed layers, functions and types of Keras.

    Raises
    ------
    ModelRefusedError
    """
    if not isinstance(config, dict) or config.get("class_name") not in MODELS:
        raise ModelRefusedError(f"`{path}` must hold a network of layers; refused.")
    # It would name an optimizer and a loss, which prediction does not need.
    if config.get("compile_config"):
        raise ModelRefusedError(f"`{path}` holds a `compile_config`, which `save` does not write; refused.")
    for declared in _objects(config):
        if "class_name" in declared:
            _check_class(path, declared)
        for key, value in declared.items():
            _check_option(path, str(key), value)
    if _calls(config, 0) > MOST_CALLS:
        raise ModelRefusedError(f"`{path}` calls its layers more than {MOST_CALLS} times per row; refused.")


def check_sizes(path: Path, network: Any, batch_size: int) -> None:
    """Refuse a network with a layer that gives more numbers than fit in memory; its shapes are symbolic.

    Raises
    ------
    ModelRefusedError
    """
    row = math.prod(network.input_shape[1:])
    most = max(MOST_NUMBERS, TIMES_THE_ROW * batch_size * row)
    for layer in _operations(network):
        for shape in _shapes(layer):
            if batch_size * math.prod(size or 1 for size in shape[1:]) > most:
                raise ModelRefusedError(f"`{path}` has a layer that gives {shape[1:]} numbers per row; refused.")


def _operations(network: Any) -> Iterator[Any]:
    stack = [network]
    while stack:
        member = stack.pop()
        for operation in getattr(member, "operations", None) or getattr(member, "layers", []):
            yield operation
            stack.append(operation)


def _shapes(operation: Any) -> Iterator[tuple[int | None, ...]]:
    for node in getattr(operation, "_inbound_nodes", []):
        for tensor in node.output_tensors:
            yield tuple(tensor.shape)


def _objects(config: Any) -> Iterator[dict[str, Any]]:
    """Yield every JSON object inside a config, at any depth."""
    stack = [config]
    while stack:
        value = stack.pop()
        if isinstance(value, dict):
            yield value
            stack.extend(value.values())
        elif isinstance(value, list):
            stack.extend(value)


def _check_class(path: Path, declared: dict[str, Any]) -> None:
    module, name = str(declared.get("module")), str(declared["class_name"])
    # Values and functions have no module, or `builtins`; functions are refused.
    known = (
        name in PLAIN_OBJECTS
        if module in ("None", "builtins")
        else (module == "keras" or module.startswith("keras."))
        and name in (OPERATIONS if ".ops." in module else LAYERS | MODELS | INITIALIZERS | OTHERS)
    )
    # Another registered name could select a class that the user's process has registered, whatever `module` says.
    if not known or declared.get("registered_name") not in (None, name):
        raise ModelRefusedError(
            f"`{path}` holds {module}.{name}; only listed classes of Keras without code are loaded."
        )


def _check_option(path: Path, key: str, value: Any) -> None:
    # Keras finds any function of its own by a text in these places.
    named = {"activation": ACTIVATIONS, "initializer": INITIALIZER_NAMES | INITIALIZERS, "dtype": TYPES}
    kind = key.rpartition("_")[2]
    if isinstance(value, str):
        is_known = value in named.get(kind, {value}) and kind not in ("regularizer", "constraint")
    elif kind == "activation" and isinstance(value, dict):
        # An activation that is a layer is checked as a class.
        is_known = str(value.get("module")).startswith("keras.")
    else:
        is_known = not (kind == "unroll" and value) and (kind != "activation" or value is None)
    if not is_known:
        raise ModelRefusedError(f"`{path}` has the option `{key}`: {str(value)[:50]!r}, which is not listed; refused.")


def _calls(layer: Any, depth: int) -> int:
    """Return how many layers one call of a layer of a config calls."""
    if depth > 50 or not isinstance(layer, dict):
        return MOST_CALLS + 1 if depth > 50 else 0
    config = layer.get("config")
    if not isinstance(config, dict):
        return 1
    if layer.get("class_name") not in MODELS:
        inner = [value for value in config.values() if isinstance(value, dict) and "class_name" in value]
        # A wrapper may call its layer in both directions.
        return 1 + 2 * sum(_calls(one, depth + 1) for one in inner if one["class_name"] in LAYERS | MODELS)
    layers = config.get("layers")
    total = 0
    for one in layers if isinstance(layers, list) else []:
        nodes = one.get("inbound_nodes") if isinstance(one, dict) else None
        total += max(1, len(nodes) if isinstance(nodes, list) else 1) * _calls(one, depth + 1)
    return total
