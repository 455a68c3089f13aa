"""A year of retraining that nobody watches: phantom batches of rising volume, and what befalls some of them.

    python benchmarks/twelve_months.py
    python benchmarks/twelve_months.py --rows 2000 --results benchmarks/results/twelve_months.json

Each month brings new patients. In month 5 half of the empty slices stay away, so that labels are more frequent; in
month 8 half of the subdural annotations are lost, in month 10 the bytes of all images are scrambled, in month 11 one
image is of one grey value. A batch that is refused is set aside; any other stays with the data. Whoever serves is also
measured on clean patients that no month has seen, which only this script can know: what `worst` shows is the largest
loss of a promoted model there, beyond its guard's margin if positive.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cascade import CascadeClassifier, CascadePredictor, KerasClassifier
from cascade.data.dataset import Dataset
from cascade.data.rsna import LABELS
from cascade.metrics import AVERAGE_PRECISION, CALIBRATION_ERROR, COUNT_RATIO, GATE_RECALL, Metric, macro
from cascade.phantom.patients import Patient, plan_patients
from cascade.phantom.render import render_patient
from cascade.phantom.table import full_table
from cascade.retraining.judge import Champion, Judgement, candidate, judge_batch
from cascade.retraining.paired import Scale, higher_is_better, nearness_to_one
from cascade.retraining.policy import Policy

SIZE = 32
MONTHS = 12
GROWTH = 0.1
CLEAN_ROWS = 6000
POLICY = Policy(fewest_positives=100, speed=None)
"""Fewer positives than by default, for batches this small; a busy machine's speed says nothing about a model."""

LINE = "{month:3d} {rows:6d} rows  {answer:8} {sentence}  worst {worst} {worst_of}  serves {serves}  {seconds:.0f} s"

EXPECTED = {8: "refuse", 10: "refuse", 11: "refuse"}

NETWORK: dict[str, Any] = {"network_options": {"flip": True}, "learning_rate": 4e-3}


@dataclass(frozen=True)
class Calendar:
    """Patients of each month, and those that no month sees."""

    months: list[list[Patient]]
    clean: list[Patient]


def calendar(rows: int) -> Calendar:
    """Deal problem A's patients out to months of rising volume."""
    patients = plan_patients(*full_table(), seed=0)
    ends = np.cumsum([len(patient.labels) for patient in patients])
    volumes = [CLEAN_ROWS, *(rows * (1 + GROWTH * month) for month in range(MONTHS))]
    cuts = [0, *np.searchsorted(ends, np.cumsum(volumes)).tolist()]
    clean, *months = [patients[first:last] for first, last in pairwise(cuts)]
    return Calendar(months, clean)


def dataset(patients: list[Patient]) -> Dataset:
    """Render patients."""
    X = np.concatenate([render_patient(patient, SIZE, seed=0) for patient in patients])
    Y = np.concatenate([patient.labels for patient in patients])
    groups = np.concatenate([np.full(len(patient.labels), f"p{patient.number}", dtype="U8") for patient in patients])
    ids = np.array([f"{group}-{row}" for row, group in enumerate(groups)])
    return Dataset(X, Y, LABELS, groups, ids)


