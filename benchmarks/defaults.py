"""Evidence for the defaults: models by the kind of rows, recipe of a fit, early stopping, and the size of the gate.

    python benchmarks/defaults.py DATA_FOLDER
    python benchmarks/defaults.py DATA_FOLDER --parts recipes --sets mi birds --folds 0
    python benchmarks/defaults.py DATA_FOLDER --phantom data/phantom --parts stopping gates --rows 6000

DATA_FOLDER holds the files named in `benchmarks/comparison.py`. Each line is a mean over grouped folds: macro average
precision of the labels without `any`, that of `any`, mean log loss, and seconds of fit and prediction.

Settings were chosen on the sets `CHOSEN_ON` and on the phantom; the other sets have had no part in the choice.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from comparison import SETS, arrays
from scipy import sparse
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, log_loss
from sklearn.multioutput import MultiOutputClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from cascade import CascadeClassifier, KerasClassifier
from cascade.comparison.flat_baseline import FlatClassifier
from cascade.data import read_data
from cascade.data.splits import grouped_folds
from cascade.estimators.defaults import default_estimator, per_label

CHOSEN_ON = ("thyroid", "unfair_tos")
FOLDS = 3
BATCH = 64
TEST_PATIENTS = 500


@dataclass(frozen=True)
class Rows:
    """Rows of one data set, labels with `any` last."""

    X: Any
    Y: np.ndarray
    groups: np.ndarray | None


def read(name: str, folder: Path, most: int | None) -> Rows:
    """Read one set, or a random part of it."""
    if name == "tox21":
        found = arrays(folder / "tox21_ecfp4.npz")
    elif name == "ctich images":
        found = arrays(folder / "ctich_128.npz")
    else:
        found = SETS[name].read(folder / SETS[name].file)
    kept = np.random.default_rng(0).permutation(len(found.Y))[:most]
    return Rows(found.X[kept], found.Y[kept], None if found.groups is None else found.groups[kept])


def figures(Y: np.ndarray, proba: np.ndarray) -> tuple[float, float, float]:
    """Return macro average precision, that of `any`, and the log loss."""
    labels = range(Y.shape[1])
    precision = [average_precision_score(Y[:, k], proba[:, k]) if Y[:, k].any() else np.nan for k in labels]
    losses = [log_loss(Y[:, k], proba[:, k], labels=[0, 1]) for k in labels]
    return float(np.nanmean(precision[:-1])), precision[-1], float(np.mean(losses))


def evaluate(models: dict[str, Any], rows: Rows, folds: list[int]) -> Iterator[tuple[str, np.ndarray]]:
    """Yield each model's name with its figures and seconds, mean over the folds."""
    fold = grouped_folds(rows.Y, rows.groups, FOLDS, seed=0)
    for name, model in models.items():
        found = []
        for number in folds:
            training, testing = fold != number, fold == number
            started = time.monotonic()
            groups = None if rows.groups is None else rows.groups[training]
            model.fit(rows.X[training], rows.Y[training], groups=groups)
            found.append((*figures(rows.Y[testing], model.predict_proba(rows.X[testing])), time.monotonic() - started))
        yield name, np.mean(found, axis=0)


def flat(model: Any) -> FlatClassifier:
    """Return a flat model whose probabilities are those of the estimator."""
    return FlatClassifier(model, calibration_size=0.02)


def estimators(rows: Rows) -> dict[str, Any]:
    """Return flat models: the default of such rows, and what it was chosen against."""
    default = {"default": flat(default_estimator("labeler", rows.X))}
    standardised = make_pipeline(StandardScaler(with_mean=False), LogisticRegression(max_iter=1000))
    if sparse.issparse(rows.X):
        others = {
            "not scaled, C 1": MultiOutputClassifier(LogisticRegression(max_iter=1000)),
            "not scaled, C 10": MultiOutputClassifier(LogisticRegression(C=10, max_iter=1000)),
            "standardised, C 1": per_label(standardised),
            "network": KerasClassifier("mlp", epochs=15, batch_size=BATCH),
        }
    else:
        imputer = SimpleImputer(keep_empty_features=True)
        others = {
            "trees of scikit-learn": MultiOutputClassifier(HistGradientBoostingClassifier(early_stopping=False)),
            "linear": per_label(make_pipeline(imputer, StandardScaler(), LogisticRegression(C=0.1, max_iter=300))),
            "network": make_pipeline(imputer, KerasClassifier("mlp", epochs=40, batch_size=BATCH)),
        }
    return default | {name: flat(model) for name, model in others.items()}


def recipes(rows: Rows) -> dict[str, Any]:
    """Return cascades of default models by pool and rows of the rules, and the calibrated flat model."""
    found: dict[str, Any] = {}
    for pool in ("positives", "gated", "all"):
        for folds in (None, 5):
            rules = "held out" if folds is None else "5 folds"
            found[f"{pool}, {rules}"] = CascadeClassifier(negative_pool=pool, calibration_folds=folds)
    found["flat, calibrated, 5 folds"] = FlatClassifier(
        default_estimator("labeler", rows.X), calibration="platt", calibration_folds=5
    )
    return found


