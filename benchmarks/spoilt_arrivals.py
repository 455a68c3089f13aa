"""Spoil arrivals in six ways and count which are promoted unseen; and count clean arrivals that are refused.

    python benchmarks/spoilt_arrivals.py
    python benchmarks/spoilt_arrivals.py --draws 20 --clean 100

Champions are cascades with the default recipe on rows of known truth, and for images on phantom patients. Each arrival
is checked as `cascade retrain` checks it before a training. An arrival that is neither refused nor left to a person
would be trained on, and its challenger promoted if it is better on rows that have the same fault.
"""

from __future__ import annotations

import argparse
import json
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from cascade import BalancedBinaryRelevance, CascadeClassifier, CascadePredictor
from cascade.data.readers.dataset import Dataset
from cascade.data.readers.rsna import LABELS
from cascade.datasets.known_truth import LABEL_NAMES, draw
from cascade.datasets.phantom.patients import plan_patients
from cascade.datasets.phantom.render import render_patient
from cascade.datasets.phantom.table import full_table
from cascade.retraining.checks.validation import validate_data
from cascade.retraining.memory.held_out import held_out_rows
from cascade.retraining.memory.record import TrainingRecord, record_of

ROWS = 8000
SIZE = 16
IMAGES = 2500
Change = Callable[[Dataset, np.random.Generator], Dataset]


@dataclass(frozen=True)
class Champion:
    """A model, what is remembered of its data, and the data."""

    model: CascadePredictor
    record: TrainingRecord
    data: Dataset


def table(seed: int, rows: int = ROWS) -> Dataset:
    """Draw rows of known truth."""
    drawn = draw(rows, seed)
    groups, ids = (np.array([f"{seed}-{one}" for one in each]) for each in (drawn.groups, range(rows)))
    return Dataset(drawn.X.copy(), drawn.Y.copy(), LABEL_NAMES, groups, ids)


class Pictures:
    """Small phantom images, each patient in one arrival only."""

    def __init__(self) -> None:
        self.patients = plan_patients(*full_table(), seed=0)
        self.ends = np.cumsum([len(patient.labels) for patient in self.patients])

    def __call__(self, number: int) -> Dataset:
        """Render the patients of an arrival."""
        first, last = np.searchsorted(self.ends, [number * IMAGES, (number + 1) * IMAGES])
        chosen = self.patients[first:last]
        X = np.concatenate([render_patient(patient, SIZE, seed=0) for patient in chosen])
        Y = np.concatenate([patient.labels for patient in chosen])
        groups = np.concatenate([np.full(len(patient.labels), f"p{patient.number}", "U9") for patient in chosen])
        return Dataset(X, Y, LABELS, groups, np.array([f"{group}-{row}" for row, group in enumerate(groups)]))


