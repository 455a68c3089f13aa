"""Compare two checkouts of the project in one process: fit, predict and import, in turns.

    python benchmarks/paired_checkouts.py ../old . --rounds 9

Both checkouts are imported side by side, and each round measures one after the other in alternating order, so that what
else the machine does affects both. Printed is the median over rounds of the ratio new / old, with its quartiles.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

IMPORT = "import sys; sys.path.insert(0, sys.argv[1]); import cascade; from cascade import {}"


class Checkout:
    """The modules of one checkout, which are put into `sys.modules` while it runs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        self.modules: dict[str, Any] = {}

    def __enter__(self) -> None:
        for name in [name for name in sys.modules if _is_own(name)]:
            del sys.modules[name]
        sys.modules.update(self.modules)
        sys.path.insert(0, str(self.folder))

    def __exit__(self, *error: object) -> None:
        sys.path.remove(str(self.folder))
        self.modules = {name: module for name, module in sys.modules.items() if _is_own(name)}


def _is_own(name: str) -> bool:
    return name == "cascade" or name.startswith("cascade.")


def tasks(rows: int) -> dict[str, Callable[[], Callable[[], object]]]:
    """Functions that prepare a task in the current checkout and return what is timed."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(rows, 20))
    findings = X[:, :5] + rng.normal(size=(rows, 5)) > 2.2
    Y = np.column_stack([findings, findings.any(axis=1)]).astype(int)
    groups = np.arange(rows) // 4
    many = np.tile(X, (8, 1))
    few = X[:200]

    def model(pool: str = "positives") -> Any:
        from sklearn.linear_model import LogisticRegression

        from cascade import BalancedBinaryRelevance, CascadeClassifier

        labeler = BalancedBinaryRelevance(LogisticRegression(), n_bags=2)
        return CascadeClassifier(LogisticRegression(), labeler, negative_pool=pool)

    def fit() -> Callable[[], object]:
        return lambda: model().fit(X, Y, groups=groups)

    def fit_gated() -> Callable[[], object]:
        return lambda: model("gated").fit(X, Y, groups=groups)

    def predict() -> Callable[[], object]:
        fitted = model().fit(X, Y, groups=groups)
        return lambda: fitted.predict_proba(many)

    def predict_few() -> Callable[[], object]:
        fitted = model().fit(X, Y, groups=groups)
        return lambda: [fitted.predict(few) for _ in range(20)]

    return {"fit": fit, "fit, pool gated": fit_gated, "predict": predict, "predict 200 rows, 20 times": predict_few}


def seconds(run: Callable[[], object]) -> float:
    """How long a call takes."""
    started = time.perf_counter()
    run()
    return time.perf_counter() - started


def paired(sides: list[Checkout], task: Callable[[], Callable[[], object]], rounds: int) -> list[float]:
    """Ratios new / old, one per round."""
    runs = []
    for side in sides:
        with side:
            runs.append(task())
    ratios = []
    for number in range(rounds + 1):
        taken = [0.0, 0.0]
        for k in (0, 1) if number % 2 else (1, 0):
            with sides[k]:
                taken[k] = seconds(runs[k])
        ratios.append(taken[1] / taken[0])
    # The first round fills caches.
    return ratios[1:]


def imports(sides: list[Checkout], name: str, rounds: int) -> list[float]:
    """Ratios new / old of the time that a new process takes to import a public name."""
    ratios = []
    for number in range(rounds + 1):
        taken = [0.0, 0.0]
        for k in (0, 1) if number % 2 else (1, 0):
            command = [sys.executable, "-c", IMPORT.format(name), str(sides[k].folder)]
            taken[k] = seconds(lambda command=command: subprocess.run(command, check=True, cwd="/"))
        ratios.append(taken[1] / taken[0])
    return ratios[1:]


def shown(name: str, ratios: list[float]) -> str:
    """One line of the table."""
    low, middle, high = statistics.quantiles(ratios, n=4)
    return f"{name:<32} {middle:.3f}  ({low:.3f} to {high:.3f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("old", type=Path)
    parser.add_argument("new", type=Path)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--rows", type=int, default=20_000)
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    sides = [Checkout(given.old), Checkout(given.new)]
    print("new / old                         median  (quartiles)")
    for name, task in tasks(given.rows).items():
        print(shown(name, paired(sides, task, given.rounds)), flush=True)
    for name in ("CascadeClassifier", "CascadePredictor"):
        print(shown(f"import {name}", imports(sides, name, given.rounds)), flush=True)


if __name__ == "__main__":
    main()
