"""The JSON export of Label Studio: a list of tasks with their data and the choices or regions of the annotators."""

from __future__ import annotations

import logging
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from cascade.data.readers.annotations.annotated import Annotated, annotated, texts_in
from cascade.data.readers.table.columns import Roles
from cascade.data.readers.table.label_lists import bits_of
from cascade.errors import DataError

logger = logging.getLogger("cascade.data")

IMAGE = "image"
RESULTS = ("annotations", "completions")
"""Keys of what annotators did, the second one in exports of early versions."""


def read_label_studio(tasks: list[Any], path: Path, roles: Roles) -> Annotated:
    """Return the images with every label that an annotator gave them, in alphabetical order.

    Parameters
    ----------
    tasks : list
        Content of the file.
    path : path
        For errors.
    roles : Roles
        `file` is the key of the data that names an image, by default `image`.

    Raises
    ------
    DataError
        If a task has no image, or its labels are no texts.
    """
    files, rows, data, n_without = [], [], [], 0
    for place, task in enumerate(tasks):
        body = task.get("data") if isinstance(task, dict) else None
        files.append(_file_of(body, roles.file or IMAGE, place, path))
        done = [one for key in RESULTS for one in _list(task, key, place, path) if not one.get("was_cancelled")]
        n_without += not done
        results = [result for one in done for result in _list(one, "result", place, path)]
        rows.append(tuple(dict.fromkeys(name for result in results for name in _labels_of(result, place, path))))
        data.append({**{key: value for key, value in task.items() if key != "data"}, **(body or {})})
    if n_without:
        logger.warning("data: %d of %d tasks have no annotation; they are rows without a label", n_without, len(tasks))
    names = roles.labels or sorted({name for row in rows for name in row})
    if not names:
        raise DataError(f"`{path}` must have at least one label. Received tasks without any.")
    plain = [{key: value for key, value in one.items() if not isinstance(value, (list, dict))} for one in data]
    return annotated(path, files, names, bits_of(rows, names), None, plain)


def _list(owner: dict[str, Any], key: str, place: int, path: Path) -> list[dict[str, Any]]:
    value = owner.get(key, [])
    if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
        raise DataError(f"`{path}` must hold a list of objects in `{key}` of task {place}. Received something else.")
    return value


def _file_of(data: Any, key: str, place: int, path: Path) -> str:
    value = data.get(key) if isinstance(data, dict) else None
    if not isinstance(value, str) or not value:
        raise DataError(f"`{path}` names no image in `{key}` of task {place}; name the key of its data in `data.file`.")
    return _name_in(value)


def _name_in(address: str) -> str:
    """Return the name of a file below a folder, of an address that a tool gave it.

    Examples
    --------
    >>> _name_in("a/1.png"), _name_in("/data/local-files/?d=a/1.png"), _name_in("s3://bucket/a/1%20b.png")
    ('a/1.png', 'a/1.png', '1 b.png')
    """
    parts = urlsplit(address) if address.startswith("/") or "://" in address else None
    if parts is None:
        return address
    local = parse_qs(parts.query).get("d")
    return local[0] if local else PurePosixPath(unquote(parts.path)).name


def _labels_of(result: dict[str, Any], place: int, path: Path) -> list[str]:
    """Return the choices or the labels of a region."""
    value = result.get("value")
    names: list[str] = []
    for key, given in value.items() if isinstance(value, dict) else ():
        if key == "choices" or key.endswith("labels"):
            texts = texts_in(given)
            if texts is None:
                raise DataError(
                    f"`{path}` must hold a list of names in `{key}` of task {place}. Received something else."
                )
            names += texts
    return names
