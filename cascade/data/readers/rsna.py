"""Files of the RSNA 2019 Intracranial Hemorrhage challenge: labels and submissions, six lines `ID,Label` per image."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.dataset
from numpy.typing import NDArray

from cascade.data.labels import Labels
from cascade.data.readers.regular import is_of_machine, opened, unreadable
from cascade.data.readers.table.columns import require
from cascade.errors import DataError
from cascade.utils.atomic import new_file

LABELS = ("epidural", "intraparenchymal", "intraventricular", "subarachnoid", "subdural", "any")
HEAD = "ID,Label"
UNSEEN = 255
"""Value of a label that no line has given yet."""


def is_label_file(path: Path) -> bool:
    """Return whether a file begins like those of the challenge."""
    # Spreadsheet programs add a byte order mark and carriage returns.
    with opened(path) as handle:
        return handle.read(64).removeprefix(b"\xef\xbb\xbf").split(b"\n")[0].strip() == HEAD.encode()


def read_labels(path: Path) -> tuple[NDArray[Any], Labels]:
    """Read the names of the images, in the order of the file, and their labels; 0/1 of shape (images, 6).

    A line may occur twice, as in the original file, if both agree.

    Raises
    ------
    DataError
        If a line names no image and label, a value is not 0 or 1, lines disagree, or an image lacks a label.
    """
    images, columns, values = _lines(path)
    names, rows = images.dictionary, images.indices.to_numpy().astype(np.intp)
    Y = np.full((len(names), len(LABELS)), UNSEEN, np.uint8)
    # The first line of each cell fills the matrix, and all lines are compared with it: repeated lines must agree.
    cells, first = np.unique(rows * len(LABELS) + columns, return_index=True)
    Y.flat[cells] = values[first]
    _refuse_first(path, Y[rows, columns] != values, "must give each label once. Received 0 and 1 for it")
    unseen = np.argwhere(Y == UNSEEN)
    if len(unseen):
        name, label = names[int(unseen[0, 0])], LABELS[unseen[0, 1]]
        raise DataError(f"`{path}` must have {len(LABELS)} labels for each image. {str(name)!r} has no {label!r}.")
    return names.to_numpy(zero_copy_only=False), Y


def _lines(path: Path) -> tuple[pa.DictionaryArray, NDArray[Any], NDArray[np.uint8]]:
    # Labels as floats: a value such as 0.5 is then reported with its row, instead of failing the whole file.
    types = {"ID": pa.string(), "Label": pa.float64()}
    try:
        table = pyarrow.csv.read_csv(path, convert_options=pyarrow.csv.ConvertOptions(column_types=types))
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        if is_of_machine(error):
            raise
        raise unreadable(path, error) from error
    # Names of images may contain underscores, hence the list of labels at the end.
    parts = pc.extract_regex(table["ID"].combine_chunks(), rf"^(?P<image>.+)_(?P<label>{'|'.join(LABELS)})$")
    _refuse_first(path, pc.is_null(parts).to_numpy(zero_copy_only=False), "must name an image and one of the labels")
    values = table["Label"].to_numpy()
    _refuse_first(path, ~np.isin(values, (0, 1)), "must hold 0 or 1 in column 'Label'. Received another value")
    image, label = parts.flatten()
    columns = pc.index_in(label, value_set=pa.array(LABELS)).to_numpy()
    return image.dictionary_encode(), columns, values.astype(np.uint8)


def _refuse_first(path: Path, wrong: NDArray[np.bool_], rule: str) -> None:
    if wrong.any():
        raise DataError(f"`{path}` {rule} at row {int(wrong.argmax())}.")


def labels_of(path: Path, images: list[str], wanted: tuple[str, ...] | None = None) -> tuple[tuple[str, ...], Labels]:
    """Read the labels of the given images, all six or those `wanted`; the file may have more images.

    Returns
    -------
    names : tuple of str
    Y : ndarray of 0/1, shape (len(images), len(names))
    """
    absent = [name for name in wanted or () if name not in LABELS]
    if absent:
        raise DataError(f"`{path}` has no label {absent[0]!r}; its labels are {', '.join(LABELS)}.")
    known, Y = read_labels(path)
    places = pc.index_in(pa.array(images, pa.string()), value_set=pa.array(known, pa.string()))
    if places.null_count:
        image = images[int(np.argmax(pc.is_null(places).to_numpy(zero_copy_only=False)))]
        raise DataError(f"`{path}` must have the labels of every image. Received none for {image!r}.")
    names = wanted or LABELS
    return names, Y[places.to_numpy()][:, [LABELS.index(name) for name in names]]


def write_labels(path: Path, images: Iterable[str], Y: NDArray[Any]) -> None:
    """Write a label file, six lines per image."""
    with path.open("w", encoding="utf-8", newline="\n") as handle:
        handle.write(f"{HEAD}\n")
        for image, row in zip(images, Y.tolist(), strict=True):
            handle.writelines(f"{image}_{label},{value}\n" for label, value in zip(LABELS, row, strict=True))


def write_submission(predictions: Path, output: Path) -> int:
    """Convert a table of predictions, or a folder of its parts, to a submission; return the number of its images.

    Parameters
    ----------
    predictions : path
        `.parquet`, `.csv`, or a folder of `.parquet` parts, with the columns `id` and `<label>_probability`.
    output : path
        File to write, in parts but atomically.

    Raises
    ------
    DataError
        If the table cannot be read or lacks a column.
    """
    columns = ["id", *(f"{label}_probability" for label in LABELS)]
    try:
        table = _open(predictions)
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        if is_of_machine(error):
            raise
        raise unreadable(predictions, error) from error
    require(table.schema.names, predictions, columns, "prediction")
    count = 0
    with new_file(output) as temporary, temporary.open("w", encoding="utf-8", newline="\n") as handle:
        handle.write(f"{HEAD}\n")
        for batch in table.to_batches(columns=columns):
            for image, *row in zip(*(batch[name].to_pylist() for name in columns), strict=True):
                handle.writelines(f"{image}_{label},{value}\n" for label, value in zip(LABELS, row, strict=True))
            count += batch.num_rows
    return count


def _open(predictions: Path) -> pa.dataset.Dataset:
    if predictions.suffix.lower() != ".csv":
        return pyarrow.dataset.dataset(predictions, format="parquet")
    # Otherwise a name such as 007 would be read as the number 7.
    text = pyarrow.csv.ConvertOptions(column_types={"id": pa.string()})
    return pyarrow.dataset.dataset(predictions, format=pyarrow.dataset.CsvFileFormat(convert_options=text))
