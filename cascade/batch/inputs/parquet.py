"""One Parquet file, or a folder of them, as the input of a job."""

from __future__ import annotations

from pathlib import Path

from cascade.batch.inputs.tables import TableInput
from cascade.data.readers.table.columns import Roles
from cascade.data.readers.table.tables import TableFile


class ParquetInput(TableInput):
    """Rows of Parquet files in the order of their names; only the needed columns are read.

    Parameters
    ----------
    folder : path
    files : list of str
        Names relative to the folder.
    roles : Roles
    features : tuple of str, or None
        Feature columns that the model was trained on.
    """

    def __init__(self, folder: Path, files: list[str], roles: Roles, features: tuple[str, ...] | None) -> None:
        path, below = (folder, files) if len(files) > 1 else (folder / files[0], None)
        super().__init__(TableFile(path, below), folder, files, roles, features)
