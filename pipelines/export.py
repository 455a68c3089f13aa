"""Write a model again with its networks exported, each compared with Keras and timed on this machine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cascade.errors import ConfigError
from cascade.many.predictor import ManyLabelPredictor
from cascade.predictor import CascadePredictor
from cascade.runtime.kinds import KERAS, exporting_runtimes
from cascade.store.manifest import read_manifest
from pipelines.models import find_model, is_flat


def run(model: Path, out: Path, runtimes: tuple[str, ...] | None) -> dict[str, Any]:
    """Export to `runtimes`, or to those that are installed; return the rates of every network."""
    folder = find_model(model)
    chosen = exporting_runtimes() if runtimes is None else runtimes
    if not chosen:
        raise ConfigError("no runtime is installed; `pip install cascade-multilabel[keras,litert,onnx]` brings both.")
    if not list(_networks(read_manifest(folder))):
        raise ConfigError(f"`{folder}` has no network to export; scikit-learn's models answer as they are.")
    kind = ManyLabelPredictor if is_flat(folder) else CascadePredictor
    kind.load(folder, KERAS).save(out, chosen)
    found = {spec["file"]: spec["exports"]["networks"] for spec in _networks(read_manifest(out)) if "exports" in spec}
    return {"output": str(out), "networks": found}


def run_graph(model: Path, out: Path, format: str) -> dict[str, Any]:
    """Write a cascade as one graph for a model server; return how far it is from the model."""
    folder = find_model(model)
    if is_flat(folder):
        raise ConfigError("one graph is made of a cascade; a flat model's own network is exported without --format.")
    predictor = CascadePredictor.load(folder, KERAS)
    from cascade.store.parts import import_keras

    import_keras()
    from cascade.runtime.graph import write_graph

    return {"output": str(out), "format": format, "largest_difference": write_graph(predictor, out, format)}


def text(result: dict[str, Any]) -> str:
    """The rates as a table, fastest first."""
    lines = [f"{'network':24} {'runtime':8} {'rows/s':>12} {'batch':>6} {'largest difference':>19}"]
    for name, networks in result["networks"].items():
        for one in networks:
            far = f"{one['largest_difference']:.1e}" if "largest_difference" in one else "reference"
            rate = f"{one['rows_per_second']:,.0f}"
            lines.append(f"{name:24} {one['runtime']:8} {rate:>12} {one['batch_size']:6d} {far:>19}")
    return "\n".join([*lines, "", f"model: {result['output']}"])


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
