"""Rare labels seen more often: what it does to each label's ranking, and to its probabilities before and after.

    python benchmarks/rare_labels.py data/phantom
    python benchmarks/rare_labels.py data/phantom --rows 6000 --seeds 2 --set labeler.model.epochs=5

Trains the shipped cascade on whole patients, in four ways that differ in the labeler's training rows alone:

    plain              every row with a label once an epoch
    rare               rows drawn by the rarity of their rarest label, to the power gamma
    rare, augmented    the same, each draw moved, turned, scaled and given another contrast
    rare, aug., pasted the same, with findings of other patients pasted into a share of the draws

Each seed deals a split of its own, and all ways share its gate. Printed for each label, as mean and standard error over
seeds: average precision of the cascade on held-out patients (AP) and of the labeler on those rows that have a label and
pass the gate (labeler), each with its difference to plain; then sums of probabilities over positives, of the labeler on
the same rows, with the sample's shift (raw) and without it (corrected), and of the calibrated cascade on all rows.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import expit
from sklearn.frozen import FrozenEstimator

from cascade.config.build import build_cascade
from cascade.config.schema import RunConfig
from cascade.config.yaml_file import load_config
from cascade.data import Dataset, read_data
from cascade.data.splits import grouped_folds, random_groups
from cascade.datasets.phantom import PhantomImages
from cascade.metrics import label_average_precision
from cascade_pipelines.steps.progress import show_log
from cascade_pipelines.steps.run_data import roles_of

AUGMENT = {"translation": 0.05, "rotation": 0.03, "zoom": 0.1, "contrast": 0.1}
PLAIN = "plain"
SUMS = ("raw", "corrected", "calibrated")


def ways(gamma: float, paste: float) -> dict[str, dict[str, Any]]:
    """What each way adds to the labeler's network."""
    rare = {"kind": "rare", "gamma": gamma}
    return {
        PLAIN: {},
        "rare": {"sampling": rare},
        "rare, augmented": {"sampling": rare, "augment": AUGMENT},
        "rare, aug., pasted": {"sampling": {**rare, "paste": paste}, "augment": AUGMENT},
    }


def labeler_config(config: RunConfig, sampling: Any = None, augment: Any = None) -> RunConfig:
    model = config.labeler.model
    options = {**(model.network_options or {}), **({"augment": augment} if augment else {})}
    model = model.model_copy(update={"sampling": sampling, "network_options": options})
    return config.model_copy(update={"labeler": config.labeler.model_copy(update={"model": model})})


def read_scans(folder: Path, config: RunConfig, rows: int | None) -> Dataset:
    """The phantom, whose images know their findings; about `rows` of them, in whole patients."""
    data = replace(read_data(folder, roles_of(config)), X=PhantomImages(folder))
    if rows is None or rows >= len(data):
        return data
    return data.part(np.flatnonzero(random_groups(data.groups, len(data), rows / len(data), seed=0)))


def run_seed(config: RunConfig, data: Dataset, seed: int, arms: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Train all ways on one split."""
    folds = grouped_folds(data.Y, data.groups, 5, seed)
    training, testing = data.part(np.flatnonzero(folds != 0)), data.part(np.flatnonzero(folds == 0))
    gate, found = None, {}
    for name, added in arms.items():
        model = build_cascade(labeler_config(config, **added).model_copy(update={"seed": seed}), data)
        if gate is not None:
            model.set_params(gate=FrozenEstimator(gate))
        started = time.monotonic()
        model.fit(training.X, training.Y, groups=training.groups)
        gate = getattr(model.gate_, "estimator", model.gate_)
        found[name] = {**measured(model.predictor_, testing), "seconds": time.monotonic() - started}
        print(f"seed {seed}, {name}: {found[name]}", file=sys.stderr, flush=True)
    return found


def measured(predictor: Any, testing: Dataset) -> dict[str, list[float]]:
    """Average precision and sums over positives, one value a label; NaN where the labeler has no say."""
    Y, scores = testing.Y, predictor.score(testing.X)
    proba = predictor.decide(scores).proba
    some = Y[scores.passed].any(axis=1)
    learned = predictor.rules.plan.learned
    truth, z = Y[scores.passed][some][:, learned], scores.labeler_z[some]
    count = np.maximum(truth.sum(axis=0), 1)
    labeler, raw, corrected = np.full((3, Y.shape[1]), np.nan)
    labeler[learned] = label_average_precision(truth, expit(z))
    raw[learned] = expit(z - predictor.labeler.sampling_shift_).sum(axis=0) / count
    corrected[learned] = expit(z).sum(axis=0) / count
    return {
        "ap": label_average_precision(Y, proba).tolist(),
        "labeler": labeler.tolist(),
        "raw": raw.tolist(),
        "corrected": corrected.tolist(),
        "calibrated": (proba.sum(axis=0) / np.maximum(Y.sum(axis=0), 1)).tolist(),
    }


def spread(values: np.ndarray) -> str:
    """Mean and standard error."""
    error = values.std(ddof=1) / np.sqrt(len(values)) if len(values) > 1 else float("nan")
    return f"{values.mean():7.3f} +- {error:5.3f}"


def values_of(seeds: list[dict[str, Any]], way: str, k: int) -> dict[str, np.ndarray]:
    """One label's figures by one way, an array over the seeds each."""
    return {key: np.array([seed[way][key][k] for seed in seeds]) for key in ("ap", "labeler", *SUMS)}


def show(names: tuple[str, ...], seeds: list[dict[str, Any]]) -> None:
    print(f"\n{len(seeds)} seeds, mean +- standard error")
    heads = ("AP", "- plain", "labeler", "- plain", *SUMS)
    for k, label in enumerate(names):
        print(f"\n{label:20}" + "".join(f"{head:>18}" for head in heads))
        for way in seeds[0]:
            own, plain = (values_of(seeds, one, k) for one in (way, PLAIN))
            shown = [own["ap"], own["ap"] - plain["ap"], own["labeler"], own["labeler"] - plain["labeler"]]
            print(f"  {way:18}" + "".join(f"{spread(values):>18}" for values in [*shown, *(own[key] for key in SUMS)]))
    seconds = {way: np.mean([seed[way]["seconds"] for seed in seeds]) for way in seeds[0]}
    print("\nseconds to fit (plain with the gate): " + ", ".join(f"{way} {s:.0f}" for way, s in seconds.items()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="made by `cascade phantom`")
    parser.add_argument("--config", type=Path, default=Path("configs/phantom-multilabel.yaml"))
    parser.add_argument("--rows", type=int, help="use about this many rows, in whole patients")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--gamma", type=float, default=0.5)
    parser.add_argument("--paste", type=float, default=0.25)
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="override the config")
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results/rare_labels.json"))
    options = parser.parse_args()
    show_log()
    logging.getLogger("cascade.training").setLevel(logging.WARNING)
    config = load_config(options.config, [f"data.path={options.folder}", *options.set])
    data = read_scans(options.folder, config, options.rows)
    seeds: list[dict[str, Any]] = []
    for seed in range(options.seeds):
        seeds.append(run_seed(config, data, seed, ways(options.gamma, options.paste)))
        # Kept after every seed: an interrupted run still tells what it has.
        options.output.parent.mkdir(parents=True, exist_ok=True)
        options.output.write_text(json.dumps({"rows": len(data), "seeds": seeds}, indent=2) + "\n", encoding="utf-8")
    show(data.label_names, seeds)


if __name__ == "__main__":
    main()
