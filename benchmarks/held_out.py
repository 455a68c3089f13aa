"""How good, on held-out patients: configs of one data set, pooled over grouped folds and spread over seeds.

    python benchmarks/held_out.py configs/phantom-multilabel.yaml configs/phantom-balanced.yaml

Prints, for each config and label: average precision over the seeds on the first fold, and the sum of
probabilities over the sum of labels pooled over all folds, with a bootstrap interval over patients, beside the
same models without prior correction.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.frozen import FrozenEstimator

from cascade.config.build import build_cascade
from cascade.config.schema import RunConfig
from cascade.config.yaml_file import load_config
from cascade.data import Dataset, read_data
from cascade.data.splits import group_numbers, grouped_folds
from cascade.metrics import label_auroc, label_average_precision
from cascade.metrics.bootstrap import ratio_interval
from cascade.reports.report import merged_proba, uncorrected_proba
from cascade_pipelines.steps.progress import show_log
from cascade_pipelines.steps.run_data import roles_of

GATES: dict[tuple[str, int, int], Any] = {}


def run_fold(config: RunConfig, data: Dataset, folds: np.ndarray, fold: int, seed: int) -> dict[str, np.ndarray]:
    """Train on all folds but one; answer for the rows of that one."""
    training, testing = np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)
    part = data.part(training)
    model = build_cascade(config.model_copy(update={"seed": seed}), data)
    # Configs that differ in the labeler only would train the very same gate again.
    key = (config.gate.model_dump_json(), fold, seed)
    if key in GATES:
        model.set_params(gate=FrozenEstimator(GATES[key]))
    started = time.monotonic()
    model.fit(part.X, part.Y, groups=part.groups)
    GATES[key] = getattr(model.gate_, "estimator", model.gate_)
    fitted = time.monotonic() - started
    predictor = model.predictor_
    scores = predictor.score(data.part(testing).X)
    answer = predictor.decide(scores)
    return {
        "rows": testing,
        "gate": answer.gate_proba,
        "passed": answer.passed_gate,
        "proba": answer.proba,
        "uncorrected": uncorrected_proba(predictor, scores),
        "merged": merged_proba(predictor.rules, scores),
        "seconds": np.array(fitted),
    }


def summarise(data: Dataset, answers: dict[tuple[int, int], dict]) -> dict[str, Any]:
    """One line a label, from the folds of the first seed and from the seeds on the first fold."""
    by_fold = [answer for (_, seed), answer in answers.items() if seed == 0]
    by_seed = [answer for (fold, _), answer in answers.items() if fold == 0]
    rows = np.concatenate([answer["rows"] for answer in by_fold])
    Y, group = data.Y[rows], group_numbers(data.groups[rows], len(rows))
    pooled = {key: np.concatenate([a[key] for a in by_fold]) for key in ("proba", "uncorrected", "merged", "passed")}
    low, high = ratio_interval(pooled["proba"], Y.astype(float), group)
    precision = np.array([label_average_precision(data.Y[a["rows"]], a["proba"]) for a in by_seed])
    auroc = [label_auroc(data.Y[a["rows"]].max(axis=1, keepdims=True), a["gate"][:, None])[0] for a in by_seed]
    naive = np.concatenate([a["gate"] >= 0.5 for a in by_fold])
    true = Y.sum(axis=0, dtype=float)
    labels = [
        {
            "label": name,
            "positives": int(true[k]),
            "prevalence": float(true[k] / len(Y)),
            "average_precision": precision[:, k].tolist(),
            "sum_ratio": float(pooled["proba"][:, k].sum() / true[k]),
            "sum_ratio_low": float(low[k]),
            "sum_ratio_high": float(high[k]),
            "sum_ratio_uncorrected": float(pooled["uncorrected"][:, k].sum() / true[k]),
            "sum_ratio_merged": float(pooled["merged"][:, k].sum() / true[k]),
            "gate_recall": float(pooled["passed"][Y[:, k] > 0].mean()),
            "gate_recall_at_half": float(naive[Y[:, k] > 0].mean()),
        }
        for k, name in enumerate(data.label_names)
    ]
    share = [float(a["passed"].mean()) for a in by_fold]
    seconds = [float(a["seconds"]) for a in by_fold]
    return {"labels": labels, "gate_auroc": auroc, "share_past_gate": share, "fit_seconds": seconds}


def show(name: str, result: dict[str, Any]) -> None:
    print(f"\n{name}: gate AUROC {spread(result['gate_auroc'])}, past the gate {spread(result['share_past_gate'])}")
    print(f"{'label':18}{'rows':>6}{'prev.':>8}{'AP (seeds)':>16}{'x prev.':>9}", end="")
    print(f"{'raw sum':>9}{'merged':>8}{'sum':>7}{'95 %':>13}{'gate':>7}{'at .5':>7}")
    for row in result["labels"]:
        precision = row["average_precision"]
        print(f"{row['label']:18}{row['positives']:6d}{row['prevalence']:8.4f}{spread(precision):>16}", end="")
        print(f"{np.mean(precision) / row['prevalence']:9.1f}{row['sum_ratio_uncorrected']:9.2f}", end="")
        print(f"{row['sum_ratio_merged']:8.2f}{row['sum_ratio']:7.2f}", end="")
        print(f"{row['sum_ratio_low']:7.2f}-{row['sum_ratio_high']:.2f} ", end="")
        print(f"{row['gate_recall']:7.3f}{row['gate_recall_at_half']:7.3f}", flush=True)


def spread(values: list[float]) -> str:
    return f"{np.mean(values):.3f} +- {np.std(values, ddof=1):.3f}" if len(values) > 1 else f"{values[0]:.3f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("configs", nargs="+", type=Path)
    parser.add_argument("--data", type=Path, help="use this data instead of the configs' own")
    parser.add_argument("--folds", type=int, default=3)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results/held_out.json"))
    options = parser.parse_args()
    show_log()
    logging.getLogger("cascade.training").setLevel(logging.WARNING)
    configs = [load_config(path) for path in options.configs]
    data = read_data(options.data or configs[0].data.path, roles_of(configs[0]))
    folds = grouped_folds(data.Y, data.groups, options.folds, seed=0)
    jobs = [(fold, 0) for fold in range(options.folds)] + [(0, seed) for seed in range(1, options.seeds)]
    answers: dict[str, dict[tuple[int, int], dict]] = {config.name: {} for config in configs}
    for job in jobs:
        for config in configs:
            print(f"fold and seed {job}: {config.name}", file=sys.stderr, flush=True)
            answers[config.name][job] = run_fold(config, data, folds, *job)
        # Kept after every job: an interrupted run still tells what it has.
        save({config.name: summarise(data, answers[config.name]) for config in configs}, options.output)
    for config in configs:
        show(config.name, summarise(data, answers[config.name]))


def save(results: dict[str, Any], output: Path) -> None:
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
