"""The command `cascade retrain`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .output import Json, show


def retrain(
    config: Annotated[Path, typer.Argument(help="YAML file of the run.")],
    set: Annotated[
        list[str] | None, typer.Option("--set", help="Override a key: retrain.promotion.margin=0.01.")
    ] = None,
    models: Annotated[Path, typer.Option(help="Folder of all models.")] = Path("models"),
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Start over instead of resuming or reporting a finished run.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Train a challenger, register it, and promote it if it is shown to be better than the champion.

    An interrupted run resumes when it is started again. The exit status is 5 if the challenger does not serve.
    """
    from cascade.config.yaml_file import load_config

    from .. import retrain as pipeline
    from ..steps.progress import show_log

    checked = load_config(config, set)
    show_log()
    result = pipeline.run(checked, models, fresh)
    show(result, pipeline.text(result), as_json)
    # A kept champion is a result and no error, but a scheduler must see that nothing changed.
    if not result["serves"]:
        raise typer.Exit(5)
