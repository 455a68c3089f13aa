"""Output of a command: text, or one JSON object for programs."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")]


def show(result: dict[str, Any], text: str, as_json: bool) -> None:
    """Print the result as JSON, or its text."""
    # NaN is refused: Python would print a word that other JSON parsers reject.
    typer.echo(json.dumps(result, allow_nan=False) if as_json else text)
