"""Which files make up a table: one, those below a folder, or those that fit a pattern."""

from __future__ import annotations

import glob
import os
from pathlib import Path

from cascade.data.readers.files import files_below, is_left_over, matching
from cascade.data.readers.image.images import SUFFIXES
from cascade.data.readers.table.arrow import ENDINGS as ARROW
from cascade.data.readers.table.json_lines import is_json_lines
from cascade.data.readers.table.parquet import ENDINGS as TYPED
from cascade.data.readers.table.table_format import COMPRESSIONS, TEXT_ENDINGS, is_text_table
from cascade.errors import DataError
from cascade.utils.address import Address, Place

# Hugging Face's library keeps what it computed from a data set beside its files.
HIDDEN = ("_", ".", "cache-")
TEXT_SUFFIXES = (*TEXT_ENDINGS, ".jsonl", ".ndjson", *COMPRESSIONS)


def is_table(path: Place) -> bool:
    """Return whether the name of a file is that of a table."""
    return path.suffix.lower() in TYPED or is_text_table(path) or is_json_lines(path)


def typed_tables(folder: Path) -> list[str]:
    """List the Parquet files below a folder, or else its Arrow files; none in a folder of images with `labels.csv`."""
    if (folder / "labels.csv").exists():
        return []
    return files_below(folder, (".parquet",), HIDDEN[:2]) or files_below(folder, ARROW, HIDDEN)


def text_tables(folder: Path) -> list[str]:
    """List the text tables and JSON lines below a folder; none if it has images, of which they may be lists."""
    if (folder / "labels.csv").exists() or files_below(folder, SUFFIXES):
        return []
    return [name for name in files_below(folder, TEXT_SUFFIXES, HIDDEN[:2]) if is_table(folder / name)]


def tables_matching(pattern: Path) -> tuple[Path, list[str]]:
    """Return the folder of a pattern, and the tables that fit it, relative to the folder.

    Raises
    ------
    DataError
        If a file is no table, or some are text and others typed.
    """
    folder = pattern
    while glob.has_magic(str(folder)):
        folder = folder.parent
    paths = [path for path in matching(pattern) if not is_left_over(os.path.relpath(path, folder))]
    other = [path for path in paths if not is_table(path)]
    if other:
        raise DataError(f"`{other[0]}` fits the pattern `{pattern}` but is no table; take it out of the pattern.")
    if len({path.suffix.lower() in TYPED for path in paths}) > 1:
        raise DataError(f"`{pattern}` must fit text tables or typed ones (.parquet, .arrow). Received both.")
    return folder, [os.path.relpath(path, folder) for path in paths]


def tables_at(folder: Address) -> list[str]:
    """List the tables below a folder of a store, of which it has one listing: Parquet, or else Arrow, or else text.

    Raises
    ------
    DataError
        If there is none, or there are images, of which text tables may be lists.
    """
    names = [name for name in folder.below() if not is_left_over(name)]
    names = [name for name in names if not os.path.basename(name).startswith("_")]
    # By parts, as for folders of this machine.
    names.sort(key=lambda name: name.split("/"))
    for endings in ((".parquet",), ARROW, TEXT_SUFFIXES):
        tables = [name for name in names if name.lower().endswith(endings) and is_table(folder / name)]
        if tables and not (endings == TEXT_SUFFIXES and any(name.lower().endswith(SUFFIXES) for name in names)):
            return tables
    raise not_a_table(folder)


def not_a_table(address: Address) -> DataError:
    """Describe an address that is neither a table nor a folder of tables."""
    endings = ", ".join((*TYPED, *TEXT_ENDINGS, ".jsonl"))
    return DataError(
        f"`{address}` must be a table ({endings}) or a folder of tables; for other input, mount or copy the folder."
    )
