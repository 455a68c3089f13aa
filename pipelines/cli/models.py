"""The commands `cascade models ...`: versions on disk and in the registry, and which of them is champion."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .output import Json, show

Models = Annotated[Path, typer.Option(help="Folder of all models.")]
Name = Annotated[str, typer.Argument(help="Name of a registered model.")]
ModelOption = Annotated[
    Path,
    typer.Argument(help="Version, model folder, models/<name> for its newest version, or models:/<name>@champion."),
]

# Imports are within the commands, since MLflow takes seconds to import and is an extra.
models_app = typer.Typer(no_args_is_help=True, help="Trained models, and which of them is champion.")


@models_app.command("list", epilog="Example: cascade models list hemorrhage")
def list_models(
    name: Annotated[str | None, typer.Argument(help="Only versions of this model.")] = None,
    models: Models = Path("models"),
    as_json: Json = False,
) -> None:
    """List versions on disk and in the registry, with present and former champions."""
    from .. import registry as pipeline

    facts = pipeline.list_versions(models, name)
    show(facts, pipeline.list_text(facts), as_json)


@models_app.command("show", epilog="Example: cascade models show models:/hemorrhage@champion")
def show_model(model: ModelOption, models: Models = Path("models"), as_json: Json = False) -> None:
    """Print the decision rules of a model, and the proven recall of its gate."""
    from .. import models as pipeline

    facts, text = pipeline.show(model, models)
    show(facts, text, as_json)


@models_app.command("register", epilog="Example: cascade models register models/hemorrhage/20260101T000000000000Z")
def register_model(
    version: Annotated[Path, typer.Argument(help="Folder of a version that train wrote.")],
    name: Annotated[str | None, typer.Option(help="Name in the registry; default the name in its config.")] = None,
    models: Models = Path("models"),
    as_json: Json = False,
) -> None:
    """Copy a version into the registry, as the challenger."""
    from .. import registry as pipeline

    facts = pipeline.register(models, version, name)
    show(facts, "registered models:/{name}/{number} as the challenger".format(**facts), as_json)


@models_app.command(
    "promote", epilog="Example: cascade models promote hemorrhage 3 --reason 'read by two radiologists'"
)
def promote_model(
    name: Name,
    version: Annotated[int, typer.Argument(help="Number of the version.", min=1)],
    reason: Annotated[str, typer.Option(help="Reason, which is stored with the version.")] = "promoted by hand",
    models: Models = Path("models"),
    as_json: Json = False,
) -> None:
    """Make a version the champion."""
    from cascade.registry import ModelRegistry

    promoted = ModelRegistry(models).promote(name, version, reason)
    show(promoted.to_json(), f"{promoted} is champion: {reason}", as_json)


@models_app.command("rollback", epilog="Example: cascade models rollback hemorrhage")
def roll_back_model(
    name: Name,
    reason: Annotated[str, typer.Option(help="Reason, which is stored with the version.")] = "rolled back by hand",
    models: Models = Path("models"),
    as_json: Json = False,
) -> None:
    """Make the previous champion the champion again."""
    from cascade.registry import ModelRegistry

    champion = ModelRegistry(models).rollback(name, reason)
    show(champion.to_json(), f"{champion} is champion again: {reason}", as_json)


@models_app.command("diff", epilog="Example: cascade models diff models:/hemorrhage@champion models:/hemorrhage/4")
def diff_models(
    a: Annotated[Path, typer.Argument(help="Folder of a version, or models:/<name>/<number>.")],
    b: Annotated[Path, typer.Argument(help="Folder of the other version, or its models:/<name>/<number>.")],
    models: Models = Path("models"),
    as_json: Json = False,
) -> None:
    """Show differences of two versions in config, data, rules, packages and figures."""
    from cascade.registry.differences import text

    from .. import registry as pipeline

    differences = pipeline.diff(models, a, b)
    show({"differences": [vars(one) for one in differences]}, text(differences), as_json)
