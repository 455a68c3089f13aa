"""A section of the page: the question that it answers, and the input of its template."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Section:
    """One part of the page.

    Attributes
    ----------
    name : str
        Anchor of the section, and name of its template in `templates/sections` unless `layout` is given.
    title, question : str
    content : dict
        Input of the template, where it is called `it`.
    layout : str, optional
        Name of another template, which several sections share.
    """

    name: str
    title: str
    question: str
    content: dict[str, Any]
    layout: str | None = None


@dataclass(frozen=True)
class Tile:
    """A figure of the summary."""

    title: str
    value: str
    note: str = ""