def befallen(data: Dataset, month: int) -> Dataset:
    """What reaches the job of a month's batch."""
    rng = np.random.default_rng(month)
    assert data.Y is not None
    if month == 5:
        kept = data.Y.any(axis=1) | (rng.random(len(data)) < 0.5)
        return data.part(np.flatnonzero(kept))
    if month == 8:
        return replace(data, Y=_half_lost(data.Y, LABELS.index("subdural"), rng))
    if month == 10:
        flat = data.X.reshape(len(data), -1)[:, rng.permutation(SIZE * SIZE)]
        return replace(data, X=flat.reshape(data.X.shape))
    if month == 11:
        X = data.X.copy()
        X[len(X) // 2] = 0
        return replace(data, X=X)
    return data


def _half_lost(Y: NDArray[np.uint8], label: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Half of a label's annotations gone, and `any` of the rows that had no other."""
    left = Y.copy()
    left[rng.random(len(Y)) < 0.5, label] = 0
    left[:, -1] = left[:, :-1].any(axis=1)
    return left


def together(batches: list[Dataset]) -> Dataset:
    """All batches as one data set."""
    parts = {name: np.concatenate([getattr(each, name) for each in batches]) for name in ("X", "Y", "groups", "ids")}
    return replace(batches[0], **parts)


def train(data: Dataset) -> CascadePredictor:
    """Fit the two small networks of the cascade."""
    model = CascadeClassifier(
        KerasClassifier("cnn", epochs=5, **NETWORK),
        KerasClassifier("cnn", epochs=12, batch_size=64, **NETWORK),
        label_names=LABELS,
        share_trunk=True,
    )
    predictor: CascadePredictor = model.fit(data.X, data.Y, groups=data.groups).predictor_
    return predictor


GUARDED: tuple[tuple[Metric, Scale, float | None], ...] = (
    (AVERAGE_PRECISION, higher_is_better(AVERAGE_PRECISION), POLICY.average_precision),
    (GATE_RECALL, higher_is_better(GATE_RECALL), POLICY.gate_recall),
    (COUNT_RATIO, nearness_to_one, POLICY.count_ratio),
    (macro(CALIBRATION_ERROR), higher_is_better(CALIBRATION_ERROR), POLICY.calibration_error),
)


def worst_loss(champion: Champion, challenger: Champion, clean: Dataset, judged: Judgement) -> tuple[float, str]:
    """Largest loss beyond a margin on clean patients, of the labels that were judged, and what lost it."""
    assert judged.decision is not None
    unjudged = {reason.label for reason in judged.decision.reasons if reason.verdict == "not judged"}
    before, after = (candidate(each.predictor, clean).outcome for each in (champion, challenger))
    losses = []
    for metric, scale, margin in GUARDED:
        loss = scale(metric(before)) - scale(metric(after)) - (margin or 0.0)
        names = LABELS if len(loss) > 1 else ("all",)
        losses += [
            (float(value), f"{metric.name} of {name}")
            for value, name in zip(loss, names, strict=True)
            if name not in unjudged
        ]
    return max(losses)


def play(rows: int) -> list[dict[str, Any]]:
    """Run the year; one dict a month."""
    year = calendar(rows)
    clean = dataset(year.clean)
    accepted: list[Dataset] = []
    champion: Champion | None = None
    told = []
    for number, patients in enumerate(year.months, start=1):
        started = time.monotonic()
        data = together([*accepted, befallen(dataset(patients), number)])
        judged = judge_batch(data, train, champion, POLICY)
        losses = told_of(champion, judged, clean)
        if judged.answer == "promote":
            champion = judged.challenger
        if judged.answer != "refuse":
            accepted = [data]
        serves = None if champion is None else _precision(champion, clean)
        month = {"month": number, "rows": len(data), "serves": serves, "seconds": time.monotonic() - started}
        told.append(month | losses)
        print(LINE.format(**told[-1]), *told[-1]["findings"], sep="\n      ", flush=True)
    return told


def told_of(champion: Champion | None, judged: Judgement, clean: Dataset) -> dict[str, Any]:
    """What became of a month, and what a promotion costs on clean patients."""
    worst: float | None = None
    lost = ""
    if judged.answer == "promote" and champion is not None and judged.challenger is not None:
        worst, lost = worst_loss(champion, judged.challenger, clean, judged)
    findings = [f"{each.answer}: {each.sentence}" for each in judged.findings]
    told = {"answer": judged.answer, "sentence": judged.sentence, "findings": findings}
    return told | {"worst": worst, "worst_of": lost}


def _precision(champion: Champion, clean: Dataset) -> float:
    return round(float(macro(AVERAGE_PRECISION)(candidate(champion.predictor, clean).outcome)[0]), 4)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1500, help="of the first month; each adds a tenth of it")
    parser.add_argument("--results", type=Path, help="JSON file to write")
    options = parser.parse_args()
    told = play(options.rows)
    if options.results is not None:
        options.results.write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")
    wrong = [each["month"] for each in told if each["month"] in EXPECTED and each["answer"] != EXPECTED[each["month"]]]
    beyond = [each["month"] for each in told if (each["worst"] or 0.0) > 0]
    print(f"promoted in {[each['month'] for each in told if each['answer'] == 'promote']}")
    print(f"not refused though spoilt: {wrong}; promoted though worse beyond a margin: {beyond}")


if __name__ == "__main__":
    main()
