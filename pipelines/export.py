"""Write a model again with exported networks, each compared with Keras and timed on this machine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cascade.data import Dataset
from cascade.data.readers.table.columns import Roles
from cascade.errors import ConfigError, DataError
from cascade.estimators.runtime.runtimes import INT8, KERAS, exporting_runtimes
from cascade.many_labels.predictor import ManyLabelPredictor
from cascade.predictor import CascadePredictor
from cascade.retraining.memory.held_out import rows_of
from cascade.retraining.memory.record import TrainingRecord
from cascade.retraining.memory.row_hashes import RowHashes
from cascade.store.int8_rows import Int8Rows
from cascade.store.manifest import read_manifest
from cascade.store.parts import ENCODED

from .steps.locate import find_model, is_many_labels
from .steps.reading import read_labelled
from .steps.trained_on import record_of_model


def run(model: Path, out: Path, runtimes: tuple[str, ...] | None, int8: Path | None = None) -> dict[str, Any]:
    """Export the networks of a model.

    Parameters
    ----------
    model : path
        Version, model folder, or reference to the registry.
    out : path
        New model folder to write.
    runtimes : tuple of str or None
        Runtimes to export to; None means those that are installed.
    int8 : path, optional
        Labelled rows to export in INT8 with.

    Returns
    -------
    dict
        `output`; `networks`, the rates of each network; with `int8` also the loss.

    Raises
    ------
    ConfigError, DataError
    """
    folder = find_model(model)
    _refuse_inside(out, folder)
    many_labels = is_many_labels(folder)
    chosen = exporting_runtimes() if runtimes is None else runtimes
    if not chosen:
        raise ConfigError("no runtime is installed; `pip install cascade-multilabel[keras,litert,onnx]` installs both.")
    if not list(_networks(read_manifest(folder))):
        raise ConfigError(
            f"`{folder}` has no network to export; scikit-learn models and networks behind an encoder need no export."
        )
    if many_labels and int8 is not None:
        raise ConfigError("`--int8` needs a cascade; the network of the many-label model is exported in float32.")
    # Loaded with Keras, since a network that was exported before cannot be converted again.
    if many_labels:
        ManyLabelPredictor.load(folder, KERAS).save(out, chosen)
    else:
        _export_cascade(folder, out, chosen, int8)
    # The rates were measured while the networks were written, and are stored in the manifest.
    written = read_manifest(out)
    rates = {spec["file"]: spec["exports"]["networks"] for spec in _networks(written) if "exports" in spec}
    loss = {"int8": written["int8"]} if "int8" in written else {}
    return {"output": str(out), "networks": rates, **loss}


def _export_cascade(folder: Path, out: Path, runtimes: tuple[str, ...], int8: Path | None) -> None:
    predictor = CascadePredictor.load(folder, KERAS)
    if int8 is None:
        predictor.save(out, runtimes)
        return
    data = read_labelled(predictor, int8, Roles()).with_dense_labels()
    assert data.Y is not None
    _refuse_trained_on(data, record_of_model(folder))
    predictor.save(out, runtimes, Int8Rows(data.X, data.Y, data.groups, data.known))


def run_graph(model: Path, out: Path, format: str) -> dict[str, Any]:
    """Write a cascade as one graph for a model server; return its largest difference from the model."""
    folder = find_model(model)
    _refuse_inside(out, folder)
    if is_many_labels(folder):
        raise ConfigError("`--format` needs a cascade; export the network of the many-label model without it.")
    predictor = CascadePredictor.load(folder, KERAS)
    from cascade.store.parts import require_keras

    # A sentence that names the missing extra, before the import below fails with a traceback.
    require_keras()
    from cascade.serving.graph import write_graph

    return {"output": str(out), "format": format, "largest_difference": write_graph(predictor, out, format)}


def _refuse_inside(out: Path, folder: Path) -> None:
    """Refuse an output within the model folder: a folder with unknown files is not loaded any more."""
    # Resolved, since a relative path or a symbolic link may hide where the output is.
    if folder.resolve() in out.resolve().parents:
        raise ConfigError(f"`OUT` must be outside of the model's folder `{folder}`. Received `{out}`.")


def _refuse_trained_on(data: Dataset, record: TrainingRecord | None) -> None:
    """Refuse rows that the model was trained on, on which the measured loss of INT8 would be too small."""
    seen = 0 if record is None else int(rows_of(RowHashes(data), record.training).sum())
    # Rows without names or groups are compared by content, and some may be equal by chance.
    allowed = 0.1 * len(data) if data.groups is None and data.numbered else 0
    if seen > allowed:
        raise DataError(f"`--int8` needs rows that the model was not trained on. Received {seen} that it was.")


def _networks(body: Any) -> Iterator[dict[str, Any]]:
    """Yield the description of every network in a manifest, at any depth."""
    # Gate and labeler may contain networks themselves, such as bags of balanced models.
    if isinstance(body, dict):
        # A network behind an encoder runs in Keras alone: exports take rows as they are.
        if body.get("kind") == ENCODED:
            return
        if body.get("kind") == "keras":
            yield body
        for value in body.values():
            yield from _networks(value)
    elif isinstance(body, list):
        for value in body:
            yield from _networks(value)


def text(result: dict[str, Any]) -> str:
    """Return the rates as a table, fastest first; with INT8 also the loss."""
    lines = [f"{'network':24} {'runtime':12} {'rows/s':>12} {'batch':>6} {'largest difference':>19}"]
    lines += [_rate(name, one) for name, networks in result["networks"].items() for one in networks]
    lost = [] if "int8" not in result else ["", *_loss(result["int8"])]
    return "\n".join([*lines, *lost, "", f"model: {result['output']}"])


def _rate(name: str, one: dict[str, Any]) -> str:
    # Keras has no difference: the others are compared with it.
    difference = f"{one['largest_difference']:.1e}" if "largest_difference" in one else "reference"
    in_int8 = one.get("precision") == INT8
    runtime = f"{one['runtime']} int8" if in_int8 else one["runtime"]
    times = f"  {one['rows_per_second'] / one['float32_rows_per_second']:.2f} times float32" if in_int8 else ""
    return f"{name:24} {runtime:12} {one['rows_per_second']:12,.0f} {one['batch_size']:6d} {difference:>19}{times}"


def _loss(loss: dict[str, Any]) -> list[str]:
    """Return the loss of INT8, in total and for each label."""
    lines = [
        f"INT8 on {loss['rows']:,} rows: probabilities differ by {loss['mean_difference']:.1e} on average and "
        f"{loss['largest_difference']:.1e} at most; {loss['bits_changed']:.2%} of the bits change, "
        f"and {loss['fates_changed']:.2%} of the rows pass the gate in only one of both.",
        f"{'label':24} {'AP':>6} {'change (95 %)':>24} {'gate recall':>12} {'change (95 %)':>24} {'sum ratio':>13}",
    ]
    for label in loss["labels"]:
        precision, recall, total = (label[name] for name in ("average_precision", "gate_recall", "sum_ratio"))
        lines.append(
            f"{label['label']:24} {_number(precision['before']):>6} {_change(precision):>24} "
            f"{_number(recall['before']):>12} {_change(recall):>24} "
            f"{_number(total['before']):>5} -> {_number(total['after'])}"
        )
    return lines


def _change(figure: dict[str, float | None]) -> str:
    # Undefined, such as the recall of a label without a positive among the rows.
    if figure["change"] is None:
        return "-"
    return f"{figure['change']:+.3f} ({_number(figure['low'], '+.3f')} to {_number(figure['high'], '+.3f')})"


def _number(value: float | None, form: str = ".3f") -> str:
    return "-" if value is None else format(value, form)
