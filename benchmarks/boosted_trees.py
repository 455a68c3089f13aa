"""How fast trees predict on one thread: scikit-learn, LightGBM, XGBoost, treelite, and the trees of a model folder.

    pip install lightgbm xgboost-cpu treelite
    python benchmarks/boosted_trees.py

A million rows of 32 columns, in memory, with a missing value in each 20th cell. Models are fitted on 20,000 rows whose
label has a prevalence of 15 %. All ways to predict one model take turns; the figure is processor time, the least of
the rounds. `treelite` reads the model of the library and predicts with `treelite.gtil`.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import treelite
from lightgbm import LGBMClassifier
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from threadpoolctl import threadpool_limits
from xgboost import XGBClassifier

from cascade.estimators.boosting.convert import with_plain_trees

COLUMNS = 32
MODELS: dict[str, Any] = {
    "HistGradientBoostingClassifier, 100 trees of 31 leaves": HistGradientBoostingClassifier(early_stopping=False),
    "HistGradientBoostingClassifier, 200 trees of 15 leaves": HistGradientBoostingClassifier(
        max_iter=200, max_leaf_nodes=15, learning_rate=0.05, early_stopping=False
    ),
    "RandomForestClassifier, 100 trees": RandomForestClassifier(100, min_samples_leaf=5, random_state=0),
    "LGBMClassifier, 100 trees of 31 leaves": LGBMClassifier(n_estimators=100, n_jobs=1, verbosity=-1),
    "XGBClassifier, 100 trees of depth 6": XGBClassifier(n_estimators=100, n_jobs=1),
}
Way = Callable[[NDArray[Any]], Any]


def table(n: int, seed: int) -> tuple[NDArray[Any], NDArray[Any]]:
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, COLUMNS))
    y = (X[:, 0] * X[:, 1] + X[:, 2] + rng.normal(size=n) > 1.8).astype(int)
    X[rng.random(X.shape) < 0.05] = np.nan
    return X, y


def ways(model: Any) -> dict[str, Way]:
    """Functions that predict a fitted model, by who computes them."""
    name = type(model).__name__
    if name.startswith(("Hist", "Random")):
        read, dtype = treelite.sklearn.import_model(model), np.float32 if name.startswith("Random") else np.float64
        own: dict[str, Way] = {"own": model.predict_proba}
    else:
        is_lightgbm = name.startswith("LGBM")
        booster = model.booster_ if is_lightgbm else model.get_booster()
        read = (treelite.frontend.from_lightgbm if is_lightgbm else treelite.frontend.from_xgboost)(booster)
        dtype = np.float64 if is_lightgbm else np.float32
        own = {"own": model.predict_proba, "model folder": with_plain_trees(model).predict_proba}
    return {**own, "treelite": lambda X: treelite.gtil.predict(read, X.astype(dtype, copy=False), nthread=1)}


def measured(found: dict[str, Way], X: NDArray[Any], rounds: int) -> dict[str, float]:
    """Processor seconds by way; the least of several rounds, in which they take turns."""
    seconds = dict.fromkeys(found, float("inf"))
    for _ in range(rounds):
        for name, predict in found.items():
            start = time.process_time()
            predict(X)
            seconds[name] = min(seconds[name], time.process_time() - start)
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default="", help="beginning of the names of the models to measure")
    options = parser.parse_args()
    (X, y), (T, _) = table(20_000, seed=0), table(options.rows, seed=1)
    with threadpool_limits(1):
        for name, model in MODELS.items():
            if not name.startswith(options.only):
                continue
            found = ways(model.fit(X, y))
            first, *others = (np.ravel(predict(T[:5000]))[-1] for predict in found.values())
            assert np.allclose(others, first, atol=1e-6)
            seconds = measured(found, T, options.rounds)
            shown = ", ".join(f"{way} {least:.2f} s" for way, least in seconds.items())
            print(f"{name}: {shown}", flush=True)


if __name__ == "__main__":
    main()
