"""Save and load one fitted estimator, in the kind of file for its type."""

from __future__ import annotations

import logging
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cascade.data.targets import TargetForm
from cascade.errors import ConfigError, ModelRefusedError, RuntimeUnavailableError
from cascade.estimators.forking import innermost
from cascade.estimators.losses import FURTHEST
from cascade.estimators.runtime.exported import ExportedNetwork
from cascade.estimators.runtime.runtimes import AUTO, KERAS
from cascade.store.exporting import Exporter
from cascade.store.manifest import FILE_NAME
from cascade.store.opening import open_export
from cascade.store.plain_file import ModelFiles
from cascade.utils.checks import as_numbers

if TYPE_CHECKING:
    from cascade.estimators.balanced import BalancedBinaryRelevance

Spec = dict[str, Any]

ENCODED = "encoded"
"""Kind of a network behind transformers."""
STEPS = {"encoder": "skops", "network": "keras"}
"""Parts of such a network, with their kinds."""

logger = logging.getLogger(__name__)


def require_keras() -> None:
    """Import Keras without its log output, or raise an error that names the missing package."""
    import cascade.estimators.neural  # noqa: F401


def save_part(estimator: Any, folder: Path, name: str, exporter: Exporter | None = None) -> Spec:
    """Write a fitted estimator to one or more files whose names begin with `name`; return the spec to load it."""
    # Balanced models first: they contain other estimators, each of which becomes a separate file.
    if hasattr(estimator, "prior_shift_"):
        return _save_balanced(estimator, folder, name, exporter)
    # Of a search, what it found: its candidates and scores are not needed for predictions.
    estimator = getattr(estimator, "best_estimator_", estimator)
    if isinstance(estimator, ExportedNetwork):
        raise ConfigError("a model in an exported runtime cannot be saved; load it with `runtime='keras'`.")
    if hasattr(estimator, "network_"):
        require_keras()
        from cascade.store.keras_file import save_network

        spec = {"kind": "keras", **save_network(estimator, folder / f"{name}.keras")}
        return spec if exporter is None else {**spec, "exports": exporter.export(estimator, folder, name)}
    if hasattr(innermost(estimator), "network_") and hasattr(estimator, "steps"):
        return _save_encoded(estimator, folder, name, exporter)
    from cascade.store.skops.file import save_skops

    save_skops(estimator, folder / f"{name}.skops", name)
    return {"kind": "skops", "file": f"{name}.skops"}


def _save_encoded(pipeline: Any, folder: Path, name: str, exporter: Exporter | None) -> Spec:
    """Write a network behind transformers, also where pipelines are inside of pipelines."""
    from sklearn.pipeline import make_pipeline

    encoders, last = [], pipeline
    while hasattr(last, "steps"):
        if len(last.steps) > 1:
            encoders.append(last[:-1])
        last = getattr(last.steps[-1][1], "best_estimator_", last.steps[-1][1])
    if not encoders:
        return save_part(last, folder, name, exporter)
    # Exports take the rows of a batch job as they are, and these have to be encoded first.
    steps = {"encoder": make_pipeline(*encoders), "network": last}
    return {"kind": ENCODED, **{key: save_part(step, folder, f"{name}_{key}") for key, step in steps.items()}}


def try_saving(estimator: Any, name: str) -> None:
    """Save and load an estimator in a temporary folder.

    Raises
    ------
    ModelRefusedError
        If it cannot be saved, or not be loaded again.
    """
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        load_part(save_part(estimator, folder, name), ModelFiles(folder))


def is_saved(kind: str) -> bool:
    """Return whether model folders hold scikit-learn's class of a full name."""
    from cascade.store.skops.make import is_listed

    return is_listed(kind)


def warn_where_not_saved(estimator: Any, name: str) -> None:
    """Warn if an estimator could not be saved, which a use in this process alone does not need."""
    try:
        try_saving(estimator, name)
    except ModelRefusedError as error:
        logger.warning("%s: it can be fitted, but not saved: %s", name, error)


def check_part(spec: Any, folder: Path) -> None:
    """Validate what a manifest says of a part, without reading its files.

    Raises
    ------
    ModelRefusedError
        If its kind is unknown, a file is not in the folder, or balanced models lack bags or numbers.
    """
    if not isinstance(spec, dict):
        raise ModelRefusedError(f"`{folder}` holds a part that is not an object: {type(spec).__name__}.")
    kind = spec.get("kind")
    if kind == "balanced":
        _check_balanced(spec, folder)
        return
    if kind == ENCODED:
        _check_encoded(spec, folder)
        return
    # Before the name is joined to the folder: an absolute path would replace it.
    if not FILE_NAME.fullmatch(str(spec.get("file"))):
        raise ModelRefusedError(f"`{folder}` names a part outside its own folder: {spec.get('file')!r}.")
    if kind not in ("keras", "skops"):
        raise ModelRefusedError(f"`{folder}` holds a part of unknown kind {kind!r}; a newer version may read it.")


