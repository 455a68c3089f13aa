"""Find out whether the phantom's rarest finding is too hard or lost in training.

    cascade phantom data/phantom
    python benchmarks/learnable.py data/phantom --seeds 2

Every figure is the average precision (AP) of the epidural label, and of the four other findings on average, on all rows
of the same held-out patients at natural prevalence. Per seed:

    visible     the lens against the noise of its image: how clearly an observer who knows its pixels can see it
    masks       boosted trees that are given the pixels of all bleeds, not their types, of the training patients
    rows        the CNN of the configs, on 8,000 rows without the label and 4,000 or 1,000 new rows with it
    natural     the same CNN on the training patients' own rows, plain, and drawn by rarity and augmented
    pasted      the same, with the findings of other training patients in half of the rows
    larger      the same network looking twice as closely: images enlarged from 64 to 128 pixels

All networks take the same number of steps. A part takes 1 to 5 minutes per seed on two cores.
"""

from __future__ import annotations

import argparse
import time
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from scipy.ndimage import label as components
from sklearn.ensemble import HistGradientBoostingClassifier

from cascade import KerasClassifier
from cascade.data import Dataset, read_data
from cascade.data.rows import RowView, take
from cascade.data.splits import grouped_holdout
from cascade.datasets.phantom import PhantomImages
from cascade.datasets.phantom.anatomy import draw_head
from cascade.datasets.phantom.patients import Patient, plan_patients
from cascade.datasets.phantom.render import render_patient
from cascade.datasets.phantom.table import full_table
from cascade.metrics import label_average_precision

EPIDURAL = 0
FINDINGS = 5
OTHERS = 8_000
PASSES = 10
STEPS_OF = 12_000
"""All networks see 10 times this many rows."""

AUGMENT = {"translation": 0.05, "rotation": 0.03, "zoom": 0.1, "contrast": 0.1}
RARE = {"kind": "rare", "gamma": 1.0}
PARTS = ("visible", "masks", "rows", "natural", "pasted", "larger")


