"""Read a data set of any supported format."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from cascade.data.readers.arff.header import is_arff
from cascade.data.readers.arff.reading import read_arff
from cascade.data.readers.arrays import read_npy, read_npz, read_phantom
from cascade.data.readers.dataset import Dataset
from cascade.data.readers.dicom.folder import find_slices, read_dicom_folder
from cascade.data.readers.files import exists, is_pattern
from cascade.data.readers.image.folder import is_named_images, read_image_folder, read_named_images
from cascade.data.readers.image.image_table import image_column, read_image_table
from cascade.data.readers.regular import check_regular
from cascade.data.readers.sparse.reading import read_sparse
from cascade.data.readers.sparse.svmlight import SvmlightFile, is_svmlight
from cascade.data.readers.table.columns import Roles
from cascade.data.readers.table.tables import TableFile, read_feature_table
from cascade.data.readers.table_files import is_table, tables_matching, text_tables, typed_tables
from cascade.errors import DataError


def read_data(
    path: str | Path,
    roles: Roles | None = None,
    labelled: bool = True,
    features: tuple[str, ...] | None = None,
    row_shape: tuple[int, ...] | None = None,
) -> Dataset:
    """Read a data set.

    Parameters
    ----------
    path : path
        A folder made by `cascade phantom`, `.npz`, `.npy` with a label file, a table (`.csv`, `.tsv`, `.jsonl`,
        `.parquet`, `.arrow`, `.feather`), a folder or a pattern of tables, sparse rows (`.svm`, `.txt`, `.arff`), or a
        folder of PNG, JPEG or DICOM images with `labels.csv`.
    roles : Roles, optional
        Which columns are labels, group and identifier, where the data does not define it.
    labelled : bool, default=True
        Whether labels are required; prediction needs none.
    features : tuple of str, optional
        For tables: the columns that a model was trained on; an empty tuple reads none.
    row_shape : tuple of int, optional
        For images and slices: the shape of a model's rows. Images are then converted to grey or colour as it needs.

    Returns
    -------
    Dataset

    Raises
    ------
    DataError
        If the data is invalid; the message names file, row and column.
    """
    path, roles = Path(path), roles or Roles()
    data = _read(path, roles, labelled, features, row_shape)
    if labelled and data.Y is None:
        raise DataError(
            f"`{path}` has no labels; name a label file (`data.label_file`, --label-file) or the label columns "
            "(`data.labels`, --labels)."
        )
    if not len(data):
        raise DataError(f"`{path}` must hold at least one row. Received none.")
    return data


def _read(
    path: Path, roles: Roles, labelled: bool, features: tuple[str, ...] | None, row_shape: tuple[int, ...] | None
) -> Dataset:
    if not exists(path):
        raise DataError(f"`{path}` does not exist.")
    if is_pattern(path):
        return _read_tables(*tables_matching(path), roles, labelled, features, row_shape)
    check_regular(path)
    if roles.label_file is not None and not (path.is_dir() or path.suffix.lower() == ".npy" or is_arff(path)):
        raise DataError(
            f"`{path}` has its own labels; use a label file only with .npy and .arff files and folders of images."
        )
    if roles.label_file is not None and not exists(roles.label_file):
        raise DataError(f"`{roles.label_file}` does not exist.")
    if roles.group is not None and roles.group in (roles.labels or ()):
        raise DataError(f"column {roles.group!r} must be either a label or the group. Received both.")
    if path.is_dir():
        return _read_folder(path, roles, labelled, features, row_shape)
    if path.suffix.lower() == ".npz":
        return read_npz(path, roles)
    if path.suffix.lower() == ".npy":
        return read_npy(path, roles)
    if is_table(path):
        return _read_tables(path, None, roles, labelled, features, row_shape)
    if is_arff(path):
        return read_arff(path, roles, labelled, features)
    if is_svmlight(path):
        return read_sparse(path, SvmlightFile(path, None if row_shape is None else row_shape[0]), roles, labelled)
    if is_named_images(path) and not labelled:
        return read_named_images(path, roles, row_shape)
    raise DataError(
        f"`{path}` must be a table (.csv, .tsv, .jsonl, .parquet, .arrow, .feather), an array (.npz, .npy), sparse "
        f"rows (.svm, .arff, .txt) or a folder. Received {path.suffix!r}."
    )


def _read_tables(
    path: Path,
    files: list[str] | None,
    roles: Roles,
    labelled: bool,
    features: tuple[str, ...] | None,
    row_shape: tuple[int, ...] | None,
) -> Dataset:
    table = TableFile(path, files, roles.format)
    # Where features are named, a model takes columns, or only labels are read.
    column = image_column(table, roles) if features is None else None
    if column is not None:
        return read_image_table(table, column, roles, labelled, row_shape)
    return read_feature_table(path, roles, labelled, features, table=table)


def _read_folder(
    path: Path, roles: Roles, labelled: bool, features: tuple[str, ...] | None, row_shape: tuple[int, ...] | None
) -> Dataset:
    if (path / "images.npy").exists() and (path / "phantom.json").exists():
        return read_phantom(path, roles)
    tables = typed_tables(path)
    if tables:
        return _read_tables(path, tables, roles, labelled, features, row_shape)
    # Slices may have any name, so they are looked for before images.
    slices = find_slices(path)
    tables = [] if slices or roles.label_file else text_tables(path)
    if tables:
        return _read_tables(path, tables, roles, labelled, features, row_shape)
    read = partial(read_dicom_folder, paths=slices) if slices else read_image_folder
    return read(path, roles=roles, labelled=labelled, row_shape=row_shape)
