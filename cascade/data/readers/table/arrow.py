"""Arrow files, of IPC's file or stream format: `.arrow`, and `.feather` of version 2."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pyarrow as pa
import pyarrow.ipc

from cascade.data.readers.regular import is_of_machine, opened, unreadable
from cascade.errors import DataError
from cascade.utils.address import Place

ENDINGS = (".arrow", ".feather")
FILE, OLD_FEATHER = b"ARROW1", b"FEA1"
"""First bytes of the file format, and of the first version of Feather; streams have none."""


def arrow_schema(path: Place) -> pa.Schema:
    """Return the columns of a file.

    Raises
    ------
    DataError
        If it is no Arrow file, or of Feather's first version.
    """
    with _opened(path) as reader:
        schema = reader.schema
        # Names that are no UTF-8 raise an error when they are read, which is caught here.
        _ = schema.names
        return schema


def arrow_batches(path: Place, columns: list[str]) -> Iterator[pa.Table]:
    """Yield the rows of a file by its record batches, of which one is in memory at a time."""
    with _opened(path, columns) as reader:
        is_file = isinstance(reader, pa.ipc.RecordBatchFileReader)
        batches = (reader.get_batch(k) for k in range(reader.num_record_batches)) if is_file else iter(reader)
        for batch in batches:
            # Offsets and indices of a file from elsewhere may lead out of its buffers.
            batch.validate(full=True)
            yield pa.Table.from_batches([batch]).select(columns)


@contextmanager
def _opened(
    path: Place, columns: list[str] | None = None
) -> Iterator[pa.ipc.RecordBatchFileReader | pa.ipc.RecordBatchStreamReader]:
    with opened(path) as handle:
        head = handle.read(len(FILE))
        if head.startswith(OLD_FEATHER):
            raise DataError(f"`{path}` is Feather of version 1; save it again as version 2 or .parquet.")
        open_reader = pa.ipc.open_file if head == FILE else pa.ipc.open_stream
        try:
            handle.seek(0)
            options = None
            if columns is not None:
                schema = open_reader(handle).schema
                handle.seek(0)
                # An empty list would mean all columns.
                options = pa.ipc.IpcReadOptions(included_fields=sorted(map(schema.get_field_index, columns)) or [0])
            yield open_reader(handle, options=options)
        except MemoryError as error:
            raise DataError(f"`{path}` declares more values than fit into memory; it may be damaged.") from error
        except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
            if is_of_machine(error):
                raise
            raise unreadable(path, error) from error
