"""Output files: their formats by suffix, and the names of their columns."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from cascade.errors import ConfigError, DataError
from cascade.utils.address import Address, Place
from cascade.utils.atomic import new_file

FORMATS: dict[str, Callable[..., Any]] = {".parquet": pyarrow.parquet.write_table, ".csv": pyarrow.csv.write_csv}


def check_columns(label_names: tuple[str, ...]) -> None:
    """Refuse label names that are also names of other columns in a table of predictions."""
    # `rows` is a column of the table of exams. A label "a" takes "a_probability" from another label.
    fixed = ["id", "group", "rows", "gate_probability", "passed_gate"]
    clash = sorted(set(label_names) & {*fixed, *(f"{name}_probability" for name in label_names)})
    if clash:
        raise DataError(f"label {clash[0]!r} has the name of another column of the output; rename it.")


def check_format(path: Place) -> Path:
    """Refuse an output file whose suffix is not that of a format, or that is in a store."""
    if isinstance(path, Address):
        raise ConfigError(f"an output file must be on this machine; only folders may be addresses. Received `{path}`.")
    if path.suffix.lower() not in FORMATS:
        raise ConfigError(
            f"an output file must end in {' or '.join(FORMATS)}; a folder has no suffix. Received `{path}`."
        )
    return path


def write_table(path: Path, table: pa.Table) -> None:
    """Write one file, atomically."""
    with new_file(path) as temporary:
        FORMATS[path.suffix.lower()](table, temporary)