def flat_rows(X: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return images as rows of pixels."""
    return X.reshape(len(X), -1)


def champion_of(data: Dataset) -> Champion:
    """Fit a champion of the default recipe on four fifths of the data."""
    held = held_out_rows(data, None, 0.2, 0)
    base = make_pipeline(FunctionTransformer(flat_rows), StandardScaler(), LogisticRegression(max_iter=300))
    groups = None if data.groups is None else data.groups[~held]
    cascade = CascadeClassifier(base, BalancedBinaryRelevance(base), label_names=data.label_names)
    model = cascade.fit(data.X[~held], data.Y[~held], groups=groups)
    predictor: CascadePredictor = model.predictor_
    proba = predictor.predict_proba(data.X[held])
    return Champion(predictor, record_of(data, held, proba, unseen=predictor.agreement), data)


def label_copied(data: Dataset, rng: np.random.Generator) -> Dataset:
    """A feature is a copy of a label, with the spread of the feature."""
    X = data.X.copy()
    X[:, 2] = data.Y[:, 3] + 0.05 * rng.normal(size=len(data))
    return replace(data, X=X)


def feature_constant(data: Dataset, rng: np.random.Generator) -> Dataset:
    """A feature has its mean in every row."""
    X = data.X.copy()
    X[:, int(rng.integers(X.shape[1]))] = X.mean()
    return replace(data, X=X)


def cells_imputed(data: Dataset, rng: np.random.Generator) -> Dataset:
    """Two of five cells have the mean of their column."""
    return replace(data, X=np.where(rng.random(data.X.shape) < 0.4, data.X.mean(axis=0), data.X).astype(data.X.dtype))


def annotations_lost(data: Dataset, rng: np.random.Generator) -> Dataset:
    """A quarter of the annotations of the most frequent finding are gone."""
    Y = np.array(data.Y)
    Y[rng.random(len(Y)) < 0.25, 4] = 0
    Y[:, -1] = Y[:, :-1].any(axis=1)
    return replace(data, Y=Y)


def one_patient(data: Dataset, _: np.random.Generator) -> Dataset:
    """All rows have the name of one patient."""
    return replace(data, groups=np.full(len(data), "unknown"))


def images_inverted(data: Dataset, rng: np.random.Generator) -> Dataset:
    """The images of a quarter of the patients are inverted."""
    assert data.groups is not None
    names: NDArray[np.str_] = np.unique(data.groups)
    chosen = np.isin(data.groups, rng.choice(names, len(names) // 4, replace=False))
    X = data.X.copy()
    X[chosen] = np.iinfo(X.dtype).max - X[chosen]
    return replace(data, X=X)


TABLES: dict[str, Change] = {
    "a column that copies a label": label_copied,
    "one feature constant": feature_constant,
    "two fifths of the cells imputed": cells_imputed,
    "a quarter of one label's annotations lost": annotations_lost,
    "all rows under one patient": one_patient,
}
PICTURES: dict[str, Change] = {"a quarter of the patients' images inverted": images_inverted}


def answer(champion: Champion, arrival: Dataset) -> tuple[str, list[str]]:
    """Return what follows from the checks, and the codes of the findings that say so."""
    parts = {
        name: np.concatenate([getattr(each, name) for each in (champion.data, arrival)])
        for name in ("X", "Y", "groups", "ids")
    }
    data = replace(champion.data, **parts)
    held = held_out_rows(data, champion.record, 0.2, 0)
    findings = validate_data(data, held, champion.record, champion.model)
    serious = [finding for finding in findings if finding.answer in ("refuse", "ask")]
    return (serious[0].answer if serious else "pass"), sorted({finding.code for finding in serious})


def main() -> None:
    """Print how often each kind of arrival is refused, left to a person, or passed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draws", type=int, default=5, help="arrivals of each spoilt kind")
    parser.add_argument("--clean", type=int, default=100, help="clean arrivals of the table")
    parser.add_argument("--results", type=Path, help="JSON file to write")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    champion, pictures = champion_of(table(0)), Pictures()
    seen = champion_of(pictures(0))
    told: dict[str, dict[str, int]] = {}
    codes: dict[str, set[str]] = {}

    def count(kind: str, answered: tuple[str, list[str]]) -> None:
        told.setdefault(kind, {"refuse": 0, "ask": 0, "pass": 0})[answered[0]] += 1
        codes.setdefault(kind, set()).update(answered[1])

    for seed in range(1, options.clean + 1):
        count("clean", answer(champion, table(seed)))
    for number in range(1, options.draws + 1):
        count("clean images", answer(seen, pictures(number)))
        for kind, change in TABLES.items():
            count(kind, answer(champion, change(table(number), np.random.default_rng(number))))
        for kind, change in PICTURES.items():
            count(kind, answer(seen, change(pictures(number), np.random.default_rng(number))))
    for kind, answers in told.items():
        print(f"{kind:45}", ", ".join(f"{n} {what}" for what, n in answers.items()), *sorted(codes[kind]))
    if options.results is not None:
        options.results.write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")
    spoilt = [kind for kind in (*TABLES, *PICTURES) if told[kind]["pass"]]
    stopped = sum(told["clean"][what] for what in ("refuse", "ask"))
    print(f"spoilt and passed: {spoilt or 'none'}; clean and stopped: {stopped} of {options.clean}")
    if spoilt or stopped > 0.02 * options.clean:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