def network(options: dict[str, Any] | None = None, **given: Any) -> KerasClassifier:
    """Return a small CNN."""
    return KerasClassifier("cnn", network_options=options, batch_size=BATCH, **given)


def stopping(size: int) -> dict[str, Any]:
    """Return flat networks with and without early stopping."""
    common = {"epochs": 20, "learning_rate": 0.004, "image_size": size}
    return {
        "early stopping": network(validation_size=0.1, patience=5, **common),
        "all epochs, all rows": network(validation_size=0, **common),
    }


def gates(size: int) -> dict[str, Any]:
    """Return gates by width, size of their images, stride of the last convolution, and epochs."""
    found = {}
    for width, side, stride, epochs in (
        *((16, size // 2, 1, 10), (16, size // 2, 1, 20), (16, size // 2, 1, 40)),
        *((12, size, 2, 20), (16, size, 2, 20), (24, size, 1, 20)),
    ):
        name = f"gate {width} wide at {side} px, stride {stride}, {epochs} epochs"
        options = {"width": width, "last_stride": stride}
        found[name] = network(options, epochs=epochs, image_size=side, validation_size=0, learning_rate=0.004)
    return found


def images(part: str, rows: Rows, training: np.ndarray, testing: np.ndarray, seed: int) -> None:
    """Print a line per network, fitted on some rows and measured on others."""
    size = 64
    models = stopping(size) if part == "stopping" else gates(size)
    target = rows.Y if part == "stopping" else rows.Y[:, -1:]
    for name, model in models.items():
        started = time.monotonic()
        model.set_params(random_state=seed).fit(rows.X[training], target[training], groups=rows.groups[training])
        proba = model.predict_proba(rows.X[testing]).reshape(len(testing), -1)
        if part == "gates":
            # Share of the rows that pass where 95 % of the positives of each label do.
            found = rows.Y[testing]
            threshold = min(np.quantile(proba[found[:, k] > 0, 0], 0.05) for k in range(found.shape[1]))
            known = f"AP of any {average_precision_score(found[:, -1], proba[:, 0]):.4f}"
            known += f" | passes {np.mean(proba[:, 0] >= threshold):.3f}"
        else:
            macro, of_any, loss = figures(target[testing], proba)
            known = f"{macro:.4f} | {of_any:.4f} | {loss:.4f}"
        print(
            f"| {len(training)} rows, seed {seed} | {name} | {known} | {time.monotonic() - started:.0f} |", flush=True
        )


def on_phantom(part: str, folder: Path, n: int, seeds: int) -> None:
    """Fit networks on the rows of other patients for each seed, and measure them on the same patients."""
    data = read_data(folder)
    patients = np.random.default_rng(0).permutation(np.unique(data.groups))
    testing = np.flatnonzero(np.isin(data.groups, patients[:TEST_PATIENTS]))
    rows = Rows(np.asarray(data.X), data.Y, data.groups)
    for seed in range(seeds):
        chosen = np.random.default_rng([seed, 7]).permutation(patients[TEST_PATIENTS:])
        place = {patient: number for number, patient in enumerate(chosen)}
        order = np.argsort([place.get(group, len(place)) for group in data.groups], kind="stable")
        images(part, rows, np.sort(order[:n]), testing, seed)


def on_slices(part: str, folder: Path, seeds: int) -> None:
    """Fit networks on two thirds of the patients of `ctich`, and measure them on the others."""
    rows = read("ctich images", folder, None)
    for seed in range(seeds):
        fold = grouped_folds(rows.Y, rows.groups, FOLDS, seed)
        images(part, rows, np.flatnonzero(fold != 0), np.flatnonzero(fold == 0), seed)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--phantom", type=Path)
    parser.add_argument("--parts", nargs="*", default=["estimators", "recipes", "stopping", "gates"])
    parser.add_argument("--sets", nargs="*", default=[*SETS, "tox21"])
    parser.add_argument("--models", nargs="*", help="Only these models, by name.")
    parser.add_argument("--folds", nargs="*", type=int, default=list(range(FOLDS)))
    parser.add_argument("--most", type=int, help="Most rows of a set.")
    parser.add_argument("--rows", type=int, default=6000, help="Training rows of the phantom.")
    parser.add_argument("--seeds", type=int, default=2)
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    tabular: dict[str, Callable[[Rows], dict[str, Any]]] = {"estimators": estimators, "recipes": recipes}
    for part in given.parts:
        print(f"\n{part}: data | model | macro AP | AP of any | log loss | seconds", flush=True)
        if part not in tabular:
            on_slices(part, given.data, given.seeds)
            if given.phantom is not None:
                on_phantom(part, given.phantom, given.rows, given.seeds)
            continue
        for name in given.sets:
            rows = read(name, given.data, given.most)
            use = "chosen on" if name in CHOSEN_ON else "held out"
            models = tabular[part](rows)
            chosen = {model: models[model] for model in given.models or models}
            for model, found in evaluate(chosen, rows, given.folds):
                shown = " | ".join(f"{value:.4f}" for value in found[:3])
                print(f"| {name} ({use}) | {model} | {shown} | {found[3]:.0f} |", flush=True)


if __name__ == "__main__":
    main()
