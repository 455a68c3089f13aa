"""Write a sample into a new file or folder."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

import cascade.datasets.samples.inspection as inspection
import cascade.datasets.samples.maintenance as maintenance
import cascade.datasets.samples.moderation as moderation
from cascade.data.labels import Labels
from cascade.errors import ConfigError
from cascade.utils.atomic import new_file, new_folder

Progress = Callable[[int], object]
"""Called with the number of rows just finished."""

SAMPLES = {"moderation": 20_000, "maintenance": 20_000, "inspection": 4_000}
"""The samples and their usual numbers of rows."""


def write_sample(
    sample: str, out: str | Path, rows: int | None = None, seed: int = 0, progress: Progress | None = None
) -> dict[str, Any]:
    """Draw a sample and write it in its raw form.

    Parameters
    ----------
    sample : {"moderation", "maintenance", "inspection"}
        A CSV of comments, a CSV of machine readings, or a folder of images with a list.
    out : path
        File that ends in .csv, or for `inspection` a folder; it must not exist.
    rows : int, optional
        Number of comments, readings or images; default 20,000, and 4,000 images.
    seed : int
        The same seed gives the same bytes.
    progress : callable, optional
        Called with the number of rows just finished.

    Returns
    -------
    dict
        `sample`, `rows`, `groups`, `seed`, and `positives`, the number of rows with each label and with any.

    Raises
    ------
    ConfigError
        If an argument is out of range or `out` exists.

    Examples
    --------
    >>> import tempfile
    >>> out = Path(tempfile.mkdtemp()) / "machines.csv"
    >>> facts = write_sample("maintenance", out, rows=100)
    >>> facts["rows"], facts["groups"], len(out.read_text(encoding="utf-8").splitlines())
    (100, 2, 101)
    """
    out = Path(out)
    if sample not in SAMPLES:
        raise ConfigError(f"`sample` must be one of {list(SAMPLES)}. Received {sample!r}.")
    n = SAMPLES[sample] if rows is None else rows
    if n < 1 or seed < 0:
        raise ConfigError(f"`rows` must be 1 or more and `seed` 0 or more. Received {n} and {seed}.")
    # A folder is checked by `new_folder`.
    if sample != "inspection" and out.suffix != ".csv":
        raise ConfigError(f"`out` must end in .csv. Received `{out}`.")
    if sample != "inspection" and out.exists():
        raise ConfigError(f"`{out}` exists already; choose another file or remove it first.")
    groups, counts = WRITERS[sample](out, n, seed, progress or (lambda done: None))
    return {"sample": sample, "rows": n, "groups": groups, "seed": seed, "positives": counts}


def _write_moderation(out: Path, n: int, seed: int, progress: Progress) -> tuple[int, dict[str, int]]:
    threads: set[str] = set()
    counts: list[Labels] = []

    def rows() -> Iterable[list[object]]:
        # Block by block, so that memory does not grow with the rows.
        for block in moderation.draw_blocks(n, seed):
            threads.update(block.threads)
            counts.append(block.Y)
            yield from moderation.table(block)
            progress(len(block.texts))

    with new_file(out) as temporary:
        _write_table(temporary, moderation.COLUMNS, rows())
    return len(threads), _positives(moderation.LABEL_NAMES, np.concatenate(counts))


def _write_maintenance(out: Path, n: int, seed: int, progress: Progress) -> tuple[int, dict[str, int]]:
    readings = maintenance.draw(n, seed)
    with new_file(out) as temporary:
        _write_table(temporary, maintenance.COLUMNS, maintenance.table(readings))
    progress(n)
    return len(np.unique(readings.machines)), _positives(maintenance.LABEL_NAMES, readings.Y)


def _write_inspection(out: Path, n: int, seed: int, progress: Progress) -> tuple[int, dict[str, int]]:
    shots = inspection.draw(n, seed)
    with new_folder(out) as folder:
        inspection.write_images(folder, shots, progress)
        _write_table(folder / inspection.LIST, inspection.COLUMNS, inspection.table(shots))
    return len(np.unique(shots.parts)), _positives(inspection.LABEL_NAMES, shots.Y)


def _write_table(path: Path, columns: tuple[str, ...], rows: Iterable[list[object]]) -> None:
    # No translation of line ends: those within quotes are part of a comment.
    with path.open("w", newline="", encoding="utf-8") as handle:
        csv.writer(handle, lineterminator="\n").writerows(chain([columns], rows))


def _positives(names: tuple[str, ...], Y: Labels) -> dict[str, int]:
    counts = [*Y.sum(axis=0, dtype=np.int64).tolist(), int(Y.any(axis=1).sum())]
    return dict(zip((*names, "any"), counts, strict=True))


WRITERS: dict[str, Callable[[Path, int, int, Progress], tuple[int, dict[str, int]]]] = {
    "moderation": _write_moderation,
    "maintenance": _write_maintenance,
    "inspection": _write_inspection,
}
