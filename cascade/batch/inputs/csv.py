"""A CSV file as the input of a job: read as a stream, with malformed lines rejected."""

from __future__ import annotations

from pathlib import Path

from cascade.batch.inputs.tables import TableInput
from cascade.data.readers.table.columns import Roles
from cascade.data.readers.table.tables import TableFile


class CsvInput(TableInput):
    """Rows of a CSV file.

    Parameters
    ----------
    path : path
    roles : Roles
    features : tuple of str, or None
        Feature columns that the model was trained on.
    """

    def __init__(self, path: Path, roles: Roles, features: tuple[str, ...] | None) -> None:
        super().__init__(TableFile(path, format=roles.format), path.parent, [path.name], roles, features)
