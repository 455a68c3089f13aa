"""A year of retraining that nobody watches: phantom batches of rising volume, and what befalls some of them.

    python benchmarks/twelve_months.py
    python benchmarks/twelve_months.py --results benchmarks/results/twelve_months.json

Each month brings new patients, the first one also those of two months before it. In month 5 half of the empty slices
stay away, so that labels are more frequent; in month 8 half of the subdural annotations are lost, in month 10 the bytes
of all images are scrambled, in month 11 one image is of one grey value. A batch that is refused is set aside; any other
stays with the data. Whoever serves is also measured on clean patients that no month has seen, which only this script
can know: what `worst` shows is the largest loss of a promoted model there, beyond its guard's margin if positive.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cascade import CascadePredictor
from cascade.config.schema import RunConfig
from cascade.data.readers.dataset import Dataset
from cascade.data.readers.rsna import LABELS
from cascade.datasets.phantom.patients import Patient, plan_patients
from cascade.datasets.phantom.render import render_patient
from cascade.datasets.phantom.table import full_table
from cascade.errors import DataError
from cascade.metrics import AVERAGE_PRECISION, CALIBRATION_ERROR, COUNT_RATIO, GATE_RECALL, Metric, Outcome, macro
from cascade.registry import ModelRegistry
from cascade.retraining.decision.candidate import candidate
from cascade.retraining.decision.paired import Transform, higher_is_better, nearness_to_one
from cascade.retraining.decision.policy import Policy
from cascade_pipelines import retrain

SIZE = 32
MONTHS = 12
GROWTH = 0.05
CLEAN_ROWS = 6000
HISTORY = 3
"""Months that lie behind the first one and come with it."""
POLICY = Policy(fewest_positives=100, gate_recall=0.1, calibration_error=0.2, count_ratio=0.7, speed=None)
"""Wider margins and fewer positives than by default, as small batches have wide intervals; a busy machine's speed says
nothing about a model."""

LINE = "{month:3d} {rows:6d} rows  {answer:8} {sentence}  worst {worst} {worst_of}  serves {serves}  {seconds:.0f} s"

SPOILT = (8, 10, 11)


@dataclass(frozen=True)
class Calendar:
    """Patients of each month, and those that no month sees."""

    months: list[list[Patient]]
    clean: list[Patient]


def calendar(rows: int) -> Calendar:
    """Deal problem A's patients out to months of rising volume."""
    patients = plan_patients(*full_table(), seed=0)
    ends = np.cumsum([len(patient.labels) for patient in patients])
    volumes = [CLEAN_ROWS, rows * HISTORY, *(rows * (1 + GROWTH * month) for month in range(1, MONTHS))]
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


def write(data: Dataset, path: Path) -> Path:
    """Put a data set where the job looks for it."""
    np.savez(path, X=data.X, Y=data.Y, label_names=data.label_names, groups=data.groups, ids=data.ids)
    return path


def config_for(data: Path) -> RunConfig:
    """The job: two small networks, judged by the policy."""
    options = {"network_options": {"flip": True}, "learning_rate": 0.004, "validation_size": 0.1}
    network = {"kind": "keras", "network": "cnn", **options}
    content = {
        "name": "year",
        "data": {"path": data},
        "gate": {**network, "epochs": 8, "batch_size": 64, "targets": "any"},
        "labeler": {"model": {**network, "epochs": 12, "batch_size": 64}, "pretrain": "none"},
        # The recipe that the figures of docs/run/retrain.md were measured with.
        "cascade": {"share_trunk": True, "negative_pool": "positives", "merge": "pool"},
        "runtimes": ["litert"],
        "retrain": {"promotion": vars(POLICY)},
    }
    return RunConfig.model_validate(content)


GUARDED: tuple[tuple[Metric, Transform, float | None], ...] = (
    (AVERAGE_PRECISION, higher_is_better(AVERAGE_PRECISION), POLICY.average_precision),
    (GATE_RECALL, higher_is_better(GATE_RECALL), POLICY.gate_recall),
    (COUNT_RATIO, nearness_to_one, POLICY.count_ratio),
    (macro(CALIBRATION_ERROR), higher_is_better(CALIBRATION_ERROR), POLICY.calibration_error),
)


def worst_loss(before: Outcome | None, after: Outcome | None, job: dict[str, Any]) -> tuple[float | None, str]:
    """Largest loss of a promotion beyond a margin on clean patients, of judged labels, and what lost it."""
    if before is None or after is None or before is after:
        return None, ""
    unjudged = {reason["label"] for reason in job["decision"]["reasons"] if reason["verdict"] == "not judged"}
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


def answered(data: Dataset, folder: Path) -> dict[str, Any]:
    """What the scheduled job answers to the data of a month."""
    try:
        return retrain.run(config_for(write(data, folder / "all.npz")), folder / "models")
    except DataError as error:
        return {"answer": "refuse", "sentence": str(error), "findings": []}


def play(rows: int, folder: Path, months: Sequence[int] = range(1, MONTHS + 1)) -> Iterator[dict[str, Any]]:
    """Run the year, or some of its months, in a folder of its own; one dict a month."""
    year = calendar(rows)
    clean = dataset(year.clean)
    accepted: list[Dataset] = []
    serving: Outcome | None = None
    for month in months:
        started = time.monotonic()
        data = together([*accepted, befallen(dataset(year.months[month - 1]), month)])
        job = answered(data, folder)
        before = serving
        if job["answer"] == "promote":
            serving = outcome_on(clean, folder)
        if job["answer"] != "refuse":
            accepted = [data]
        told = {"month": month, "rows": len(data), "answer": job["answer"], "sentence": job["sentence"]}
        told["findings"] = [f"{one['answer']}: {one['sentence']}" for one in job["findings"]]
        told["worst"], told["worst_of"] = worst_loss(before, serving, job)
        yield told | {"serves": _precision(serving), "seconds": time.monotonic() - started}


def outcome_on(clean: Dataset, folder: Path) -> Outcome:
    """Ask who serves about clean patients."""
    registry = ModelRegistry(folder / "models")
    champion = CascadePredictor.load(registry.folder("models:/year@champion"))
    return candidate(champion.labels, champion.examine(clean.X), clean).outcome


def _precision(serving: Outcome | None) -> float | None:
    return None if serving is None else round(float(macro(AVERAGE_PRECISION)(serving)[0]), 4)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=2500, help="of a month; each adds a twentieth of it")
    parser.add_argument("--months", type=int, nargs="+", default=range(1, MONTHS + 1), help="which are played")
    parser.add_argument("--results", type=Path, help="JSON file to write")
    options = parser.parse_args()
    told = []
    with tempfile.TemporaryDirectory() as folder:
        for month in play(options.rows, Path(folder), options.months):
            told.append(month)
            print(LINE.format(**month), *month["findings"], sep="\n      ", flush=True)
    if options.results is not None:
        options.results.write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")
    wrong = [each["month"] for each in told if (each["month"] in SPOILT) != (each["answer"] == "refuse")]
    beyond = [each["month"] for each in told if (each["worst"] or 0.0) > 0]
    print(f"promoted in {[each['month'] for each in told if each['answer'] == 'promote']}")
    print(f"spoilt and not refused, or the reverse: {wrong}; worse beyond a margin on clean patients: {beyond}")
    if wrong or beyond:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
