"""Save one model folder of each kind with its predictions, to be read by every later release.

Usage: python tests/saved_models/save.py tests/saved_models/0.2.0

Run it once per protocol of model folders; never write into a folder of an earlier release again.
"""

from __future__ import annotations

import shutil
import sqlite3
import sys
import tempfile
from contextlib import chdir
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier
from sklearn.multioutput import MultiOutputClassifier
from typer.testing import CliRunner

from cascade import BalancedBinaryRelevance, CascadeClassifier, CascadePredictor, KerasClassifier, ManyLabelClassifier
from cascade.registry import ModelRegistry
from cascade_pipelines.cli.app import app

LABELS = ["crack", "dent", "stain", "any"]
ROOT = "/registry"
"""Stands for the folder of the registry, which is wherever the fixture is copied to."""


def problem(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Make rows of which most have no label."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 4)).astype(np.float32)
    findings = X[:, :3] + rng.normal(0, 0.5, size=(n, 3)) > 1.9
    return X, np.column_stack([findings, findings.any(axis=1)]).astype(np.uint8)


def network() -> KerasClassifier:
    """A network of a few hundred weights."""
    return KerasClassifier("mlp", epochs=3, network_options={"width": 8}, random_state=0)


def cascades() -> dict[str, CascadeClassifier]:
    """One unfitted cascade for each kind of file that a part becomes."""
    linear = LogisticRegression()
    trees = MultiOutputClassifier(HistGradientBoostingClassifier(max_iter=3, max_leaf_nodes=4, random_state=0))
    policy = {"recall": 0.5, "confidence": 0.9, "accept_bound": True}
    return {
        "linear": CascadeClassifier(linear, OneVsRestClassifier(linear), label_names=LABELS, gate_policy=policy),
        "trees": CascadeClassifier(
            RandomForestClassifier(3, max_depth=3, random_state=0),
            trees,
            label_names=LABELS,
            calibration="isotonic",
            negative_pool="all",
        ),
        "balanced_bags": CascadeClassifier(
            linear, BalancedBinaryRelevance(linear, n_bags=2), label_names=LABELS, negative_pool="gated"
        ),
        "keras": CascadeClassifier(network(), network(), label_names=LABELS),
    }


def write_registry(folder: Path, rows: Path, shown: np.ndarray) -> np.ndarray:
    """Register and promote a version that `cascade train` made; return its probabilities of the rows `shown`."""
    with tempfile.TemporaryDirectory() as place:
        models = Path(place).resolve() / "models"
        model = {"kind": "logistic_regression"}
        config = {"name": "parts", "data": {"path": rows.name}, "gate": model, "labeler": {"model": model}}
        (Path(place) / "run.yaml").write_text(yaml.safe_dump(config))
        with chdir(rows.parent):
            result = CliRunner().invoke(app, ["train", f"{place}/run.yaml", "--models", str(models)])
        if result.exit_code:
            raise SystemExit(result.output)
        registry = ModelRegistry(models, make=True)
        version = next(path for path in (models / "parts").iterdir() if path.is_dir())
        registry.promote("parts", registry.register("parts", version).number, "the first")
        with sqlite3.connect(models / "mlflow.db") as database:
            dump = "\n".join(database.iterdump()).replace(str(models), ROOT).replace(str(Path.cwd()), ROOT)
        proba = CascadePredictor.load(version / "model").predict_proba(shown)
        folder.mkdir()
        (folder / "mlflow.sql").write_text(dump + "\n", encoding="utf-8")
        for artifacts in models.glob("mlflow-artifacts/*/*/artifacts"):
            kept = folder / (artifacts / "model").relative_to(models)
            shutil.copytree(artifacts / "model", kept)
    return proba


def main(folder: Path) -> None:
    """Write everything into a new folder."""
    folder.mkdir(parents=True)
    X, Y = problem(3000, seed=0)
    shown, _ = problem(64, seed=1)
    groups = np.arange(3000) // 3
    found: dict[str, Any] = {"X": shown}
    for name, model in cascades().items():
        predictor = model.fit(X, Y, groups=groups).predictor_
        runtimes = {"keras": [("keras", ()), ("exported", ("litert", "onnx"))]}.get(name, [(name, ())])
        for saved, exported in runtimes:
            predictor.save(folder / saved, exported)
        answer = predictor.examine(shown)
        found |= {f"{name}_proba": answer.proba, f"{name}_labels": answer.labels, f"{name}_passed": answer.passed_gate}
    adapted = cascades()["linear"].fit(X, Y, groups=groups).predictor_.adapt(prevalence=0.2)
    adapted.save(folder / "adapted")
    found |= {"adapted_proba": adapted.predict_proba(shown), "adapted_labels": adapted.predict(shown)}
    many = ManyLabelClassifier(network(), label_names=LABELS[:3], decoder="count").fit(X, Y[:, :3], groups=groups)
    many.save(folder / "many_labels")
    columns, proba = many.predict_top_k(shown, 3)
    found |= {"many_labels_columns": columns, "many_labels_proba": proba}
    rows = folder / "rows.npz"
    np.savez(rows, X=X, Y=Y, label_names=LABELS, groups=groups)
    found["registered_proba"] = write_registry(folder / "registry", rows, shown)
    rows.unlink()
    np.savez_compressed(folder / "expected.npz", **found)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
