"""The command `cascade tune`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .output import Json, show


def tune(
    config: Annotated[Path, typer.Argument(help="YAML file of a run; the search begins at its gate and labeler.")],
    set: Annotated[list[str] | None, typer.Option("--set", help="Override a key: labeler.model.epochs=10.")] = None,
    trials: Annotated[
        int | None,
        typer.Option(help="Number of trials, with those of an interrupted search; default 40 in an hour.", min=1),
    ] = None,
    minutes: Annotated[
        float | None, typer.Option(help="Begin no trial that would probably end after this time.", min=0)
    ] = None,
    folds: Annotated[
        int | None,
        typer.Option(help="Judge on this many grouped folds; 1: on one hold-out, the default from 20,000 rows.", min=1),
    ] = None,
    metric: Annotated[
        str, typer.Option(help="Quality: a metric with one value, such as macro_auroc.")
    ] = "macro_average_precision",
    margin: Annotated[
        float, typer.Option(help="How far below the best flat model the interval's lower end may be.", min=0)
    ] = 0.005,
    models: Annotated[Path, typer.Option(help="Folder of all models.")] = Path("models"),
    fresh: Annotated[bool, typer.Option("--fresh", help="Start over instead of resuming.")] = False,
    as_json: Json = False,
) -> None:
    """Search for the cheapest cascade that is not worse than the best flat model, and write its config.

    An interrupted search resumes when it is started again. Test rows are not used. If no cascade pays, the config is
    that of a flat model, and the exit status is 0 as well.
    """
    from cascade.config.yaml_file import load_config

    from ..steps.progress import show_log

    checked = load_config(config, set)
    show_log(only=("cascade.pipeline", "cascade.tuning", "cascade.fitting.stages"))
    # After the config is validated: the pipelines take seconds to import.
    from cascade.tuning.tune_text import tuning_table

    from .. import tune as pipeline
    from ..steps.version import PAGE

    options = pipeline.Options(trials, minutes, folds, metric, margin, fresh)
    folder, result = pipeline.run(checked, models, options)
    page, best = folder / PAGE, folder / pipeline.CONFIG
    facts = {"folder": str(folder), "page": str(page), "config": str(best), **result}
    show(facts, f"{tuning_table(result)}\n\nconfig: {best}\nreport: {page}", as_json)
