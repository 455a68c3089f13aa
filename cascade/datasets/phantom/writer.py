"""Write the phantom as arrays or as image files; the result does not depend on the number of processes."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from joblib import Parallel, delayed
from numpy.typing import NDArray

from cascade.data.readers.dicom.header import require_pydicom
from cascade.data.readers.rsna import LABELS, write_labels
from cascade.datasets.phantom.dicom import save_slice
from cascade.datasets.phantom.masks import FindingWriter
from cascade.datasets.phantom.patients import Patient, plan_patients
from cascade.datasets.phantom.render import render_findings
from cascade.datasets.phantom.table import FULL_ROWS, combination_counts
from cascade.errors import ConfigError
from cascade.utils.atomic import new_folder

Progress = Callable[[int], Any]

Save = Callable[[Path, str, str, NDArray[np.uint8]], None]
"""Write one image into a folder, given its name and its patient's."""

PATIENTS_A_TASK = 16
SMALLEST_SIZE = 16


def write_phantom(
    out: str | Path,
    rows: int = FULL_ROWS,
    size: int = 64,
    seed: int = 0,
    format: str = "npy",
    n_jobs: int | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Draw the phantom and write it to a new folder.

    Parameters
    ----------
    out : path
        Folder to make; it must not exist.
    rows : int
        Number of images, 32 or more. Fewer than 54,214 keep at least one row of each combination.
    size : int
        Height and width in pixels, 16 or more.
    seed : int
        The same seed gives the same bytes on any number of processes.
    format : {"npy", "png", "dicom"}
        `npy` writes `images.npy` (uint8, rows x size x size x 1), `labels.npz` and `findings.npz` (mask and box of
        each finding). `png` writes one file per image and `labels.csv`. `dicom` writes one CT file per image with its
        patient, and `labels.csv` in the form of the RSNA challenge.
    n_jobs : int, optional
        Processes, as in joblib.
    progress : callable, optional
        Called with the number of images just finished.

    Returns
    -------
    dict
        Content of the folder's `phantom.json`: rows, patients, labels, size, seed and `natural_prevalence`.

    Raises
    ------
    ConfigError
        If an argument is out of range or `out` exists.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> folder = pathlib.Path(tempfile.mkdtemp()) / "phantom"
    >>> write_phantom(folder, rows=40, size=16)["natural_prevalence"]
    False
    """
    if format not in WRITERS:
        raise ConfigError(f"`format` must be 'npy', 'png' or 'dicom'. Received {format!r}.")
    if size < SMALLEST_SIZE:
        raise ConfigError(f"`size` must be at least {SMALLEST_SIZE} pixels. Received {size}.")
    if seed < 0:
        raise ConfigError(f"`seed` must be 0 or more. Received {seed}.")
    if n_jobs == 0:
        raise ConfigError("`n_jobs` must not be 0; -1 takes all cores. Received 0.")
    combinations, counts, natural = combination_counts(rows)
    patients = plan_patients(combinations, counts, seed)
    facts = {
        "rows": rows,
        "patients": len(patients),
        "labels": list(LABELS),
        "size": size,
        "seed": seed,
        "natural_prevalence": natural,
    }
    with new_folder(out) as folder:
        (folder / "phantom.json").write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
        WRITERS[format](folder, patients, size, seed, n_jobs, progress or (lambda done: None))
    return facts


def _tasks(patients: list[Patient]) -> Iterator[list[Patient]]:
    for start in range(0, len(patients), PATIENTS_A_TASK):
        yield patients[start : start + PATIENTS_A_TASK]


def _write_arrays(
    folder: Path, patients: list[Patient], size: int, seed: int, n_jobs: int | None, progress: Progress
) -> None:
    labels = np.vstack([patient.labels for patient in patients])
    # Mapped, and filled block by block in the order of the tasks: large images may exceed the memory.
    images = np.lib.format.open_memmap(folder / "images.npy", "w+", np.uint8, (len(labels), size, size, 1))
    rendered = Parallel(n_jobs, return_as="generator")(delayed(_render)(task, size, seed) for task in _tasks(patients))
    findings = FindingWriter()
    for block, masks in rendered:
        images[findings.n_rows : findings.n_rows + len(block)] = block
        findings.add(masks)
        progress(len(block))
    images.flush()
    findings.write(folder)
    ids, groups = _names(patients)
    np.savez_compressed(folder / "labels.npz", Y=labels, label_names=np.array(LABELS), groups=groups, ids=ids)


def _write_pngs(
    folder: Path, patients: list[Patient], size: int, seed: int, n_jobs: int | None, progress: Progress
) -> None:
    _save_all(_save_png, folder, patients, size, seed, n_jobs, progress)
    ids, groups = _names(patients)
    labels = np.vstack([patient.labels for patient in patients])
    with (folder / "labels.csv").open("w", newline="", encoding="utf-8") as handle:
        table = csv.writer(handle)
        table.writerow(["file", "patient", *LABELS])
        for name, group, row in zip(ids, groups, labels.tolist(), strict=True):
            table.writerow([f"images/{name}.png", group, *row])


def _write_dicoms(
    folder: Path, patients: list[Patient], size: int, seed: int, n_jobs: int | None, progress: Progress
) -> None:
    # A missing extra must be reported before images are drawn.
    require_pydicom()
    _save_all(save_slice, folder, patients, size, seed, n_jobs, progress)
    write_labels(folder / "labels.csv", _names(patients)[0], np.vstack([patient.labels for patient in patients]))


def _render(task: list[Patient], size: int, seed: int) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    images, masks = zip(*(render_findings(patient, size, seed) for patient in task), strict=True)
    return np.concatenate(images), np.concatenate(masks)


def _save_all(
    save: Save, folder: Path, patients: list[Patient], size: int, seed: int, n_jobs: int | None, progress: Progress
) -> None:
    (folder / "images").mkdir()
    written = Parallel(n_jobs, return_as="generator")(
        delayed(_save_task)(save, task, size, seed, folder / "images") for task in _tasks(patients)
    )
    for count in written:
        progress(count)


def _save_task(save: Save, task: list[Patient], size: int, seed: int, folder: Path) -> int:
    names, groups = _names(task)
    for name, group, image in zip(names, groups, _render(task, size, seed)[0], strict=True):
        save(folder, str(name), str(group), image[:, :, 0])
    return len(names)


def _save_png(folder: Path, name: str, patient: str, image: NDArray[np.uint8]) -> None:
    from PIL import Image

    Image.fromarray(image).save(folder / f"{name}.png")


def _names(patients: list[Patient]) -> tuple[NDArray[np.str_], NDArray[np.str_]]:
    """Return the identifiers of the slices and of the patients they belong to."""
    groups = [f"p{patient.number:05d}" for patient in patients for _ in patient.labels]
    ids = [f"p{patient.number:05d}_{z:02d}" for patient in patients for z in range(len(patient.labels))]
    return np.array(ids), np.array(groups)


WRITERS = {"npy": _write_arrays, "png": _write_pngs, "dicom": _write_dicoms}
