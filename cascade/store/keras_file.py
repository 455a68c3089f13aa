"""Keras networks as `.keras` archives, whose zip, JSON and HDF5 parts are checked before Keras opens them."""

from __future__ import annotations

import io
import math
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import keras
from keras.src.backend.common import global_state

from cascade.data.images.size import check_image_size
from cascade.errors import ModelRefusedError
from cascade.estimators.encoding.images.archive import read_archive
from cascade.estimators.neural.classifier import KerasClassifier
from cascade.estimators.neural.training.train import check_finite
from cascade.store.json_file import parse_json
from cascade.store.network_spec import batch_size_from, network_spec, outputs_from, outputs_number
from cascade.store.networks.keras_config import check_config, check_sizes
from cascade.store.plain_file import ModelFiles, read

DEFERRED = "uninitialized_variables"
"""Name of Keras' list of variables that have no values yet."""
MEMBERS = {"config.json", "metadata.json", "model.weights.h5"}
LARGEST_CONFIG = 8 * 2**20


def save_network(estimator: KerasClassifier, path: Path) -> dict[str, Any]:
    """Write the network of a fitted `KerasClassifier`; return the spec that restores it."""
    network = estimator.network_
    check_finite(network)
    network.save(path)
    # What would be refused when loading is refused now, while the fitted model is still in memory.
    check_archive(path)
    return {"file": path.name, **network_spec(estimator)}


def load_network(spec: dict[str, Any], files: ModelFiles) -> KerasClassifier:
    """Load a network in the safe mode of Keras, after its archive was checked."""
    path = files.folder / spec["file"]
    batch_size = batch_size_from(spec["batch_size"], path)
    content = files.read(spec["file"])
    config = check_content(path, content)
    n_outputs = outputs_number(spec, path)
    try:
        check_memory(path, config, len(content), batch_size)
        network = read_archive(content)
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
    """Refuse a `.keras` file that is not what it declares; return its config. See `check_content`."""
    return check_content(path, read(path))


def check_content(path: Path, content: bytes) -> Any:
    """Refuse a Keras archive that is not what it declares; return its config.

    Keras expands what the zip directory declares before it checks anything. The three members must therefore exist,
    be uncompressed and of the declared size. The config may name only listed classes of Keras, and the weights must
    not declare more than the file holds.
    """
    try:
        archive = zipfile.ZipFile(io.BytesIO(content))
        # Names alone are not enough: an archive may have a name twice, and readers differ in which member they use.
        members = archive.infolist()
        if len(members) != len(MEMBERS) or {member.filename for member in members} != MEMBERS:
            raise ModelRefusedError(f"`{path}` must hold {sorted(MEMBERS)}. Received {archive.namelist()[:5]}.")
        for member in members:
            _check_member(path, member, len(content))
        config = _parse_config(path, archive.read("config.json"))
        _parse_config(path, archive.read("metadata.json"))
        check_config(path, config)
        with archive.open("model.weights.h5") as handle, h5py.File(handle, "r") as weights:
            _check_weights(path, weights, len(content))
    except ModelRefusedError:
        raise
    # The directory, a checksum or a table of HDF5 can be damaged, and each reader has errors of its own.
    except Exception as error:
        kind = type(error).__name__
        raise ModelRefusedError(f"`{path}` is not a Keras archive that can be read ({kind}: {error}).") from error
    return config


def _check_member(path: Path, member: zipfile.ZipInfo, size: int) -> None:
    # Stored members cannot expand, and none is larger than the archive: both sizes are only claims of its directory.
    as_declared = member.compress_type == zipfile.ZIP_STORED and member.file_size == member.compress_size
    if not as_declared or member.file_size > size:
        raise ModelRefusedError(
            f"`{path}` has a member {member.filename!r} that would expand; Keras does not compress members."
        )
    if member.filename != "model.weights.h5" and member.file_size > LARGEST_CONFIG:
        raise ModelRefusedError(
            f"`{path}` has a {member.filename} of {member.file_size} bytes, which no network needs."
        )


def _parse_config(path: Path, content: bytes) -> Any:
    try:
        return parse_json(content)
    # Brackets that nest deeper than the parser recurses are valid JSON, but never a network.
    except (ValueError, RecursionError) as error:
        raise ModelRefusedError(f"`{path}` has a config.json that is not readable JSON.") from error


def check_memory(path: Path, config: Any, size: int, batch_size: int) -> None:
    """Refuse a network with more weights than its file has bytes, or with layers that give too many numbers.

    Keras would allocate both before it reads the weights. `config` is what `check_content` returns.
    """
    with _shapes_alone():
        network = keras.saving.deserialize_keras_object(config, safe_mode=True)
        declared = sum(math.prod(weight.shape) for weight in network.weights)
    if declared > size:
        raise ModelRefusedError(f"`{path}` declares {declared} weights, more than it holds.")
    check_sizes(path, network, batch_size)


@contextmanager
def _shapes_alone() -> Iterator[None]:
    """Let variables that are made in the block have shapes, but never values."""
    # Keras lists variables without values, and gives values to all of them when it next builds a network: those of a
    # refused file would fill the memory then.
    kept = list(global_state.get_global_attribute(DEFERRED) or [])
    try:
        with keras.StatelessScope(initialize_variables=False):
            yield
    finally:
        global_state.set_global_attribute(DEFERRED, kept)


def _check_weights(path: Path, weights: h5py.File, size: int) -> None:
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
    if declared > size:
        raise ModelRefusedError(f"`{path}` declares {declared} bytes of weights, more than it holds.")
