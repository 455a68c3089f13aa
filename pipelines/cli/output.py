"""Output of a command: text, or one JSON object for programs."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from cascade.utils.plain_json import to_json

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")]


def show(result: dict[str, Any], text: str, as_json: bool) -> None:
    """Print the result as JSON, or its text."""
    typer.echo(to_json(result) if as_json else text)
