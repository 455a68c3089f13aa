"""What an output is, by its ending: one file of some format, or a folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from cascade.errors import ConfigError, DataError
from cascade.utils.atomic import new_file

FORMATS: dict[str, Callable[..., Any]] = {".parquet": pyarrow.parquet.write_table, ".csv": pyarrow.csv.write_csv}


def check_columns(labels: tuple[str, ...]) -> None:
    """Refuse label names that would meet another column in a table of predictions."""
    taken = ["id", "group", "rows", "gate_probability", "passed_gate", *(f"{label}_probability" for label in labels)]
    clash = sorted(set(labels) & set(taken))
    if clash:
        raise DataError(f"label {clash[0]!r} has the name of another column of the output; rename it.")


def check_format(path: Path) -> Path:
    """Refuse an output whose ending names no format."""
    if path.suffix not in FORMATS:
        raise ConfigError(
            f"an output file must end in {' or '.join(FORMATS)}; a folder has no ending. Received `{path}`."
        )
    return path


def write_table(path: Path, table: pa.Table) -> None:
    """Write one file, whole or not at all."""
    with new_file(path) as temporary:
        FORMATS[path.suffix](table, temporary)
