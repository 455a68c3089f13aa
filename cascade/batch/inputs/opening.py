"""The interface of inputs, and one function that opens any of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

from cascade.batch.inputs.chunk import Chunk
from cascade.data.readers.arff.header import is_arff, read_header
from cascade.data.readers.files import exists, is_pattern
from cascade.data.readers.image.folder import is_named_images
from cascade.data.readers.regular import check_regular
from cascade.data.readers.sparse.svmlight import SvmlightFile, is_svmlight
from cascade.data.readers.table.columns import Roles
from cascade.data.readers.table_files import (
    is_table,
    not_a_table,
    tables_at,
    tables_matching,
    text_tables,
    typed_tables,
)
from cascade.data.signature import InputSignature
from cascade.errors import DataError
from cascade.utils.address import Address, Place


class Input(Protocol):
    """Rows in a fixed order, which can be read from any row on, as often as needed.

    Attributes
    ----------
    n_rows : int or None
        None if unknown before the input is read.
    row_bytes : int
        Approximate memory per row.
    """

    n_rows: int | None
    row_bytes: int

    def fingerprint(self) -> dict[str, Any]:
        """Return a digest that changes when the input does."""
        ...

    def chunks(self, size: int, first: int) -> Iterator[Chunk]:
        """Yield chunks of `size` rows from row `first` on; the last chunk may have fewer."""
        ...


def open_input(path: Place, roles: Roles, signature: InputSignature, gate_size: int | None = None) -> Input:
    """Open the input of a model with the given signature.

    Parameters
    ----------
    path : path or address
        An address is that of a table or a folder of tables. A path is a table, a pattern of tables, sparse rows
        (`.svm`, `.txt`, `.arff`), a `.npy` or `.npz` file, or a `.txt` file that lists images. Folders may hold tables,
        images with or without `labels.csv`, DICOM slices, or the output of `cascade phantom`.
    roles : Roles
        Which columns are group and identifier.
    signature : InputSignature
        Shape and feature columns of the model.
    gate_size : int, optional
        Size of the gate's images, if smaller.

    Raises
    ------
    DataError
        If nothing can be read at all; single bad rows are returned as rejected rows of the chunks.
    """
    if isinstance(path, Address):
        return _open_address(path, roles, signature)
    if not exists(path):
        raise DataError(f"`{path}` does not exist.")
    if is_pattern(path):
        return _open_tables(*tables_matching(path), roles, signature)
    check_regular(path)
    opened = _open_folder if path.is_dir() else _open_file
    return opened(path, roles, signature, gate_size)


def _open_address(address: Address, roles: Roles, signature: InputSignature) -> Input:
    if not address.exists():
        raise DataError(f"`{address}` does not exist.")
    if address.is_dir():
        return _open_tables(address, tables_at(address), roles, signature)
    if not is_table(address):
        raise not_a_table(address)
    return _open_tables(address, None, roles, signature)


def _open_file(path: Path, roles: Roles, signature: InputSignature, gate_size: int | None) -> Input:
    if is_table(path):
        return _open_tables(path, None, roles, signature)
    if is_arff(path):
        return _open_arff(path, roles, signature)
    if is_svmlight(path):
        from cascade.batch.inputs.sparse import SparseInput

        n_features = _n_features(signature)
        return SparseInput(path, SvmlightFile(path, n_features), roles, n_features)
    if is_named_images(path):
        from cascade.batch.inputs.images import list_images

        return list_images(path, roles, signature, gate_size)
    return _open_arrays(path, roles)


def _open_tables(path: Place, files: list[str] | None, roles: Roles, signature: InputSignature) -> Input:
    from cascade.batch.inputs.tables import TableInput
    from cascade.data.readers.image.image_table import image_column
    from cascade.data.readers.table.tables import TableFile

    folder, names = (path.parent, [path.name]) if files is None else (path, files)
    table = TableFile(path, files, roles.format)
    if signature.feature_names is None and (column := image_column(table, roles)) is not None:
        from cascade.batch.inputs.image_table import ImageTableInput

        return ImageTableInput(table, column, folder, names, roles, signature)
    return TableInput(table, folder, names, roles, signature.feature_names)


def _open_arff(path: Path, roles: Roles, signature: InputSignature) -> Input:
    from cascade.batch.inputs.sparse import SparseInput
    from cascade.batch.inputs.tables import TableInput
    from cascade.data.readers.arff.reading import dense_table, with_labels
    from cascade.data.readers.arff.sparse import SparseArff

    header = read_header(path)
    roles, labels = with_labels(path, header, roles, labelled=False)
    if header.is_sparse:
        return SparseInput(path, SparseArff(path, header, labels, roles.drop), roles, _n_features(signature))
    return TableInput(dense_table(path, header), path.parent, [path.name], roles, signature.feature_names)


def _n_features(signature: InputSignature) -> int | None:
    return None if signature.row_shape is None else signature.row_shape[0]


def _open_arrays(path: Path, roles: Roles) -> Input:
    from cascade.batch.inputs.arrays import ArrayInput
    from cascade.data.readers.arrays import open_array, read_npz, read_phantom

    # Rows that are not finite are rejected chunk by chunk; a check here would read the whole file first.
    if path.is_dir():
        data = read_phantom(path, roles)
        files = ["images.npy", "labels.npz", "phantom.json"]
        return ArrayInput(path, files, data.X, data.ids, data.groups, roles.allow_missing)
    if path.suffix.lower() == ".npz":
        data = read_npz(path, roles, are_checked=False)
        return ArrayInput(path.parent, [path.name], data.X, data.ids, data.groups, roles.allow_missing)
    if path.suffix.lower() == ".npy":
        wanted = roles.within(())
        if wanted.group or wanted.id:
            raise DataError(f"`{path}` holds only an array and has no column {wanted.group or wanted.id!r}.")
        return ArrayInput(path.parent, [path.name], open_array(path), None, None, roles.allow_missing)
    kinds = "a table, .npy, .npz, .svm, .arff, .txt or a folder"
    raise DataError(f"`{path}` must be {kinds}. Received {path.suffix!r}.")


def _open_folder(path: Path, roles: Roles, signature: InputSignature, gate_size: int | None) -> Input:
    if (path / "images.npy").exists() and (path / "phantom.json").exists():
        return _open_arrays(path, roles)
    tables = typed_tables(path)
    if tables:
        return _open_tables(path, tables, roles, signature)
    from cascade.batch.inputs.images import LISTING, read_images
    from cascade.data.readers.dicom.folder import find_slices
    from cascade.data.readers.rsna import is_label_file

    # RSNA's label file has one line per label and image, and does not list files; its images are DICOM slices.
    listed = (path / LISTING).exists() and not is_label_file(path / LISTING)
    slices = [] if listed else find_slices(path)
    if slices:
        from cascade.batch.inputs.slices import read_slices

        return read_slices(path, slices, roles, signature, gate_size)
    tables = text_tables(path)
    if tables:
        return _open_tables(path, tables, roles, signature)
    return read_images(path, roles, signature, gate_size)
