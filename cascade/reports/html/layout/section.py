"""A section of the page: the question that it answers, and what its template is given."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Section:
    """One part of the page.

    Attributes
    ----------
    name : str
        Anchor, and name of the template below `sections` if no other is given.
    title, question : str
    content : dict
        What the template shows, as `it`.
    layout : str, optional
        Name of a template that several sections share.
    """

    name: str
    title: str
    question: str
    content: dict[str, Any]
    layout: str | None = None


@dataclass(frozen=True)
class Tile:
    """A figure that the page opens with."""

    title: str
    value: str
    note: str = ""
