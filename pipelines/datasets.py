"""Write the built-in data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cascade.datasets.many_labels_file import write_many
from cascade.datasets.phantom import write_phantom
from cascade.datasets.samples import SAMPLES, write_sample

from .steps.progress import bar


def phantom(out: Path, rows: int, size: int, seed: int, format: str, n_jobs: int) -> dict[str, Any]:
    """Write the phantom to the new folder `out`; return its facts."""
    with bar(rows, "images") as progress:
        return write_phantom(out, rows, size, seed, format, n_jobs, progress)


def many_labels(out: Path, problem: str, rows: int | None, labels: int | None, seed: int) -> dict[str, Any]:
    """Write a problem of many labels to the new file `out`; return its facts."""
    return write_many(out, problem, rows, labels, seed)


def sample(name: str, out: Path, rows: int | None, seed: int) -> dict[str, Any]:
    """Write a sample of raw data to the new file or folder `out`; return its facts."""
    with bar(SAMPLES.get(name, 0) if rows is None else rows, "rows") as progress:
        return write_sample(name, out, rows, seed, progress)
