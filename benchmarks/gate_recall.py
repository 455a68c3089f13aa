"""How often the gate loses more of a label than wanted, and what the bound in its threshold costs.

    python benchmarks/gate_recall.py
    python benchmarks/gate_recall.py DATA_FOLDER --only thyroid unfair_tos mi

The threshold keeps the wanted recall of each label on held-out rows, as a point estimate or as a lower bound with the
given confidence, which may cost the given share of the rows (`cascade.rules.thresholds.gate_threshold`). Without a
folder the rows are simulated and the recall of each threshold is known (see `certificate.py`); with one, gates are
fitted to real data and judged on test rows.

Simulation:
    below     sets in which the true recall of some label is below the wanted one
    worst     true recall of the worst label: mean, 5th percentile
    passed    share of rows past the threshold over that past the best one: mean, 95th percentile

Real data, three folds for each seed; a label counts from 10 positives in the test fold on:
    below     folds in which some label's recall on test rows is below the wanted one
    labels    labels below it, and those below by more than chance explains (binomial test, 5 %, without groups)
    worst     recall of the worst label: mean, least
    passed    share of the test rows that pass
    proven    labels whose bound on the held-out rows reaches the wanted recall
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from certificate import UNEQUAL, Problem, best_share, clustered, held_out, independent, probability
from comparison import SETS, Table
from scipy.stats import binom
from sklearn.base import clone

from cascade.data.splits import group_numbers, grouped_folds, grouped_holdout
from cascade.rules.thresholds.gate_threshold import GateThreshold, gate_threshold

FEWEST_POSITIVES = 10
WAYS: dict[str, tuple[float, float] | None] = {
    "point": None,
    "0.80": (0.8, 1.0),
    "0.90": (0.9, 1.0),
    "0.95": (0.95, 1.0),
    "0.80, .10": (0.8, 0.1),
    "0.90, .05": (0.9, 0.05),
    "0.90, .10": (0.9, 0.1),
    "0.90, .20": (0.9, 0.2),
}
"""Confidence of the bound and the share of the rows that it may cost; None is the point estimate."""


def chosen(
    gate: np.ndarray, Y: np.ndarray, group: np.ndarray, recall: float, bound: tuple[float, float] | None
) -> GateThreshold | float:
    """Choose the threshold with a bound, or as the lowest of the labels' quantiles."""
    if bound is not None:
        return gate_threshold(gate, Y, recall, group=group, confidence=bound[0], margin_rows=bound[1])
    positives = [np.sort(gate[y > 0])[::-1] for y in Y.T if y.any()]
    return min([0.5, *(scores[int(np.ceil(recall * len(scores) - 1e-9)) - 1] for scores in positives)])


def simulate(title: str, problem: Problem, sets: int, recall: float) -> None:
    """Draw held-out sets, choose a threshold in each way, and print a line per way."""
    best = best_share(problem, recall, by_row=True)
    worst: dict[str, list[float]] = {way: [] for way in WAYS}
    passed: dict[str, list[float]] = {way: [] for way in WAYS}
    for seed in range(sets):
        z, Y, group = problem.draw(np.random.default_rng([seed, 9]))
        for way, bound in WAYS.items():
            # Halved, so that the upper limit of 0.5 is never reached.
            found = chosen(probability(z) / 2, Y, group, recall, bound)
            at = (2 * getattr(found, "value", found) - 0.5) * 40 - 1e-9
            worst[way].append(problem.row_recall(at).min())
            passed[way].append(problem.passed(at) / best)
    for way in WAYS:
        low, share = np.array(worst[way]), np.array(passed[way])
        print(
            f"{title:24}{way:>10}{np.mean(low < recall):8.1%}{low.mean():8.3f}{np.quantile(low, 0.05):7.3f}"
            f"{share.mean():8.2f}{np.quantile(share, 0.95):7.2f}",
            flush=True,
        )


