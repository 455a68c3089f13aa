"""Write the built-in data of many labels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cascade.datasets.many_labels_file import write_many


def run(out: Path, problem: str, rows: int | None, labels: int | None, seed: int) -> dict[str, Any]:
    """Draw a problem into the new file `out`; return its facts."""
    return write_many(out, problem, rows, labels, seed)
