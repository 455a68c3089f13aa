"""Tables with a column of images, as Hugging Face's library writes data sets of images."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cascade.data.readers.dataset import Dataset
from cascade.data.readers.image.folder import open_images
from cascade.data.readers.image.image_list import pixels_as_read
from cascade.data.readers.image.images import image_shape
from cascade.data.readers.image.stored import StoredImage, spooled
from cascade.data.readers.table.columns import Roles
from cascade.data.readers.table.parquet import TypedFiles
from cascade.data.readers.table.tables import TableColumns, TableFile, read_feature_table
from cascade.errors import DataError

BYTES = "bytes"
"""Field of a struct that holds an image; the other one, `path`, is where it came from."""


def image_column(table: TableFile, roles: Roles) -> str | None:
    """Return the column of a table that holds images: the one that `roles.file` names, or the only one of its type.

    Raises
    ------
    DataError
        If there are several, or the named one holds something else.
    """
    if not isinstance(table.source, TypedFiles):
        return None
    schema = table.source.schema
    if roles.file in schema.names and _holds_bytes(schema.field(roles.file).type):
        return roles.file
    wanted = schema.names if roles.features is None else roles.features
    names = [n for n in wanted if n in schema.names and n not in roles.drop and _is_image(schema.field(n).type)]
    if len(names) > 1:
        raise DataError(
            f"`{table.path}` has several columns of images, {names[0]!r} and {names[1]!r}; name one in `data.file`."
        )
    return names[0] if names else None


def _is_image(kind: pa.DataType) -> bool:
    return bool(pa.types.is_struct(kind)) and kind.get_field_index(BYTES) >= 0 and _holds_bytes(kind)


def _holds_bytes(kind: pa.DataType) -> bool:
    if pa.types.is_struct(kind) and kind.get_field_index(BYTES) >= 0:
        kind = kind.field(BYTES).type
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_binary_view(kind))


def read_image_table(
    table: TableFile, column: str, roles: Roles, labelled: bool, row_shape: tuple[int, ...] | None
) -> Dataset:
    """Read the images of a table, with its labels and groups.

    The bytes are copied to a temporary file, since a network takes its rows in another order than the table has.

    Parameters
    ----------
    table : TableFile
    column : str
        Column of the images.
    roles : Roles
    labelled : bool
    row_shape : tuple of int, or None
        Shape of a model's rows.
    """
    if roles.label_list is not None and roles.label_list.id is not None:
        raise DataError(f"`{table.path}` holds an image per row; take `data.labels.id` out.")
    if row_shape is not None:
        row_shape = image_shape(table.path, row_shape)
    stored = spooled(stored_images(table, column))
    if not stored:
        raise DataError(f"`{table.path}` must hold at least one row. Received none.")
    if labelled or TableColumns.choose(table, roles, ()).all:
        data = read_feature_table(table.path, roles, labelled, (), table=table)
    else:
        data = Dataset(None, None, (), None, np.arange(len(stored)).astype(str), numbered=True)
    images, rows = open_images(stored, roles, row_shape, labelled)
    part = replace(data, X=np.empty((len(stored), 0))).part(rows)
    return replace(part, X=images, feature_names=None, kinds=None, pixels=pixels_as_read(roles, images))


def stored_images(table: TableFile, column: str, first: int = 0) -> Iterator[StoredImage]:
    """Yield the images of a table from row `first` on, with their bytes."""
    if not isinstance(table.source, TypedFiles):
        raise DataError(f"`{table.path}` must be Parquet or Arrow to hold images.")
    row = first
    for part in table.source.tables([column], [], [column], first):
        for content in _bytes_of(part[column]):
            path, number = table.place(row)
            yield StoredImage(path, number, content)
            row += 1


def _bytes_of(cells: pa.ChunkedArray) -> list[Any]:
    """Return the bytes of images, None where a cell has none."""
    if not pa.types.is_struct(cells.type):
        return list(cells.to_pylist())
    return [one for chunk in cells.chunks for one in pc.struct_field(chunk, BYTES).to_pylist()]
