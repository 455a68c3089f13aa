"""How far a linear model on pixels gets with the phantom's `any`: the task must not be that easy.

    python benchmarks/linear_on_pixels.py data/phantom

Logistic regression on images averaged down to 32 pixels, standardised; AUROC on held-out patients for each of
several splits, beside which a convolutional gate reaches about .97.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from cascade.data import Dataset, read_data
from cascade.data.splits import grouped_holdout

SIDE = 32


def shrink(images: np.ndarray) -> np.ndarray:
    """Average square blocks of pixels, so that a row has SIDE x SIDE features."""
    n, height, width, _ = images.shape
    blocks = images.reshape(n, SIDE, height // SIDE, SIDE, width // SIDE)
    return blocks.mean(axis=(2, 4), dtype=np.float32).reshape(n, -1)


def auroc(data: Dataset, features: np.ndarray, seed: int, C: float) -> float:
    held = grouped_holdout(data.Y, data.groups, 0.2, seed)
    target = data.Y.any(axis=1)
    model = make_pipeline(StandardScaler(), LogisticRegression(C=C, max_iter=300))
    model.fit(features[~held], target[~held])
    return float(roc_auc_score(target[held], model.predict_proba(features[held])[:, 1]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    data = read_data(options.data)
    features = shrink(np.asarray(data.X))
    for C in (1e-4, 1e-3):
        values = [auroc(data, features, seed, C) for seed in range(options.seeds)]
        print(f"C {C:g}: AUROC of `any` {' '.join(f'{value:.3f}' for value in values)}", flush=True)


if __name__ == "__main__":
    main()
