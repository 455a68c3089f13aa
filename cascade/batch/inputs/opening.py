"""What a job reads from, and one entrance for all kinds of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

from cascade.batch.inputs.chunk import Chunk
from cascade.data.readers.columns import Roles
from cascade.data.readers.files import files_below
from cascade.data.signature import InputSignature
from cascade.errors import DataError


class Input(Protocol):
    """Rows in a fixed order that can be read from any row on, as often as needed.

    Attributes
    ----------
    n_rows : int or None
        None where only reading tells.
    row_bytes : int
        About what a row takes in memory.
    """

    n_rows: int | None
    row_bytes: int

    def fingerprint(self) -> dict[str, Any]:
        """What changes when the input does."""
        ...

    def chunks(self, size: int, first: int) -> Iterator[Chunk]:
        """Yield `size` rows at a time from row `first` on, the last time what is left."""
        ...


def open_input(path: Path, roles: Roles, signature: InputSignature, gate_size: int | None = None) -> Input:
    """Open what a model with that signature is to answer for.

    Parameters
    ----------
    path : path
        `.parquet`, a folder of such files, `.csv`, `.npy`, `.npz`, a folder made by `cascade phantom`, a folder of
        images with or without `labels.csv`, a tree of DICOM slices, or a `.txt` file that lists images.
    roles : Roles
        Which columns are group and identifier.
    signature : InputSignature
        Shape and feature columns that the model takes.
    gate_size : int, optional
        Size at which the model's gate looks at images, if smaller.

    Raises
    ------
    DataError
        If there is nothing that can be read at all; single bad rows come with the chunks.
    """
    if not path.exists():
        raise DataError(f"`{path}` does not exist.")
    opened = _open_folder if path.is_dir() else _open_file
    return opened(path, roles, signature, gate_size)


def _open_file(path: Path, roles: Roles, signature: InputSignature, gate_size: int | None) -> Input:
    if path.suffix == ".parquet":
        from cascade.batch.inputs.parquet import ParquetInput

        return ParquetInput(path.parent, [path.name], roles, signature.feature_names)
    if path.suffix == ".csv":
        from cascade.batch.inputs.csv import CsvInput

        return CsvInput(path, roles, signature.feature_names)
    if path.suffix == ".txt":
        from cascade.batch.inputs.images import list_images

        return list_images(path, roles, signature, gate_size)
    return _open_arrays(path, roles)


def _open_arrays(path: Path, roles: Roles) -> Input:
    from cascade.batch.inputs.arrays import ArrayInput
    from cascade.data.readers.arrays import map_array, read_npz, read_phantom

    # Rows that are not finite are found chunk by chunk, not by reading all of the file first.
    lenient = replace(roles, allow_missing=True)
    if path.is_dir():
        data = read_phantom(path, lenient)
        files = ["images.npy", "labels.npz", "phantom.json"]
        return ArrayInput(path, files, data.X, data.ids, data.groups, roles.allow_missing)
    if path.suffix == ".npz":
        data = read_npz(path, lenient)
        return ArrayInput(path.parent, [path.name], data.X, data.ids, data.groups, roles.allow_missing)
    if path.suffix == ".npy":
        wanted = roles.within(())
        if wanted.group or wanted.id:
            raise DataError(f"`{path}` holds an array alone, no column {wanted.group or wanted.id!r}.")
        return ArrayInput(
            path.parent, [path.name], map_array(path, allow_missing=True), None, None, roles.allow_missing
        )
    kinds = ".parquet, .csv, .npy, .npz, .txt or a folder"
    raise DataError(f"`{path}` must be {kinds}. Received {path.suffix!r}.")


def _open_folder(path: Path, roles: Roles, signature: InputSignature, gate_size: int | None) -> Input:
    if (path / "images.npy").exists() and (path / "phantom.json").exists():
        return _open_arrays(path, roles)
    tables = [] if (path / "labels.csv").exists() else files_below(path, (".parquet",), hidden=("_", "."))
    if tables:
        from cascade.batch.inputs.parquet import ParquetInput

        return ParquetInput(path, tables, roles, signature.feature_names)
    from cascade.batch.inputs.images import LISTING, read_images
    from cascade.data.readers.dicom.folder import find_slices
    from cascade.data.readers.rsna import is_label_file

    listed = (path / LISTING).exists() and not is_label_file(path / LISTING)
    slices = [] if listed else find_slices(path)
    if slices:
        from cascade.batch.inputs.slices import read_slices

        return read_slices(path, slices, roles, signature)
    return read_images(path, roles, signature, gate_size)