class TypedImages(PhantomImages):
    """Images whose masks are known by type."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        with np.load(folder / "findings.npz") as held:
            self._kind = held["label"]

    def typed(self, row: int) -> dict[int, np.ndarray]:
        """Return the mask of each finding of a row."""
        first, last = np.searchsorted(self._row, [row, row + 1])
        size = self.shape[1]
        masks = np.unpackbits(self._packed[first:last], axis=1, count=size * size).reshape(-1, size, size).astype(bool)
        return dict(zip(self._kind[first:last].tolist(), masks, strict=True))


class Split:
    """Training rows and held-out rows of one seed."""

    def __init__(self, data: Dataset, seed: int) -> None:
        self.data, self.seed = data, seed
        held = grouped_holdout(data.Y, data.groups, 0.2, seed + 1)
        self.training, self.testing = np.flatnonzero(~held), np.flatnonzero(held)

    @property
    def rng(self) -> np.random.Generator:
        """A new stream for each draw, so that a part alone draws the rows that it draws among all."""
        return np.random.default_rng([self.seed, 17])

    def others(self) -> np.ndarray:
        """Return 8,000 training rows without the label, half of them with another finding."""
        Y = self.data.Y[self.training]
        found, empty = (self.training[(Y[:, EPIDURAL] == 0) & (Y.any(axis=1) == some)] for some in (True, False))
        rng = self.rng
        halves = [rng.choice(rows, OTHERS // 2, replace=False) for rows in (found, empty)]
        return np.sort(np.concatenate(halves))

    def show(self, name: str, proba: np.ndarray, seconds: float) -> None:
        """Print the average precision of probabilities of the held-out rows."""
        truth = self.data.Y[self.testing][:, :FINDINGS]
        precision = label_average_precision(truth, proba[:, :FINDINGS])
        others = np.nanmean(precision[1:]) if proba.shape[1] > 1 else np.nan
        print(
            f"seed {self.seed}  {name:<44} epidural AP {precision[EPIDURAL]:.3f}  others {others:.3f}  {seconds:.0f} s",
            flush=True,
        )


def network(rows: int, seed: int, **options: Any) -> KerasClassifier:
    """Return the CNN of the configs; its epochs make up the common number of steps."""
    augment = {"augment": AUGMENT} if options.pop("augmented", False) else {}
    epochs = max(round(PASSES * STEPS_OF / rows), 1)
    shape = {"flip": True, **augment}
    # No early stopping: the label has too few rows for its validation part, and all networks take as many steps.
    options = {"validation_size": 0.0, **options}
    return KerasClassifier(
        "cnn", shape, epochs=epochs, learning_rate=0.004, batch_size=64, random_state=seed, **options
    )


def trained(split: Split, name: str, X: Any, Y: np.ndarray, larger: int = 1, **options: Any) -> None:
    """Train a network on some rows, and show it on the held-out rows."""
    started = time.monotonic()
    model = network(len(Y), split.seed, **options).fit(enlarged(X, larger) if larger > 1 else X, Y)
    test = np.asarray(take(split.data.X, split.testing))
    parts = [model.predict_proba(enlarged(part, larger)) for part in np.array_split(test, 8)]
    split.show(name, np.vstack(parts), time.monotonic() - started)


def enlarged(X: Any, times: int) -> np.ndarray:
    return np.asarray(X).repeat(times, axis=1).repeat(times, axis=2)


def show_visible(split: Split, patients: list[Patient], start: np.ndarray) -> None:
    """Print the detectability of the lens on held-out rows: its distance from none, in units of the noise."""
    tested = set(split.testing.tolist())
    found = []
    for patient, first in zip(patients, start, strict=True):
        rows = np.flatnonzero(patient.labels[:, EPIDURAL])
        if not len(rows) or first + rows[0] not in tested:
            continue
        without = patient.labels.copy()
        without[:, EPIDURAL] = 0
        # All random numbers are drawn whatever the labels, so nothing else differs between the two.
        pair = [render_patient(one, 64, 0).astype(float) for one in (patient, replace(patient, labels=without))]
        noise = draw_head(np.random.default_rng([0, 1, patient.number])).noise
        found += (np.sqrt(((pair[0] - pair[1])[rows] ** 2).sum(axis=(1, 2, 3))) / noise).tolist()
    least, low, middle = np.percentile(found, [0, 5, 50])
    print(
        f"seed {split.seed}  visible: d' of {len(found)} lenses, least {least:.1f}, 5 % {low:.1f}, median {middle:.1f}"
    )


def show_masks(split: Split, images: TypedImages) -> None:
    """Classify bleeds by their shape, place and grey values, with the pixels of all bleeds known."""
    started = time.monotonic()
    parts = [described(images, split.data, rows) for rows in (split.training, split.testing)]
    (features, owner, kind), (tested, place, _) = parts
    model = HistGradientBoostingClassifier(max_iter=100, learning_rate=0.1, random_state=split.seed)
    model.fit(features, kind)
    proba = np.zeros((len(split.testing), FINDINGS))
    np.maximum.at(proba, np.searchsorted(split.testing, place), model.predict_proba(tested))
    n = len(np.unique(split.data.groups[owner[kind == EPIDURAL]]))
    split.show(f"masks: bleeds known, types not ({n} patients)", proba, time.monotonic() - started)


def described(images: TypedImages, data: Dataset, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return features, row and type of each connected component of bleeding pixels."""
    features, owner, kind = [], [], []
    for row in rows[data.Y[rows].any(axis=1)]:
        one = np.array([row])
        image, frame, typed = images[one][0, ..., 0], images.frames(one)[0], images.typed(row)
        numbered, n = components(np.any(list(typed.values()), axis=0))
        for part in range(1, n + 1):
            pixels = numbered == part
            features.append(shape_of(pixels, image, frame, n))
            owner.append(row)
            # Bleeds that touch are one component, of the type with most of its pixels.
            kind.append(max(typed, key=lambda finding: (typed[finding] & pixels).sum()))
    return np.array(features), np.array(owner), np.array(kind)


