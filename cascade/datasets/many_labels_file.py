"""Problems B and C as one `.npz` file: rows, sparse labels, and the truth that they were drawn from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from scipy import sparse

from cascade.datasets.many_labels import ManyLabels, counts_like_problem_c, draw_by_count, draw_fixed_number
from cascade.errors import ConfigError, DataError
from cascade.utils.atomic import new_file

SIZES = {"b": (50_000, 1_000), "c": (80_000, 7_900)}
"""Rows and labels of each problem at full size."""
LABELS_OF_B = 10


def write_many(
    out: str | Path, problem: str, rows: int | None = None, labels: int | None = None, seed: int = 0
) -> dict[str, Any]:
    """Draw a problem of many labels and write it to a new file.

    Parameters
    ----------
    out : path
        `.npz` file; it must not exist.
    problem : {"b", "c"}
        "b": exactly ten of 1,000 labels on each of 50,000 rows. "c": 7,900 labels drawn separately on 80,000 rows, on
        average 130 per row, the rarest on about 900.
    rows, labels : int, optional
        Another size; counts keep their share of the rows.
    seed : int

    Returns
    -------
    dict
        Numbers of rows, labels and mean labels per row.

    Raises
    ------
    ConfigError

    Examples
    --------
    >>> import tempfile
    >>> out = Path(tempfile.mkdtemp()) / "b.npz"
    >>> write_many(out, "b", rows=200, labels=40)["labels_per_row"]
    10.0
    """
    out = Path(out)
    if problem not in SIZES:
        raise ConfigError(f"`problem` must be one of {sorted(SIZES)}. Received {problem!r}.")
    if out.suffix != ".npz":
        raise ConfigError(f"`out` must end in .npz. Received `{out}`.")
    if out.exists():
        raise ConfigError(f"`{out}` exists already; choose another file or remove it first.")
    usual = SIZES[problem]
    n, n_labels = usual[0] if rows is None else rows, usual[1] if labels is None else labels
    if n < 2 or n_labels < 2 or seed < 0:
        raise ConfigError(f"`rows` and `labels` must be 2 or more, `seed` 0 or more. Received {n}, {n_labels}, {seed}.")
    if problem == "b" and n_labels <= LABELS_OF_B:
        raise ConfigError(
            f"`labels` must be more than {LABELS_OF_B}, which each row of problem b has. Received {n_labels}."
        )
    if problem == "b":
        drawn = draw_fixed_number(n, n_labels, LABELS_OF_B, seed=seed)
    else:
        drawn = draw_by_count(n, counts_like_problem_c(n, n_labels), seed=seed)
    _save(out, drawn)
    return {"rows": n, "labels": n_labels, "labels_per_row": drawn.Y.nnz / n}


def read_truth(path: str | Path) -> ManyLabels:
    """Read a file that `write_many` wrote, with the truth.

    Raises
    ------
    DataError
        If the file holds no truth.
    """
    with np.load(path, allow_pickle=False) as held:
        if "truth_direction" not in held:
            raise DataError(f"`{path}` holds no truth; make it with `cascade many-labels`.")
        parts = (np.ones(len(held["Y_indices"]), dtype=np.uint8), held["Y_indices"], held["Y_indptr"])
        Y = sparse.csr_array(parts, shape=tuple(held["Y_shape"].tolist()))
        number = int(held["truth_labels_per_row"])
        return ManyLabels(held["X"], Y, held["truth_direction"], held["truth_offset"], number or None)


def _save(out: Path, drawn: ManyLabels) -> None:
    # An open file, since `savez` would add .npz to the temporary name.
    with new_file(out) as temporary, temporary.open("wb") as handle:
        np.savez(
            handle,
            X=drawn.X,
            Y_indices=drawn.Y.indices.astype(np.int32),
            Y_indptr=drawn.Y.indptr.astype(np.int64),
            Y_shape=np.array(drawn.Y.shape),
            truth_direction=drawn.direction,
            truth_offset=drawn.offset,
            # An array cannot hold None; no row has a fixed number of 0 labels.
            truth_labels_per_row=np.array(drawn.labels_per_row or 0),
        )
