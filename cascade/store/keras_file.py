"""Keras networks as `.keras` archives, whose zip, JSON and HDF5 parts are checked before Keras opens them."""

from __future__ import annotations

import json
import math
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import keras

from cascade.data.image_size import check_image_size
from cascade.errors import ModelRefusedError
from cascade.estimators.neural.classifier import KerasClassifier
from cascade.estimators.neural.training import check_finite
from cascade.store.network_spec import batch_size_from, network_spec, outputs_from

MEMBERS = {"config.json", "metadata.json", "model.weights.h5"}
LARGEST_CONFIG = 8 * 2**20
# Layers of Keras' own modules that run code from the file, or from a place that the file names.
CODE_LAYERS = {"Lambda", "TFSMLayer", "JaxLayer", "FlaxLayer", "TorchModuleWrapper"}


def save_network(estimator: KerasClassifier, path: Path) -> dict[str, Any]:
    """Write the network of a fitted `KerasClassifier`; return the spec that restores it."""
    network = estimator.network_
    check_finite(network)
    network.save(path)
    # What would be refused when loading is refused now, while the fitted model is still in memory.
    check_archive(path)
    return {"file": path.name, **network_spec(estimator)}


def load_network(spec: dict[str, Any], folder: Path) -> KerasClassifier:
    """Load a network in the safe mode of Keras, after its archive was checked."""
    path = folder / spec["file"]
    batch_size = batch_size_from(spec["batch_size"], path)
    config = check_archive(path)
    n_outputs = int(spec["n_outputs"])
    try:
        _check_memory(path, config)
        # Not compiled: prediction needs no optimizer, whose config would be one more part of the file to trust.
        network = keras.saving.load_model(path, compile=False, safe_mode=True)
    except ModelRefusedError:
        raise
    except Exception as error:
        raise ModelRefusedError(f"`{path}` cannot be loaded by Keras in safe mode: {error}") from error
    check_finite(network)
    if network.output_shape != (None, n_outputs):
        raise ModelRefusedError(f"`{path}` must give {n_outputs} logits per row. Received {network.output_shape}.")
    estimator = KerasClassifier(batch_size=batch_size, image_size=check_image_size(spec.get("image_size")))
    estimator.network_ = network
    estimator.loss_, estimator.sampling_shift_, estimator.target_form_ = outputs_from(spec, path)
    estimator.classes_ = estimator.target_form_.classes
    return estimator


def check_archive(path: Path) -> Any:
    """Refuse a `.keras` file that is not what it declares; return its config.

    Keras expands what the zip directory declares before it checks anything. The three members must therefore exist,
    be uncompressed and of the declared size. The config may name only classes of Keras, and the weights must not
    declare more than the file holds.
    """
    if not zipfile.is_zipfile(path):
        raise ModelRefusedError(f"`{path}` is not a Keras archive.")
    with zipfile.ZipFile(path) as archive:
        # Names alone are not enough: an archive may have a name twice, and readers differ in which member they use.
        members = archive.infolist()
        if len(members) != len(MEMBERS) or {member.filename for member in members} != MEMBERS:
            raise ModelRefusedError(f"`{path}` must hold {sorted(MEMBERS)}. Received {archive.namelist()[:5]}.")
        for member in members:
            _check_member(path, member)
        config = _parse_config(path, archive.read("config.json"))
        for declared in _objects(config):
            if "class_name" in declared:
                _check_class(path, declared)
        with archive.open("model.weights.h5") as handle, h5py.File(handle, "r") as weights:
            _check_weights(path, weights)
    return config


def _check_member(path: Path, member: zipfile.ZipInfo) -> None:
    # Stored members cannot expand, and none is larger than the archive: both sizes are only claims of its directory.
    as_declared = member.compress_type == zipfile.ZIP_STORED and member.file_size == member.compress_size
    if not as_declared or member.file_size > path.stat().st_size:
        raise ModelRefusedError(
            f"`{path}` has a member {member.filename!r} that would expand; Keras does not compress members."
        )
    if member.filename != "model.weights.h5" and member.file_size > LARGEST_CONFIG:
        raise ModelRefusedError(
            f"`{path}` has a {member.filename} of {member.file_size} bytes, which no network needs."
        )


def _parse_config(path: Path, content: bytes) -> Any:
    try:
        return json.loads(content)
    # Brackets that nest deeper than the parser recurses are valid JSON, but never a network.
    except (ValueError, RecursionError) as error:
        raise ModelRefusedError(f"`{path}` has a config.json that is not readable JSON.") from error


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
    # Without a module or in `builtins`, Keras finds only plain values and functions; the latter are refused.
    is_keras = (
        module == "keras" or module.startswith("keras.") or (module in ("None", "builtins") and not _is_code(name))
    )
    # Another registered name could select a class that the user's process has registered, whatever `module` says.
    if not is_keras or name in CODE_LAYERS or declared.get("registered_name") not in (None, name):
        raise ModelRefusedError(f"`{path}` holds {module}.{name}; only classes of Keras without code are loaded.")


def _is_code(name: str) -> bool:
    return name in ("__lambda__", "function")


def _check_memory(path: Path, config: Any) -> None:
    """Refuse a network with more weights than its file has bytes; Keras would allocate them before reading."""
    # In a stateless scope, variables have shapes but take no memory.
    with keras.StatelessScope(initialize_variables=False):
        network = keras.saving.deserialize_keras_object(config, safe_mode=True)
        declared = sum(math.prod(weight.shape) for weight in network.weights)
    if declared > path.stat().st_size:
        raise ModelRefusedError(f"`{path}` declares {declared} weights, more than it holds.")


def _check_weights(path: Path, weights: h5py.File) -> None:
    declared, seen = 0, set()
    stack: list[h5py.Group] = [weights]
    while stack:
        group = stack.pop()
        # Hard links may form a cycle; the address identifies a group under all of its names.
        address = h5py.h5o.get_info(group.id).addr
        if address in seen:
            raise ModelRefusedError(f"`{path}` has weights that contain themselves ({group.name!r}); refused.")
        seen.add(address)
        for name in group:
            # `getlink` inspects a link without following it: soft and external links may open other files.
            link = group.get(name, getlink=True)
            if not isinstance(link, h5py.HardLink):
                raise ModelRefusedError(f"`{path}` has weights that link to another place ({name!r}); refused.")
            member = group[name]
            if isinstance(member, h5py.Group):
                stack.append(member)
                continue
            if member.external or member.is_virtual:
                raise ModelRefusedError(f"`{path}` has weights stored outside the archive ({name!r}); refused.")
            # A chunked dataset may declare any size and store nothing; Keras would allocate all of it.
            declared += member.nbytes
    if declared > path.stat().st_size:
        raise ModelRefusedError(f"`{path}` declares {declared} bytes of weights, more than it holds.")