def shape_of(part: np.ndarray, image: np.ndarray, frame: np.ndarray, n_parts: int) -> list[float]:
    top, left, bottom, right = frame
    y, x = np.nonzero(part)
    v, u = (2 * y + 1 - top - bottom) / (bottom - top), (2 * x + 1 - left - right) / (right - left)
    radius, angle = np.hypot(u, v), np.arctan2(v, u)
    away = np.angle(np.exp(1j * (angle - np.arctan2(np.sin(angle).sum(), np.cos(angle).sum()))))
    grey = image[y, x].astype(float)
    shape = [len(y), np.ptp(away), np.ptp(radius), len(y) / max(np.ptp(away), 0.1)]
    return [
        *shape,
        radius.min(),
        radius.mean(),
        radius.max(),
        abs(u.mean()),
        v.mean(),
        grey.mean(),
        grey.max(),
        n_parts,
    ]


def new_lenses(rows: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw new patients with the label, its combinations in the proportions of the table; images and labels."""
    combinations, counts = full_table()
    with_label = combinations[:, EPIDURAL] > 0
    combinations, counts = combinations[with_label], counts[with_label]
    many = np.maximum(np.rint(counts * rows / counts.sum()).astype(np.int64), 1)
    # Another seed than that of the data, so that no head is in both.
    patients = plan_patients(combinations, many, seed + 1000)
    images = [render_patient(patient, 64, seed + 1000) for patient in patients]
    return np.concatenate(images), np.concatenate([patient.labels for patient in patients])


def show_rows(split: Split) -> None:
    """Train on many new rows of the label."""
    others = split.others()
    X, Y = np.asarray(take(split.data.X, others)), split.data.Y[others]
    lenses, labels = new_lenses(4_000, split.seed)
    for n in (len(lenses), 1_000):
        # Whole patients, since these are in order.
        trained(split, f"rows: {n} new with the label", np.concatenate([X, lenses[:n]]), np.vstack([Y, labels[:n]]))


def natural_rows(split: Split) -> np.ndarray:
    """Return the training rows with a label, and as many rows without one as make 12,000."""
    some = split.data.Y[split.training].any(axis=1)
    empty = split.rng.choice(split.training[~some], STEPS_OF - int(some.sum()), replace=False)
    return np.sort(np.concatenate([split.training[some], empty]))


def show_natural(split: Split, images: PhantomImages) -> None:
    """Train on the rows there are."""
    rows = natural_rows(split)
    X, Y = RowView(images, rows), split.data.Y[rows]
    n = int(Y[:, EPIDURAL].sum())
    trained(split, f"natural: {n} rows with the label", X, Y)
    trained(split, "natural: drawn by rarity, augmented", X, Y, sampling=RARE, augmented=True)


def show_pasted(split: Split, images: PhantomImages) -> None:
    """Train on the rows there are, with findings pasted into half of them."""
    rows = natural_rows(split)
    X, Y = RowView(images, rows), split.data.Y[rows]
    trained(split, "pasted: by rarity, augmented, half pasted", X, Y, sampling={**RARE, "paste": 0.5}, augmented=True)


def show_larger(split: Split) -> None:
    rows = natural_rows(split)
    X, Y = np.asarray(take(split.data.X, rows)), split.data.Y[rows]
    trained(split, "larger: natural rows, plain", X, Y, larger=2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="made by `cascade phantom`")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    data, images = read_data(given.folder), TypedImages(given.folder)
    combinations, counts = full_table()
    patients = plan_patients(combinations, counts, 0)
    start = np.cumsum([0, *(len(patient.labels) for patient in patients[:-1])])
    shows = {
        "visible": lambda split: show_visible(split, patients, start),
        "masks": lambda split: show_masks(split, images),
        "rows": show_rows,
        "natural": lambda split: show_natural(split, images),
        "pasted": lambda split: show_pasted(split, images),
        "larger": show_larger,
    }
    for seed in given.seeds:
        split = Split(data, seed)
        for part in given.parts:
            shows[part](split)


if __name__ == "__main__":
    main()
