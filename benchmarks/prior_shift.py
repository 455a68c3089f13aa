"""Counts at sites of another prevalence, before and after `adapt`, against a generator of known truth.

    python benchmarks/prior_shift.py

For each negative pool a cascade of quadratic logistic regressions, whose gate is linear and so knows less than the
labeler does, is fitted on rows of which 14 % have a label, and asked about rows of which 4 % and 40 % have one.
"""

from __future__ import annotations

import argparse
import warnings

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.multioutput import MultiOutputClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures

from cascade import CascadeClassifier
from cascade.datasets.known_truth import Drawn, draw
from cascade.rules.probability.merge import POOLS

SITES = (0.04, 0.4)


def site(drawn: Drawn, prevalence: float, rows: int) -> tuple[np.ndarray, np.ndarray]:
    some, rng = drawn.Y[:, 5] > 0, np.random.default_rng(0)
    n_with = round(rows * prevalence)
    parts = [rng.choice(np.flatnonzero(side), size) for side, size in ((some, n_with), (~some, rows - n_with))]
    chosen = np.concatenate(parts)
    return drawn.X[chosen], drawn.Y[chosen]


def told(ratios: np.ndarray) -> str:
    return " ".join(f"{ratio:.2f}" for ratio in ratios)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=40_000)
    rows = parser.parse_args().rows
    training, other = draw(rows, seed=1), draw(4 * rows, seed=2)
    print("sums of probabilities over labels, label_1 to label_5 and any")
    for pool in POOLS:
        labeler = MultiOutputClassifier(make_pipeline(PolynomialFeatures(2), LogisticRegression(max_iter=300)))
        model = CascadeClassifier(LogisticRegression(), labeler, negative_pool=pool)
        predictor = model.fit(training.X, training.Y, groups=training.groups).predictor_
        for prevalence in (float(training.Y[:, 5].mean()), *SITES):
            X, Y = site(other, prevalence, rows)
            with warnings.catch_warnings(record=True) as warned:
                warnings.simplefilter("always")
                adapted = predictor.adapt(X)
            ratios = [
                told(each.predict_proba(X).sum(axis=0) / Y.sum(axis=0))
                for each in (predictor, adapted, predictor.adapt(prevalence=prevalence))
            ]
            found = adapted.provenance["adapted"]
            low, high = found["interval"]
            print(f"{pool}, {prevalence:.3f}, estimated {found['prevalence']:.3f} ({low:.3f} to {high:.3f}):")
            print("  as trained {}; adapted to the rows {}; to the prevalence {}".format(*ratios), end="")
            print(f"; {len(warned)} warnings")


if __name__ == "__main__":
    main()
