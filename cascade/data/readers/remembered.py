"""How the cells of a training's tables were read, as a model remembers it for later files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from cascade.data.readers.table.columns import Roles
from cascade.data.readers.table.label_lists import LabelList
from cascade.errors import ConfigError, ModelRefusedError

LISTED = ("column", "separator", "none", "id")


def reading_to_json(roles: Roles) -> dict[str, Any]:
    """Return plain data of what was declared about cells; empty where nothing was.

    The separator of a file is not part of it: it is found out again for each file.
    """
    listed = roles.label_list
    written: dict[str, Any] = {
        "file": roles.file,
        "encoding": roles.format.encoding,
        "decimal": roles.format.decimal,
        "missing": list(roles.format.missing),
        "uncertain": list(roles.uncertain),
        "negative": list(roles.negative),
        "label_list": None if listed is None else {name: getattr(listed, name) for name in LISTED},
    }
    if listed is not None:
        written["label_list"]["none"] = list(listed.none)
    return {name: value for name, value in written.items() if value}


def with_reading(roles: Roles, body: Mapping[str, Any]) -> Roles:
    """Return roles with what a model remembers about cells, where they do not say otherwise.

    Parameters
    ----------
    roles : Roles
    body : mapping
        Output of `reading_to_json`, perhaps from a file that was changed.

    Raises
    ------
    ModelRefusedError
        If it is not in this form.
    """
    try:
        encoding, decimal, file = (_text(body.get(name)) for name in ("encoding", "decimal", "file"))
        missing, uncertain, negative = (_texts(body.get(name, [])) for name in ("missing", "uncertain", "negative"))
        listed = body.get("label_list")
        if listed is not None:
            names = {name: _text(listed.get(name)) for name in ("column", "separator", "id")}
            listed = LabelList(**names, none=_texts(listed["none"]))  # type: ignore[arg-type]
        given = roles.format
        format = replace(
            given,
            encoding=given.encoding or encoding,
            decimal=given.decimal or decimal,
            missing=given.missing or missing,
        )
    except (ConfigError, KeyError, TypeError, AttributeError) as error:
        raise ModelRefusedError(f"the model's record of how its data was read is invalid: {error}.") from error
    return replace(
        roles,
        format=format,
        file=roles.file or file,
        # A column per label that the user names replaces the training's column of lists.
        label_list=roles.label_list or (listed if roles.labels is None else None),
        uncertain=roles.uncertain or uncertain,
        negative=roles.negative or negative,
        allow_missing=roles.allow_missing or bool(format.missing),
    )


def _text(value: Any) -> str | None:
    if value is not None and not isinstance(value, str):
        raise TypeError(f"{value!r} is no text")
    return value


def _texts(values: Any) -> tuple[str, ...]:
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise TypeError(f"{values!r} is no list of texts")
    return tuple(values)
