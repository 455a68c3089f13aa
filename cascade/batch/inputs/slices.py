"""DICOM slices as the input of a job: group and identifier come from the header of each slice."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from cascade.batch.inputs.images import DecodedInput, Names, reason_below
from cascade.data.readers.dicom.clipping import warn_where_clipped
from cascade.data.readers.dicom.folder import GROUPS, ID, known_attribute, place_below
from cascade.data.readers.dicom.slices import DicomFiles
from cascade.data.readers.dicom.storage_class import images_among
from cascade.data.readers.table.cells import Reasons
from cascade.data.readers.table.columns import Roles, refuse_duplicates
from cascade.data.signature import InputSignature
from cascade.errors import DataError


class SliceInput(DecodedInput):
    """Slices whose headers are read shard by shard, so that a job starts without reading all of them.

    Parameters
    ----------
    slices : DicomFiles
    places : pyarrow.Array of str, length n
        Relative paths; the identifiers unless `id` names an attribute.
    folder, files : path and list of str
    group, id : str or None
        Requested attributes; a slice without one is rejected. Without a requested group, the patient is the group,
        which may be empty.
    gate_size : int, optional
    """

    def __init__(
        self,
        slices: DicomFiles,
        places: pa.Array,
        folder: Path,
        files: list[str],
        group: str | None,
        id: str | None,
        gate_size: int | None = None,
    ) -> None:
        super().__init__(slices, places, None, folder, files, gate_size)
        self.slices, self.group, self.id = slices, group, id

    def _named(self, start: int, n: int, reasons: Reasons) -> tuple[NDArray[Any], NDArray[Any] | None]:
        ids, groups = super()._named(start, n, reasons)[0].copy(), np.full(n, "", dtype=object)
        for place, header in enumerate(self.slices.headers(np.arange(start, start + n))):
            if isinstance(header, DataError):
                # Its path stays as identifier, so that the rejected row can be traced.
                reasons[place] = reason_below(header, self.folder)
                continue
            groups[place] = header.names[self.group or GROUPS[0]]
            if self.id is not None:
                ids[place] = header.names[self.id]
            if self.group is not None and not groups[place]:
                reasons[place] = f"attribute {self.group!r} is empty"
        return ids, groups


def read_slices(
    folder: Path, paths: list[Path], roles: Roles, signature: InputSignature, gate_size: int | None = None
) -> SliceInput:
    """Open the slices `paths` of a folder, to be read with the pixel options of the model."""
    if signature.row_shape is None or len(signature.row_shape) != 3:
        raise DataError(f"`{folder}` holds slices; the model takes rows of shape {signature.row_shape}.")
    group = known_attribute(folder, "group", roles.within(GROUPS).group, GROUPS)
    row_id = known_attribute(folder, "id", roles.within((ID,)).id, (ID,))
    paths = images_among(folder, paths)
    places = [place_below(folder, path) for path in paths]
    refuse_duplicates(np.array(places), folder, "file")
    files = [path.relative_to(folder).as_posix() for path in paths]
    slices = DicomFiles(Names(folder, files, confined=False), roles.pixels, signature.row_shape)
    warn_where_clipped(slices)
    return SliceInput(slices, pa.array(places, pa.string()), folder, files, group, row_id, gate_size)
