"""Balance, leakage and time of grouped multi-label splits beside scikit-learn's and iterative stratification.

    python benchmarks/splits.py

Prints, for each splitter and data set: seconds, groups that stand in more than one fold, and the largest distance of a
label's share in a fold from even. Iterative stratification is measured where the package `iterative-stratification`
is installed; the project does not need it.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.model_selection import GroupKFold, StratifiedGroupKFold

from cascade.data.splits import fold_shares, grouped_folds
from cascade.datasets.phantom.patients import plan_patients
from cascade.datasets.phantom.table import combination_counts

N_SPLITS = 5
LARGEST_DENSE = 100_000_000


@dataclass(frozen=True)
class Labelled:
    """Labels and groups to split."""

    name: str
    Y: Any
    groups: np.ndarray | None


def problem_a() -> Labelled:
    combinations, counts, _ = combination_counts()
    patients = plan_patients(combinations, counts, seed=0)
    groups = np.repeat([patient.number for patient in patients], [len(patient.labels) for patient in patients])
    return Labelled("problem A, patients", np.vstack([patient.labels for patient in patients]), groups)


def random_labels(n: int, n_labels: int, per_row: int, group_size: int) -> Labelled:
    """Labels whose frequency falls like a power of their rank, in groups of a few rows."""
    rng = np.random.default_rng(0)
    chance = np.arange(1, n_labels + 1) ** -0.5
    column = rng.choice(n_labels, size=n * per_row, p=chance / chance.sum())
    Y = sparse.csr_array((np.ones(n * per_row, np.uint8), column, np.arange(n + 1) * per_row), shape=(n, n_labels))
    Y.sum_duplicates()
    Y.data[:] = 1
    groups = None if group_size == 1 else np.arange(n) // group_size
    return Labelled(f"{n:,} x {n_labels:,}, groups of {group_size}", Y, groups)


def ours(data: Labelled) -> np.ndarray:
    return grouped_folds(data.Y, data.groups, N_SPLITS, seed=0)


def of_scikit_learn(splitter: Any) -> Callable[[Labelled], np.ndarray]:
    def split(data: Labelled) -> np.ndarray:
        # It takes one label only: that of the rarest column of the row.
        order = np.argsort(np.asarray(data.Y.sum(axis=0)).ravel(), kind="stable")
        dense = data.Y[:, order].toarray() if sparse.issparse(data.Y) else data.Y[:, order]
        rarest = np.where(dense.any(axis=1), dense.argmax(axis=1), -1)
        groups = np.arange(len(dense)) if data.groups is None else data.groups
        return numbered(splitter.split(dense, rarest, groups), len(dense))

    return split


def iterative(data: Labelled) -> np.ndarray:
    from iterstrat.ml_stratifiers import MultilabelStratifiedKFold

    dense = data.Y.toarray() if sparse.issparse(data.Y) else data.Y
    splitter = MultilabelStratifiedKFold(N_SPLITS, shuffle=True, random_state=0)
    return numbered(splitter.split(dense, dense), len(dense))


def numbered(splits: Any, n: int) -> np.ndarray:
    folds = np.empty(n, dtype=np.intp)
    for fold, (_, test) in enumerate(splits):
        folds[test] = fold
    return folds


SPLITTERS: dict[str, Callable[[Labelled], np.ndarray]] = {
    "grouped_folds": ours,
    "GroupKFold": of_scikit_learn(GroupKFold(N_SPLITS)),
    "StratifiedGroupKFold": of_scikit_learn(StratifiedGroupKFold(N_SPLITS)),
    "iterative stratification": iterative,
}


def straddling(folds: np.ndarray, groups: np.ndarray | None) -> int:
    if groups is None:
        return 0
    pairs = np.unique(np.column_stack([groups, folds]), axis=0)
    return int((np.bincount(np.unique(pairs[:, 0], return_inverse=True)[1]) > 1).sum())


def measure(name: str, data: Labelled) -> str:
    started = time.monotonic()
    try:
        folds = SPLITTERS[name](data)
    except ImportError:
        return "not installed"
    seconds = time.monotonic() - started
    uneven = np.nanmax(abs(fold_shares(data.Y, folds, N_SPLITS) - 1 / N_SPLITS))
    return f"{seconds:7.1f} s  {straddling(folds, data.groups):6d} groups straddle  share off by {uneven:.4f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.parse_args()
    warnings.simplefilter("ignore")
    sets = [
        problem_a(),
        random_labels(80_000, 1_000, 10, 4),
        random_labels(10_000, 7_900, 130, 1),
        random_labels(80_000, 7_900, 130, 1),
    ]
    for data in sets:
        print(f"\n{data.name}")
        for name in SPLITTERS:
            # Dense labels of the largest set would take hundreds of megabytes, and minutes to hours.
            small = np.prod(data.Y.shape) <= LARGEST_DENSE
            print(f"{name:26}{measure(name, data) if name == 'grouped_folds' or small else 'not run'}", flush=True)


if __name__ == "__main__":
    main()
