"""Annotations in the form of COCO: images, categories, and annotations that name one of each.

https://cocodataset.org/#format-data. An image has a label if any of its annotations has this category.
"""

from __future__ import annotations

from collections.abc import Hashable
from pathlib import Path
from typing import Any

import numpy as np

from cascade.data.readers.annotations.annotated import Annotated, annotated
from cascade.data.readers.table.columns import Roles
from cascade.errors import DataError

FILE_NAME = "file_name"


def read_coco(body: dict[str, Any], path: Path, roles: Roles) -> Annotated:
    """Return the images with a label per category, in the order of the file; those without annotation have none.

    Parameters
    ----------
    body : dict
        Content of the file.
    path : path
        For errors.
    roles : Roles
        `file` is the attribute that names an image, by default `file_name`.

    Raises
    ------
    DataError
        If an annotation names no image or category of the file, or two of them have the same identifier or name.
    """
    images = _by_id(body["images"], "images", path)
    categories = _by_id(body["categories"], "categories", path)
    files = _names(images, roles.file or FILE_NAME, "images", path)
    names = _names(categories, "name", "categories", path)
    row = {image["id"]: place for place, image in enumerate(images)}
    column = {category["id"]: place for place, category in enumerate(categories)}
    Y = np.zeros((len(images), len(categories)), np.uint8)
    for place, annotation in enumerate(_objects(body["annotations"], "annotations", path)):
        at = _place(annotation, "image_id", row, place, path)
        Y[at, _place(annotation, "category_id", column, place, path)] = 1
    return annotated(path, files, names, Y, None, images)


def _objects(value: Any, name: str, path: Path) -> list[dict[str, Any]]:
    if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
        raise DataError(f"`{path}` must hold a list of objects in `{name}`. Received something else.")
    return value


def _by_id(value: Any, name: str, path: Path) -> list[dict[str, Any]]:
    """Return objects of which each has an identifier that no other one has."""
    objects, seen = _objects(value, name, path), set()
    for place, one in enumerate(objects):
        key = one.get("id")
        if not isinstance(key, (int, str)) or key in seen:
            raise DataError(f"`{path}` must give each of its `{name}` an `id` of its own. Received {key!r} at {place}.")
        seen.add(key)
    if not objects:
        raise DataError(f"`{path}` must hold at least one of `{name}`. Received none.")
    return objects


def _names(objects: list[dict[str, Any]], key: str, name: str, path: Path) -> list[str]:
    names = [one.get(key) for one in objects]
    for place, text in enumerate(names):
        if not isinstance(text, str) or not text:
            hint = "; name the attribute with the file in `data.file`" if name == "images" else ""
            raise DataError(
                f"`{path}` must have a text `{key}` in each of its `{name}`. Received {text!r} at {place}{hint}."
            )
    return [str(text) for text in names]


def _place(annotation: dict[str, Any], key: str, known: dict[Hashable, int], place: int, path: Path) -> int:
    value = annotation.get(key)
    if not isinstance(value, (int, str)) or value not in known:
        kind = "image" if key == "image_id" else "category"
        raise DataError(f"`{path}` has an annotation {place} of {kind} {value!r}, which is not in the file.")
    return known[value]
