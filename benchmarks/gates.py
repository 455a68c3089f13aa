"""Ways of training a gate, by the share of rows they let through at a wanted recall of every label.

    python benchmarks/gates.py DATA_FOLDER
    python benchmarks/gates.py DATA_FOLDER --only --phantom data/phantom --seeds 3

Each seed deals three grouped folds (the phantom: one split). A gate is fitted on most groups of the other folds, the
offsets of its label rule are chosen on the rest of them, and the highest threshold that keeps the wanted recall of each
label with 10 positives or more is then taken on the fold itself, for all ways alike.

    plain          binary: is any label present?
    rarity g       the same, a row with labels weighted by (most frequent label's count / its rarest label's count) ** g
    label rule     one model a label; a row passes if any of them is high enough, which is that label's wanted quantile
    labels + any   the same with the plain gate as one more model
    larger         four times the trees; for networks 3/2 of the width, about twice the arithmetic
    heads          networks: labels beside `any`, whose head alone decides; "heads, any x 20" weighs its loss up

Printed: the mean share of rows past the gate, and the difference to the plain gate with its standard error over seeds.
"""

from __future__ import annotations

import argparse
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from comparison import SETS, Table
from sklearn.base import clone
from sklearn.ensemble import HistGradientBoostingClassifier

from cascade.config.yaml_file import load_config
from cascade.data import read_data
from cascade.data.rows import subset
from cascade.data.splits import grouped_folds
from cascade.estimators.neural import KerasClassifier
from cascade.utils.log_odds import log_odds
from cascade_pipelines.steps.run_data import roles_of

FEWEST_POSITIVES = 10


def share_passed(score: np.ndarray, Y: np.ndarray, recall: float) -> float:
    """Share of rows from the highest threshold that keeps the recall of each label."""
    kept = [keeping(score[y > 0], recall) for y in Y.T if y.sum() >= FEWEST_POSITIVES]
    return float((score >= min(kept)).mean())


def keeping(scores: np.ndarray, recall: float) -> float:
    """The highest threshold that keeps the recall of these positives."""
    order = np.sort(scores)[::-1]
    return float(order[int(np.ceil(recall * len(order) - 1e-9)) - 1])


def rarity(Y: np.ndarray, exponent: float) -> np.ndarray:
    """Weights that grow with the rarity of a row's rarest label; 1 for rows without one."""
    count = np.maximum(Y.sum(axis=0), 1)
    each = np.where(Y > 0, (count.max() / count) ** exponent, 0.0).max(axis=1)
    return np.where(Y.any(axis=1), each, 1.0)


def offsets(z: np.ndarray, Y: np.ndarray, recall: float) -> np.ndarray:
    """Each head's own threshold; a head with fewer than 5 positives lets nothing through."""
    return np.array([keeping(z[y > 0, k], recall) if y.sum() >= 5 else np.inf for k, y in enumerate(Y.T)])


