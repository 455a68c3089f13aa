"""The built-in data is exactly problem A, the same on any number of processes."""

from __future__ import annotations

import filecmp
import hashlib
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cascade.data import read_data
from cascade.datasets.phantom import combination_counts, write_phantom
from cascade.datasets.phantom.masks import FindingWriter
from cascade.datasets.phantom.patients import plan_patients
from cascade.datasets.phantom.render import render_patient
from cascade.datasets.phantom.table import full_table
from cascade.errors import ConfigError


def test_the_full_plan_is_the_table_row_for_row() -> None:
    combinations, counts = full_table()
    Y = np.vstack([patient.labels for patient in plan_patients(*combination_counts()[:2], seed=0)])
    found, count = np.unique(Y, axis=0, return_counts=True)
    order = np.lexsort(combinations.T[::-1])
    np.testing.assert_array_equal(found, combinations[order])
    np.testing.assert_array_equal(count, counts[order])


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_patients_make_splits_matter(seed: int) -> None:
    patients = plan_patients(*combination_counts()[:2], seed)
    with_class_1 = [patient for patient in patients if patient.labels[:, 0].any()]
    assert len(with_class_1) >= 60
    positive = [patient for patient in patients if patient.labels.any()]
    assert all((~patient.labels.any(axis=1)).any() for patient in positive)
    assert np.mean([len(patient.labels) for patient in patients]) > 8


def test_adjacent_pixels_of_a_patient_are_similar() -> None:
    patients = [p for p in plan_patients(*combination_counts(400)[:2], seed=0) if len(p.labels) > 3]
    stacks = [render_patient(patient, 32, 0).astype(float) for patient in patients[:12]]
    within = np.mean([abs(np.diff(stack, axis=0)).mean() for stack in stacks])
    between = np.mean([abs(a[0] - b[0]).mean() for a, b in pairwise(stacks)])
    assert within < 0.6 * between


@given(st.integers(32, 54_214))
def test_smaller_sets_keep_every_combination(rows: int) -> None:
    _, counts, natural = combination_counts(rows)
    assert counts.sum() == rows
    assert counts.min() >= 1
    assert natural == (rows > 27_000)


def digest(folder: Path) -> str:
    return hashlib.sha256(b"".join((folder / name).read_bytes() for name in ("images.npy", "phantom.json"))).hexdigest()


def test_bytes_do_not_depend_on_processes_but_on_the_seed(tmp_path: Path) -> None:
    for name, jobs, seed in (("a", 1, 0), ("b", 2, 0), ("c", 1, 1)):
        write_phantom(tmp_path / name, rows=100, size=32, seed=seed, n_jobs=jobs)
    assert digest(tmp_path / "a") == digest(tmp_path / "b") != digest(tmp_path / "c")


def test_files_hold_the_same_images_as_arrays(tmp_path: Path) -> None:
    write_phantom(tmp_path / "npy", rows=50, size=32)
    write_phantom(tmp_path / "png", rows=50, size=32, format="png", n_jobs=2)
    arrays, files = read_data(tmp_path / "npy"), read_data(tmp_path / "png")
    np.testing.assert_array_equal(arrays.X, files.X[np.arange(50)])
    np.testing.assert_array_equal(arrays.Y, files.Y)
    np.testing.assert_array_equal(arrays.groups, files.groups)
    assert not arrays.natural_prevalence
    assert filecmp.cmp(tmp_path / "npy" / "phantom.json", tmp_path / "png" / "phantom.json")


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"rows": 31}, "at least 32"),
        ({"size": 8}, "at least 16"),
        ({"format": "gif"}, "'npy', 'png' or 'dicom'"),
        ({"seed": -1}, "seed"),
    ],
)
def test_wrong_options_are_named_and_leave_nothing(tmp_path: Path, options: dict, sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        write_phantom(tmp_path / "out", **options)
    assert not list(tmp_path.iterdir())


def test_each_finding_brightens_its_own_place() -> None:
    """The same patient with and without a finding differs, and only upwards on average."""
    plan = plan_patients(*combination_counts(2000)[:2], seed=0)
    for label in range(5):
        patient = next(p for p in plan if (p.labels[:, label] & (p.labels[:, :5].sum(axis=1) == 1)).any())
        row = int(np.flatnonzero(patient.labels[:, label])[0])
        cleared = type(patient)(patient.number, np.zeros_like(patient.labels))
        difference = render_patient(patient, 64, 0)[row].astype(int) - render_patient(cleared, 64, 0)[row].astype(int)
        assert difference.max() > 15
        assert difference.mean() > 0


def test_images_without_a_finding_may_come_in_blocks_of_their_own(tmp_path: Path) -> None:
    writer, masks = FindingWriter(), np.zeros((3, 5, 16, 16), bool)
    writer.add(masks)
    masks[1, 2, 3:5, 6:9] = True
    writer.add(masks)
    writer.write(tmp_path)
    with np.load(tmp_path / "findings.npz") as held:
        assert (held["row"].tolist(), held["label"].tolist(), held["box"].tolist()) == ([4], [2], [[3, 6, 5, 9]])
