"""Write a model again with its networks exported, each compared with Keras and timed on this machine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cascade.data import Dataset
from cascade.data.readers.columns import Roles
from cascade.errors import ConfigError, DataError
from cascade.many_labels.predictor import ManyLabelPredictor
from cascade.predictor import CascadePredictor
from cascade.retraining.memory.held_out import rows_of
from cascade.retraining.memory.record import TrainingRecord
from cascade.retraining.memory.row_hashes import RowHashes
from cascade.runtime.runtimes import INT8, KERAS, exporting_runtimes
from cascade.store.int8_rows import Int8Rows
from cascade.store.manifest import read_manifest

from .steps.locate import find_model, is_many_labels
from .steps.reading import read_labelled
from .steps.version import record_in


def run(model: Path, out: Path, runtimes: tuple[str, ...] | None, int8: Path | None = None) -> dict[str, Any]:
    """Export to `runtimes`, or to those that are installed, in INT8 if rows are given; return each network's rates."""
    folder = find_model(model)
    _refuse_inside(out, folder)
    flat = is_many_labels(folder)
    chosen = exporting_runtimes() if runtimes is None else runtimes
    if not chosen:
        raise ConfigError("no runtime is installed; `pip install cascade-multilabel[keras,litert,onnx]` brings both.")
    if not list(_networks(read_manifest(folder))):
        raise ConfigError(f"`{folder}` has no network to export; scikit-learn's models answer as they are.")
    if flat and int8 is not None:
        raise ConfigError("`--int8` tells what a cascade loses by it; a flat model's network is exported in float32.")
    if flat:
        ManyLabelPredictor.load(folder, KERAS).save(out, chosen)
    else:
        _export_cascade(folder, out, chosen, int8)
    written = read_manifest(out)
    found = {spec["file"]: spec["exports"]["networks"] for spec in _networks(written) if "exports" in spec}
    loss = {"int8": written["int8"]} if "int8" in written else {}
    return {"output": str(out), "networks": found, **loss}


def _export_cascade(folder: Path, out: Path, runtimes: tuple[str, ...], int8: Path | None) -> None:
    predictor = CascadePredictor.load(folder, KERAS)
    if int8 is None:
        predictor.save(out, runtimes)
        return
    data = read_labelled(predictor, int8, Roles()).with_dense_labels()
    assert data.Y is not None
    # Beside the model, or, where the registry keeps it, beside the packages that it lies in.
    remembered = next(filter(None, map(record_in, folder.parents[:3])), None)
    _refuse_trained_on(data, remembered)
    predictor.save(out, runtimes, Int8Rows(data.X, data.Y, data.groups, data.known))


def run_graph(model: Path, out: Path, format: str) -> dict[str, Any]:
    """Write a cascade as one graph for a model server; return how far it is from the model."""
    folder = find_model(model)
    _refuse_inside(out, folder)
    if is_many_labels(folder):
        raise ConfigError("one graph is made of a cascade; a flat model's own network is exported without --format.")
    predictor = CascadePredictor.load(folder, KERAS)
    from cascade.store.parts import require_keras

    require_keras()
    from cascade.serving.graph import write_graph

    return {"output": str(out), "format": format, "largest_difference": write_graph(predictor, out, format)}


def _refuse_inside(out: Path, folder: Path) -> None:
    """A model folder with anything else in it is refused when it is loaded."""
    if folder.resolve() in out.resolve().parents:
        raise ConfigError(f"`OUT` must not lie in the model's own folder `{folder}`. Received `{out}`.")


def _refuse_trained_on(data: Dataset, record: TrainingRecord | None) -> None:
    """Rows that the model was trained on tell too little of what INT8 loses; a version remembers which they were."""
    seen = 0 if record is None else int(rows_of(RowHashes(data), record.training).sum())
    # Rows that are known by their content alone may be alike by chance.
    alike = 0.1 * len(data) if data.groups is None and data.numbered else 0
    if seen > alike:
        raise DataError(f"`--int8` needs rows that the model was not trained on. Received {seen} that it was.")


def _networks(body: Any) -> Iterator[dict[str, Any]]:
    """Every network in a manifest, at any depth."""
    if isinstance(body, dict):
        if body.get("kind") == "keras":
            yield body
        for value in body.values():
            yield from _networks(value)
    elif isinstance(body, list):
        for value in body:
            yield from _networks(value)


def text(result: dict[str, Any]) -> str:
    """The rates as a table, fastest first; of INT8 also what it loses."""
    lines = [f"{'network':24} {'runtime':12} {'rows/s':>12} {'batch':>6} {'largest difference':>19}"]
    lines += [_rate(name, one) for name, networks in result["networks"].items() for one in networks]
    lost = [] if "int8" not in result else ["", *_lost(result["int8"])]
    return "\n".join([*lines, *lost, "", f"model: {result['output']}"])


def _rate(name: str, one: dict[str, Any]) -> str:
    far = f"{one['largest_difference']:.1e}" if "largest_difference" in one else "reference"
    in_int8 = one.get("precision") == INT8
    runtime = f"{one['runtime']} int8" if in_int8 else one["runtime"]
    times = f"  {one['rows_per_second'] / one['float32_rows_per_second']:.2f} times float32" if in_int8 else ""
    return f"{name:24} {runtime:12} {one['rows_per_second']:12,.0f} {one['batch_size']:6d} {far:>19}{times}"


def _lost(loss: dict[str, Any]) -> list[str]:
    """What INT8 costs, label by label."""
    lines = [
        f"INT8 on {loss['rows']:,} rows: probabilities differ by {loss['mean_difference']:.1e} on average and "
        f"{loss['largest_difference']:.1e} at most; {loss['bits_changed']:.2%} of the bits change, "
        f"and whether a row is examined on {loss['fates_changed']:.2%}.",
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


def _change(found: dict[str, float | None]) -> str:
    if found["change"] is None:
        return "-"
    return f"{found['change']:+.3f} ({_number(found['low'], '+.3f')} to {_number(found['high'], '+.3f')})"


def _number(value: float | None, form: str = ".3f") -> str:
    return "-" if value is None else format(value, form)
