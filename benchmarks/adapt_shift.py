"""How often `adapt(X)` notices that features moved, and not only the share of rows with a label.

    python benchmarks/adapt_shift.py

In each draw a cascade of logistic regressions is fitted on 8,000 rows of 20 normal features, of which 17 % have a
label. New sites have the same share of rows with a label, but every feature is moved by a part of its standard
deviation; or they have another share and no movement. For each, and for several numbers of rows, it prints the mean
estimate of the share and how many of the draws are warned of or refused. The movement is along the direction in which
the classes differ, which is the hardest to tell from another share.
"""

from __future__ import annotations

import argparse
import warnings

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.multioutput import MultiOutputClassifier

from cascade import CascadeClassifier, CascadePredictor
from cascade.drift.prevalence import estimate_prevalence
from cascade.errors import DataError

FEATURES, TRAINING = 20, 8_000
SITES = [(0.0, None), (0.0, 0.08), (0.0, 0.4), *((moved, None) for moved in (0.04, 0.08, 0.16, 0.25))]
"""How far each feature moves, in standard deviations, and the share of rows with a label where it is another."""


def draw(n: int, rng: np.random.Generator, share: float | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Draw rows and labels, at the generator's share of rows with a label or at another."""
    many = n if share is None else 12 * n
    X = rng.normal(size=(many, FEATURES))
    score = X.sum(axis=1, keepdims=True) * 2.5 / np.sqrt(FEATURES)
    Y = (score + rng.normal(size=(many, 3)) > [3.0, 3.2, 3.4]).astype(int)
    if share is None:
        return X, Y
    some, n_with = Y.any(axis=1), rng.binomial(n, share)
    rows = np.concatenate([np.flatnonzero(some)[:n_with], np.flatnonzero(~some)[: n - n_with]])
    return X[rows], Y[rows]


def estimated(predictor: CascadePredictor, X: np.ndarray) -> float:
    """Return the estimated share of rows with a label, whatever the checks find."""
    gate = predictor.rules.gate_proba(predictor.score(X).gate_z)
    return estimate_prevalence(gate, predictor.rules.prior_shift().source, np.arange(len(X))).value


def outcome(predictor: CascadePredictor, X: np.ndarray) -> str:
    """Return whether adapting to rows is silent, warned of, or refused."""
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        try:
            predictor.adapt(X)
        except DataError:
            return "refused"
    return "warned" if seen else "silent"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draws", type=int, default=100)
    parser.add_argument("--rows", type=int, nargs="+", default=[1000, 4000])
    options = parser.parse_args()
    cases = [(moved, share, n) for moved, share in SITES for n in options.rows]
    found: dict[tuple[float, float | None, int], list[tuple[float, float, str]]] = {case: [] for case in cases}
    for seed in range(options.draws):
        rng = np.random.default_rng(seed)
        # A new training in each draw: what one model has by chance would be in all its sites.
        model = CascadeClassifier(LogisticRegression(), MultiOutputClassifier(LogisticRegression()))
        predictor = model.fit(*draw(TRAINING, rng)).predictor_
        for moved, share, n in cases:
            X, Y = draw(n, rng, share)
            site = X + moved
            row = float(Y.any(axis=1).mean()), estimated(predictor, site), outcome(predictor, site)
            found[moved, share, n].append(row)
    print("| each feature moved by | rows | share with a label | estimate | warned | refused |")
    print("|---|---|---|---|---|---|")
    for (moved, _, n), rows in found.items():
        true, estimate = (np.mean([row[k] for row in rows]) for k in (0, 1))
        outcomes = [row[2] for row in rows]
        warned, refused = (f"{outcomes.count(each) / len(outcomes):.0%}" for each in ("warned", "refused"))
        print(f"| {moved} | {n} | {true:.2f} | {estimate:.2f} | {warned} | {refused} |")


if __name__ == "__main__":
    main()
