"""Open an exported network without Keras: the fastest one whose runtime is installed, or the requested one."""

from __future__ import annotations

import math
from importlib.util import find_spec
from typing import Any

import numpy as np

from cascade.data.images.size import check_image_size
from cascade.data.rows import takes_views
from cascade.data.signature import InputSignature
from cascade.errors import ModelRefusedError, RuntimeUnavailableError
from cascade.estimators.forking import bags_of
from cascade.estimators.runtime.exported import ExportedNetwork
from cascade.estimators.runtime.measure import rehearsal_rows
from cascade.estimators.runtime.runtimes import AUTO, FLOAT32, INT8, KERAS, RUNTIMES, check_threads
from cascade.estimators.runtime.trial import try_network
from cascade.store.manifest import FILE_NAME
from cascade.store.network_spec import batch_size_from, outputs_from
from cascade.store.networks.graph import check_operators
from cascade.store.plain_file import ModelFiles

LARGEST_ROW = 2**26


def open_export(spec: dict[str, Any], files: ModelFiles, runtime: str, threads: int | None) -> ExportedNetwork | None:
    """Open the fastest network whose runtime is installed, or the requested one; return None if that is Keras."""
    exports = spec.get("exports")
    if runtime == KERAS or (exports is None and runtime == AUTO):
        return None
    networks = [] if exports is None else exports["networks"]
    for one in networks:
        name = one["runtime"]
        # `find_spec` does not import Keras, which takes seconds.
        if name == KERAS and runtime == AUTO and find_spec("keras") is not None:
            return None
        if name in RUNTIMES and runtime in (AUTO, name) and RUNTIMES[name].installed():
            return _opened(one, spec, files, check_threads(threads))
    # No runtime of an export is installed: Keras can still load the network.
    if runtime == AUTO:
        return None
    known = runtime in [one["runtime"] for one in networks]
    rest = f"{RUNTIMES[runtime].package} is not installed" if known else "`cascade export` adds it"
    raise RuntimeUnavailableError(f"`runtime` {runtime!r} is not available for `{files.folder}`: {rest}.")


def _opened(one: dict[str, Any], spec: dict[str, Any], files: ModelFiles, threads: int) -> ExportedNetwork:
    name = str(one.get("file"))
    path = files.folder / name
    # The suffix too: a file must not be parsed by a runtime that it was not exported to.
    if not FILE_NAME.fullmatch(name) or path.suffix != RUNTIMES[one["runtime"]].suffix:
        raise ModelRefusedError(f"`{files.folder}` names an exported network that is not its own file: {name!r}.")
    row_shape, dtype = tuple(int(size) for size in spec["exports"]["row_shape"]), spec["exports"]["dtype"]
    if not 0 < math.prod(row_shape) <= LARGEST_ROW or dtype not in ("uint8", "float32"):
        raise ModelRefusedError(
            f"`{path}` takes rows of shape {row_shape} of {dtype!r}, which no exported network takes."
        )
    # Folders from before INT8 have no precision.
    precision = one.get("precision", FLOAT32)
    if precision not in (FLOAT32, INT8):
        raise ModelRefusedError(f"`{path}` is of precision {precision!r}; this version reads {FLOAT32} and {INT8}.")
    size = batch_size_from(one["batch_size"], path)
    image_size = check_image_size(spec.get("image_size"))
    content = files.read(name)
    check_operators(path, content, one["runtime"])
    try_network(path, content, one["runtime"], size, row_shape, dtype)
    exported = ExportedNetwork(content, one["runtime"], size, threads, row_shape, dtype, image_size, precision)
    exported.restore_outputs(*outputs_from(spec, path))
    # A single row and a batch use separate sessions; a wrong shape or NaN in either is found before any real row.
    for n in (1, 2):
        if not np.isfinite(exported.logits(rehearsal_rows(row_shape, dtype, n))).all():
            raise ModelRefusedError(f"`{path}` returns values that are not finite; the network is not loaded.")
    return exported


def check_rows_of(signature: InputSignature, *stages: Any) -> None:
    """Refuse networks whose row shape is not that of the model, and images that no network takes."""
    shape = signature.row_shape
    if shape is not None and len(shape) > 1 and not any(map(_has_network, stages)):
        raise ModelRefusedError(f"the model declares rows {shape}, and none of its estimators takes images.")
    _check_networks(shape, *stages)


def _check_networks(shape: tuple[int, ...] | None, *stages: Any) -> None:
    for stage in stages:
        taken = _row_shape(stage)
        # A network of images of any size has no fixed shape.
        if taken is not None and None not in taken and taken != _resized(shape, stage.image_size):
            raise ModelRefusedError(f"a network takes rows {taken}, the model rows {shape}.")
        _check_networks(shape, *bags_of(stage))


def _has_network(stage: Any) -> bool:
    """Return whether a network, or a frozen encoder, is what takes the rows of a stage."""
    return _row_shape(stage) is not None or takes_views(stage) or any(map(_has_network, bags_of(stage)))


def _row_shape(stage: Any) -> tuple[int, ...] | None:
    """Return the shape of the rows that a network takes; None for other estimators."""
    if isinstance(stage, ExportedNetwork):
        return stage.row_shape
    return tuple(stage.network_.input_shape[1:]) if hasattr(stage, "network_") else None


def _resized(shape: tuple[int, ...] | None, size: int | None) -> tuple[int, ...] | None:
    """Return the shape of a row after images are resized for a network."""
    return shape if size is None or shape is None or len(shape) != 3 else (size, size, shape[2])
