"""Write predictions as a submission to the RSNA challenge."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cascade.data.readers.rsna import write_submission
from cascade.errors import ConfigError, DataError


def run(predictions: Path, output: Path) -> dict[str, Any]:
    """Write all rows of `predictions` as a submission; return a summary."""
    if not predictions.exists():
        raise DataError(f"`{predictions}` does not exist.")
    if output.suffix.lower() != ".csv":
        raise ConfigError(f"`--output` must end in .csv. Received `{output}`.")
    # Resolved, since two paths may name one file.
    if output.resolve().is_relative_to(predictions.resolve()):
        raise ConfigError(f"`{output}` would be written over the input `{predictions}`; choose another file.")
    return {"rows": write_submission(predictions, output), "output": str(output)}
