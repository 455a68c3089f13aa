"""Read the annotations of images, in the form that the name and the content of a file show."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from cascade.data.readers.annotations.annotated import Annotated, selected
from cascade.data.readers.annotations.class_lists import read_class_lists
from cascade.data.readers.annotations.coco import read_coco
from cascade.data.readers.annotations.label_studio import read_label_studio
from cascade.data.readers.files import is_pattern, matching
from cascade.data.readers.regular import read_whole
from cascade.data.readers.table.columns import Roles
from cascade.errors import DataError

MOST_BYTES = 2**30
"""Longest file of annotations; the largest public ones have half of it."""
NESTED = frozenset({"images", "annotations", "completions", "categories", "data", "result", "value", "choices"})
"""Keys whose lists and objects are kept: outlines of objects, which are not needed, are most of a file."""
LABELS = "labels"
"""End of the keys that list the labels of a region, such as `rectanglelabels`."""


def read_annotations(path: Path, roles: Roles) -> Annotated | None:
    """Read COCO or Label Studio's JSON, or a text file per label; None for a table.

    Raises
    ------
    DataError
        If the file is damaged, has another form, or contradicts itself.
    """
    suffix = path.suffix.lower()
    if suffix not in (".json", ".txt") and not is_pattern(path):
        return None
    read = _read_json(path, roles) if suffix == ".json" else read_class_lists(path, matching(path), roles)
    return replace(read, labels=selected(read.labels, roles.labels, path))


def _read_json(path: Path, roles: Roles) -> Annotated:
    body = _parsed(path)
    if isinstance(body, dict) and {"images", "annotations", "categories"} <= set(body):
        return read_coco(body, path, roles)
    if isinstance(body, list) and body and isinstance(body[0], dict) and "data" in body[0]:
        return read_label_studio(body, path, roles)
    raise DataError(
        f"`{path}` must be COCO (an object of `images`, `annotations` and `categories`) or an export of Label Studio "
        "(a list of objects with `data` and `annotations`). Received other JSON."
    )


def _parsed(path: Path) -> Any:
    content = read_whole(path, MOST_BYTES, "; split it")
    try:
        return json.loads(content, object_pairs_hook=_kept)
    except json.JSONDecodeError as error:
        raise DataError(f"`{path}` is no valid JSON: {error.msg} in line {error.lineno}; it may be cut.") from error
    except (ValueError, RecursionError) as error:
        # Bytes that are no text, numbers of thousands of digits, lists within lists without end.
        raise DataError(f"`{path}` is no valid JSON: {type(error).__name__}.") from error


def _kept(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object without the lists and objects that are not needed, as soon as it is parsed."""
    return {
        key: value
        for key, value in pairs
        if not isinstance(value, (list, dict)) or key in NESTED or key.endswith(LABELS)
    }