def check_files(body: dict[str, Any], parts: list[Any], folder: Path) -> None:
    """Refuse a manifest in which a file belongs to no part or to several: loading it often takes time and memory.

    Raises
    ------
    ModelRefusedError
    """
    named = Counter(name for spec in parts if spec is not None for name in _file_names(spec))
    for name in sorted(set(named) | set(body["files"])):
        if named[name] != 1 or name not in body["files"]:
            raise ModelRefusedError(f"`{folder / name}` must belong to exactly one part. Received {named[name]}.")


def _file_names(spec: Spec) -> Iterator[str]:
    if spec["kind"] == "balanced":
        for bag in (bag for bags in spec["bags"] for bag in bags):
            yield from _file_names(bag)
        return
    if spec["kind"] == ENCODED:
        for step in STEPS:
            yield from _file_names(spec[step])
        return
    yield spec["file"]
    exports = spec.get("exports")
    if exports is not None:
        yield from (one["file"] for one in exports["networks"] if one["runtime"] != KERAS)


def _check_balanced(spec: Spec, folder: Path) -> None:
    bags, shift, share = spec["bags"], as_numbers(spec["prior_shift"]), as_numbers(spec["share"])
    # Every label has a shift, a share and as many bags as the others, or none where it is constant.
    counts = {len(each) for each in bags} - {0}
    sound = (
        isinstance(bags, list)
        and shift is not None
        and share is not None
        and shift.shape == share.shape == (len(bags),)
        and bool((abs(shift) <= FURTHEST).all() and ((share > 0) & (share < 1)).all())
        and len(counts) == 1
        and all(number == 0 for number, each in zip(shift, bags, strict=True) if not each)
    )
    if not sound:
        raise ModelRefusedError(f"`{folder}` has balanced models that lack bags, or numbers that no fit gives.")
    for bag in (bag for each in bags for bag in each):
        if not isinstance(bag, dict) or bag.get("kind") == "balanced":
            raise ModelRefusedError(f"`{folder}` has balanced models inside of balanced models; refused.")
        check_part(bag, folder)


def _check_encoded(spec: Spec, folder: Path) -> None:
    for step, kind in STEPS.items():
        part = spec.get(step)
        if not isinstance(part, dict) or part.get("kind") != kind or "exports" in part:
            raise ModelRefusedError(f"`{folder}` has a network behind an encoder whose {step} is no {kind} file.")
        check_part(part, folder)


def load_part(spec: Spec, files: ModelFiles, runtime: str = KERAS, threads: int | None = None) -> Any:
    """Load an estimator that `save_part` wrote, networks in a runtime; see `CascadePredictor.load`."""
    check_part(spec, files.folder)
    if spec["kind"] == "balanced":
        return _load_balanced(spec, files, runtime, threads)
    if spec["kind"] == ENCODED:
        return _load_encoded(spec, files, runtime)
    if spec["kind"] == "keras":
        exported = open_export(spec, files, runtime, threads)
        if exported is not None:
            return exported
        require_keras()
        from cascade.store.keras_file import load_network

        return load_network(spec, files)
    from cascade.store.skops.file import load_skops

    return load_skops(files.read(spec["file"]), str(files.folder / spec["file"]))


def _save_balanced(model: BalancedBinaryRelevance, folder: Path, name: str, exporter: Exporter | None) -> Spec:
    return {
        "kind": "balanced",
        "prior_shift": model.prior_shift_.tolist(),
        "share": model.share_.tolist(),
        "bags": [
            [save_part(bag, folder, f"{name}_{label:03d}_{number:02d}", exporter) for number, bag in enumerate(bags)]
            for label, bags in enumerate(model.estimators_)
        ],
    }


def _load_encoded(spec: Spec, files: ModelFiles, runtime: str) -> Any:
    from sklearn.pipeline import make_pipeline

    if runtime not in (AUTO, KERAS):
        raise RuntimeUnavailableError(
            f"`runtime` {runtime!r} is not available for `{files.folder}`: a network behind an encoder runs in Keras."
        )
    encoder, network = (load_part(spec[step], files) for step in STEPS)
    if not hasattr(encoder, "transform"):
        raise ModelRefusedError(f"`{files.folder}` has an encoder that does not transform rows; refused.")
    # The width of what the encoder makes is compared with this one.
    network.n_features_in_ = network.network_.input_shape[1]
    return make_pipeline(encoder, network)


def _load_balanced(spec: Spec, files: ModelFiles, runtime: str, threads: int | None) -> BalancedBinaryRelevance:
    from cascade.estimators.balanced import BalancedBinaryRelevance

    model = BalancedBinaryRelevance(estimator=None)
    model.estimators_ = [[load_part(bag, files, runtime, threads) for bag in bags] for bags in spec["bags"]]
    model.prior_shift_ = np.array(spec["prior_shift"], dtype=np.float64)
    model.share_ = np.array(spec["share"], dtype=np.float64)
    model.target_form_ = TargetForm.matrix(len(model.share_))
    model.classes_ = model.target_form_.classes
    return model