def judge(title: str, data: Table, learner: object, seeds: int, recall: float) -> None:
    """Fit a gate per fold, choose thresholds on its held-out rows, and print a line per way."""
    found: dict[str, list[Sequence[float]]] = {way: [] for way in WAYS}
    for seed in range(seeds):
        folds = grouped_folds(data.Y, data.groups, 3, seed)
        for fold in range(3):
            test, rest = np.flatnonzero(folds == fold), np.flatnonzero(folds != fold)
            groups = None if data.groups is None else data.groups[rest]
            held = grouped_holdout(data.Y[rest], groups, 0.2, seed)
            gate = clone(learner).fit(data.X[rest[~held]], data.Y[rest[~held], -1])
            scores, new = (gate.predict_proba(data.X[rows])[:, 1] for rows in (rest[held], test))
            group = group_numbers(groups, len(rest))[held]
            for way, bound in WAYS.items():
                choice = chosen(scores, data.Y[rest[held]], group, recall, bound)
                found[way].append(figures(choice, new, data.Y[test], recall))
    for way in WAYS:
        below, labels, clearly, worst, passed, proven = np.array(found[way]).T
        print(
            f"{title:24}{way:>10}{below.mean():8.0%}{labels.mean():8.1%}{clearly.mean():7.1%}"
            f"{worst.mean():8.3f}{worst.min():7.3f}{passed.mean():8.3f}{proven.mean():8.0%}",
            flush=True,
        )


def figures(choice: GateThreshold | float, gate: np.ndarray, Y: np.ndarray, recall: float) -> tuple[float, ...]:
    """Return the figures of one fold, as `main` lists them."""
    Y = Y[:, Y.sum(axis=0, dtype=np.int64) >= FEWEST_POSITIVES]
    past = gate >= getattr(choice, "value", choice)
    kept, positives = Y[past].sum(axis=0, dtype=np.int64), Y.sum(axis=0, dtype=np.int64)
    share, clearly = kept / positives, binom.cdf(kept, positives, recall) < 0.05
    bound = choice.bound if isinstance(choice, GateThreshold) else np.zeros(1)
    proven = np.mean(bound[~np.isnan(bound)] >= recall - 1e-9)
    return (share.min() < recall, (share < recall).mean(), clearly.mean(), share.min(), past.mean(), proven)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?", help="real data; without it, rows are simulated")
    parser.add_argument("--only", nargs="*", choices=sorted(SETS), default=["thyroid", "mi", "unfair_tos"])
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--sets", type=int, default=500)
    parser.add_argument("--recall", type=float, default=0.95)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    if options.folder is not None:
        print(f"{'':34}{'below':>8}{'labels':>8}{'':7}{'worst':>8}{'least':>7}{'passed':>8}{'proven':>8}")
        for name in options.only:
            data = SETS[name].read(options.folder / SETS[name].file)
            for learner, make in SETS[name].learners.items():
                judge(f"{name}, {learner}", data, make(), options.seeds, options.recall)
        return
    shift, share = np.array([3.2, 3.0, 2.8, 3.6]), np.array([2.0, 1.5, 1.0, 3.0])
    print(f"{'':34}{'below':>8}{'worst':>8}{'5 %':>7}{'passed':>8}{'95 %':>7}")
    for units in (10, 20, 40, 100, 200, 500, 1000):
        simulate(f"{units} rows", independent(units * 50, share / 50, shift), options.sets, options.recall)
    for units in (20, 50, 100, 200):
        simulate(f"{units} groups", clustered(units * 10, share / 10, shift + 1, 1.0), options.sets, options.recall)
    simulate("100 groups, spread 2", clustered(1000, share / 10, shift + 1, 2.0), options.sets, options.recall)
    unequal = held_out(clustered(5000, share / 10, shift + 1, 1.0, UNEQUAL))
    simulate("100 unequal groups", unequal, options.sets, options.recall)


if __name__ == "__main__":
    main()