def learners_ways(make: Callable[[], Any], data: Table, rows: dict[str, np.ndarray], recall: float) -> dict[str, Any]:
    """Scores of the test rows by each way, for a scikit-learn classifier."""
    Y, some = data.Y[:, :-1].astype(np.int64), data.Y[:, -1].astype(np.int64)

    def answers(model: Any, y: np.ndarray, weight: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        step = f"{model.steps[-1][0]}__" if hasattr(model, "steps") else ""
        given = {} if weight is None else {f"{step}sample_weight": weight}
        fitted = clone(model).fit(data.X[rows["fit"]], y[rows["fit"]], **given)
        first, second = (log_odds(fitted.predict_proba(data.X[rows[part]])[:, 1]) for part in ("choose", "test"))
        return first, second

    plain = answers(make(), some)
    found = {"plain": plain[1]}
    for exponent in (0.25, 0.5, 1.0):
        found[f"rarity {exponent}"] = answers(make(), some, rarity(Y[rows["fit"]], exponent))[1]
    learned = [k for k in range(Y.shape[1]) if Y[rows["fit"], k].any()]
    heads = [np.column_stack(part) for part in zip(*[answers(make(), Y[:, k]) for k in learned], strict=True)]
    truth = Y[rows["choose"]][:, learned]
    found["label rule"] = (heads[1] - offsets(heads[0], truth, recall)).max(axis=1)
    heads = [np.column_stack([z, own]) for z, own in zip(heads, plain, strict=True)]
    truth = np.column_stack([truth, some[rows["choose"]]])
    found["labels + any"] = (heads[1] - offsets(heads[0], truth, recall)).max(axis=1)
    model = make()
    if hasattr(model, "steps") and isinstance(model.steps[-1][1], HistGradientBoostingClassifier):
        found["larger"] = answers(model.set_params(histgradientboostingclassifier__max_iter=120), some)[1]
    return found


def networks_ways(data: Table, rows: dict[str, np.ndarray], recall: float, seed: int) -> dict[str, Any]:
    """Scores of the test rows by each way, for the shipped gate network."""
    Y, some = data.Y[:, :-1].astype(np.int64), data.Y[:, -1].astype(np.int64)
    groups = None if data.groups is None else data.groups[rows["fit"]]

    def answers(y: np.ndarray, weight: np.ndarray | None = None, width: int = 24) -> tuple[np.ndarray, np.ndarray]:
        options = {"flip": True, "width": width}
        model = KerasClassifier("cnn", options, epochs=8, learning_rate=0.004, random_state=seed)
        model.fit(subset(data.X, rows["fit"], model), y[rows["fit"]], groups=groups, sample_weight=weight)
        first, second = (model.predict_log_odds(subset(data.X, rows[part], model)) for part in ("choose", "test"))
        return first, second

    found = {"plain": answers(some)[1][:, 0]}
    found["rarity 0.5"] = answers(some, rarity(Y[rows["fit"]], 0.5))[1][:, 0]
    heads = answers(data.Y.astype(np.int64))
    found["heads"] = heads[1][:, -1]
    truth = data.Y[rows["choose"]]
    found["label rule"] = (heads[1][:, :-1] - offsets(heads[0][:, :-1], truth[:, :-1], recall)).max(axis=1)
    found["labels + any"] = (heads[1] - offsets(heads[0], truth, recall)).max(axis=1)
    found["heads, any x 20"] = answers(np.column_stack([Y, *[some] * 20]))[1][:, Y.shape[1] :].mean(axis=1)
    found["larger"] = answers(some, width=36)[1][:, 0]
    return found


def splits(data: Table, seed: int, n_folds: int) -> list[dict[str, np.ndarray]]:
    """Rows to fit on, to choose on and to test on, for each fold."""
    folds = grouped_folds(data.Y, data.groups, n_folds, seed)
    parts = []
    for fold in range(n_folds):
        rest = np.flatnonzero(folds != fold)
        inner = grouped_folds(data.Y[rest], None if data.groups is None else data.groups[rest], 4, seed)
        parts.append({"fit": rest[inner != 0], "choose": rest[inner == 0], "test": np.flatnonzero(folds == fold)})
    return parts


def report(title: str, shares: list[dict[str, float]]) -> None:
    """Print each way's mean over seeds, and its paired difference to the plain gate."""
    print(f"\n{title}, {len(shares)} seeds")
    plain = np.array([one["plain"] for one in shares])
    for way in shares[0]:
        own = np.array([one[way] for one in shares])
        error = (own - plain).std(ddof=1) / np.sqrt(len(own)) if len(own) > 1 else float("nan")
        print(f"  {way:16} {own.mean():6.3f} {(own - plain).mean():+7.3f} +- {error:.3f}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", nargs="*", choices=sorted(SETS), default=["thyroid", "unfair_tos", "disaster"])
    parser.add_argument("--phantom", type=Path, help="folder made by `cascade phantom`; networks take long")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--recall", type=float, default=0.95)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    for name in options.only:
        data = SETS[name].read(options.folder / SETS[name].file)
        for learner, make in SETS[name].learners.items():
            shares = []
            for seed in range(options.seeds):
                folds = [
                    passed(learners_ways(make, data, rows, options.recall), data, rows, options.recall)
                    for rows in splits(data, seed, 3)
                ]
                shares.append({way: float(np.mean([fold[way] for fold in folds])) for way in folds[0]})
            report(f"{name}, {learner}", shares)
    if options.phantom is not None:
        config = load_config("configs/phantom-multilabel.yaml", [f"data.path={options.phantom}"])
        read = read_data(config.data.path, roles_of(config))
        data = Table(read.X, read.Y, read.label_names, read.groups)
        shares = []
        for seed in range(options.seeds):
            rows = splits(data, seed, 5)[0]
            shares.append(passed(networks_ways(data, rows, options.recall, seed), data, rows, options.recall))
            print(f"phantom, seed {seed}: {shares[-1]}", file=sys.stderr, flush=True)
        report("phantom, networks", shares)


def passed(scores: dict[str, Any], data: Table, rows: dict[str, np.ndarray], recall: float) -> dict[str, float]:
    """Share of the test rows that each way lets through."""
    return {way: share_passed(score, data.Y[rows["test"], :-1], recall) for way, score in scores.items()}


if __name__ == "__main__":
    main()
