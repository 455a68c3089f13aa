"""Names, versions and who is champion; MLflow keeps all of it, this module knows in which order it is changed."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from cascade.errors import ModelRefusedError, RegistryError
from cascade.registry.champions import previous, promoted, until_now
from cascade.registry.client import (
    artifact_place,
    local_path,
    locked_registry,
    open_client,
    registry_errors,
    run_folder,
)
from cascade.registry.differences import Difference, differences
from cascade.registry.packaging import DATA
from cascade.registry.reference import PREFIX, Reference
from cascade.registry.tracking import MODEL, SHA256, log_version
from cascade.registry.version import DECIDED, PROMOTED, REASON, ModelVersion, iso
from cascade.store.manifest import read_manifest
from cascade.utils.atomic import sync_tree

CHAMPION, CHALLENGER = "champion", "challenger"
CHAMPIONS = "cascade.champions"
"""Tag of a registered model with the versions that were champion, oldest first."""
MOST = 1000
"""Models that MLflow lists at once."""
MISSING = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")


class ModelRegistry:
    """Registered models, their versions and aliases.

    Parameters
    ----------
    models : path, default="models"
        Folder with the database and the files. Not used where `MLFLOW_TRACKING_URI` names a server.
    make : bool, default=False
        Make database and folder where there are none.

    Raises
    ------
    MissingExtraError
        If MLflow is not installed.
    RegistryError
        If there is no registry in the folder, or the server cannot be reached.
    """

    def __init__(self, models: str | Path = "models", make: bool = False) -> None:
        self.models = Path(models)
        self._client = open_client(self.models, make)

    def names(self) -> list[str]:
        """Names of all registered models."""
        with registry_errors("list its models"):
            return sorted(model.name for model in self._client.search_registered_models(max_results=MOST))

    def versions(self, name: str) -> list[ModelVersion]:
        """All versions of a model, oldest first.

        Raises
        ------
        ModelRefusedError
            If there is no such model.
        """
        aliases = self._model(name).aliases
        with registry_errors(f"list the versions of {name!r}"):
            found = self._client.search_model_versions(f"name = '{name}'")
        for told in found:
            # A search leaves them out.
            told._aliases = [alias for alias, number in aliases.items() if int(number) == int(told.version)]
        return sorted(map(ModelVersion.of, found), key=lambda version: version.number)

    def champion(self, name: str) -> ModelVersion | None:
        """The version that serves; None where nothing was promoted yet, also of a model that nobody registered."""
        return self._with_alias(name, CHAMPION)

    def challenger(self, name: str) -> ModelVersion | None:
        """The version that was registered last and has not become champion; None where there is none."""
        return self._with_alias(name, CHALLENGER)

    def version(self, reference: Reference | str) -> ModelVersion:
        """The version that a reference means.

        Raises
        ------
        ModelRefusedError
            If there is none.
        """
        wanted = Reference.parse(reference) if isinstance(reference, str) else reference
        told = self._find(wanted)
        if told is None:
            raise ModelRefusedError(f"`{wanted}` is not in the registry; `cascade models list` tells what is.")
        return ModelVersion.of(told)

    def register(self, name: str, version_folder: str | Path, decided: str | None = None) -> ModelVersion:
        """Register a folder that `cascade train` wrote, as the challenger.

        The version comes to be when all its files are complete, and gets its alias last. The same folder is
        registered once: a process that was killed on the way is simply repeated.

        Parameters
        ----------
        name : str
        version_folder : path
        decided : str, optional
            What was decided about it, in a sentence that `cascade models list` tells.

        Raises
        ------
        ModelRefusedError
            If the folder is no version of a cascade.
        ConfigError
            If the name could not stand in a reference.
        """
        Reference.parse(f"{PREFIX}{name}/1")
        folder = Path(version_folder)
        digest = _cascade_digest(folder / MODEL)
        # Two who registered the same folder would write the same files, and two who moved an alias the same line.
        with locked_registry(self.models):
            told = self._registered(name, digest) or self._created(name, folder, digest, decided)
            # Asked for: a version that was found by its digest comes without its aliases.
            if self._champion_number(name) != int(told.version):
                with registry_errors("move an alias"):
                    self._client.set_registered_model_alias(name, CHALLENGER, told.version)
        return self.version(Reference(name, None, int(told.version)))

    def promote(self, name: str, version: int, reason: str) -> ModelVersion:
        """Make a version the champion; the one before is remembered.

        Parameters
        ----------
        name : str
        version : int
        reason : str
            Kept with the version.

        Raises
        ------
        ModelRefusedError
            If there is no such version.
        """
        chosen = Reference(name, None, version)
        self.version(chosen)
        with locked_registry(self.models), registry_errors("move an alias"):
            current = self._champion_number(name)
            if current != version:
                past = promoted(self.champions(name), current, version)
                self._client.set_registered_model_tag(name, CHAMPIONS, json.dumps(past))
                self._move(name, version, reason)
        return self.version(chosen)

    def rollback(self, name: str, reason: str = "rolled back") -> ModelVersion:
        """Make the champion before the present one champion again.

        Raises
        ------
        ModelRefusedError
            If there is no champion, or none before it.
        """
        with locked_registry(self.models), registry_errors("move an alias"):
            current = self._champion_number(name)
            known = until_now(self.champions(name), current)
            before = previous(known, current)
            if before is None:
                raise ModelRefusedError(f"{name!r} had no champion before version {current}; promote another one.")
            self._client.set_registered_model_tag(name, CHAMPIONS, json.dumps(known))
            self._move(name, before, reason)
        return self.version(Reference(name, None, before))

    def champions(self, name: str) -> list[int]:
        """Versions that were champion, oldest first; the last one may be about to."""
        held: list[int] = json.loads(self._model(name).tags.get(CHAMPIONS, "[]"))
        return held

    def diff(self, name: str, a: int, b: int) -> list[Difference]:
        """In what two versions differ: config, data, metrics, rules."""
        return differences(*(self.files(Reference(name, None, number)) for number in (a, b)))

    def files(self, reference: Reference | str) -> Path:
        """Folder with all that a version's run has kept: config, report, plots and the MLflow model `model`."""
        return run_folder(self._client, self.version(reference).run_id)

    def folder(self, reference: Reference | str) -> Path:
        """Model folder of a version; the alias is looked up once, so that the answer never mixes two versions."""
        return self.files(reference) / MODEL / DATA

    def _champion_number(self, name: str) -> int | None:
        current = self.champion(name)
        return None if current is None else current.number

    def _move(self, name: str, version: int, reason: str) -> None:
        """The champion's alias last: who sees it also sees why, and a killed process is completed by doing it again."""
        self._client.set_model_version_tag(name, str(version), PROMOTED, iso(time.time()))
        self._client.set_model_version_tag(name, str(version), REASON, reason)
        challenger = self.challenger(name)
        if challenger is not None and challenger.number == version:
            self._client.delete_registered_model_alias(name, CHALLENGER)
        self._client.set_registered_model_alias(name, CHAMPION, str(version))

    def _with_alias(self, name: str, alias: str) -> ModelVersion | None:
        told = self._find(Reference(name, alias, None))
        return None if told is None else ModelVersion.of(told)

    def _find(self, wanted: Reference) -> Any:
        from mlflow.exceptions import MlflowException

        try:
            if wanted.alias is not None:
                return self._client.get_model_version_by_alias(wanted.name, wanted.alias)
            return self._client.get_model_version(wanted.name, str(wanted.version))
        except MlflowException as error:
            if error.error_code in MISSING:
                return None
            raise RegistryError(f"the registry could not find `{wanted}`: {error}") from error

    def _model(self, name: str) -> Any:
        from mlflow.exceptions import MlflowException

        try:
            return self._client.get_registered_model(name)
        except MlflowException as error:
            if error.error_code in MISSING:
                raise ModelRefusedError(
                    f"{name!r} is not in the registry; `cascade models list` tells what is."
                ) from error
            raise RegistryError(f"the registry could not find {name!r}: {error}") from error

    def _registered(self, name: str, digest: str) -> Any:
        with registry_errors("search its versions"):
            found = self._client.search_model_versions(f"name = '{name}' and tags.`{SHA256}` = '{digest}'")
        return found[0] if found else None

    def _created(self, name: str, folder: Path, digest: str, decided: str | None) -> Any:
        run = self._logged_run(name, folder, digest)
        tags = {SHA256: digest} | ({} if decided is None else {DECIDED: decided})
        with registry_errors(f"register a version of {name!r}"):
            if not self._client.search_registered_models(f"name = '{name}'"):
                self._client.create_registered_model(name)
            source = f"{run.info.artifact_uri}/{MODEL}"
            return self._client.create_model_version(name, source, run.info.run_id, tags=tags)

    def _logged_run(self, name: str, folder: Path, digest: str) -> Any:
        with registry_errors(f"log the run of `{folder}`"):
            experiment = self._experiment(name)
            found = self._client.search_runs([experiment], f"tags.`{SHA256}` = '{digest}'")
            run = (
                found[0] if found else self._client.create_run(experiment, tags={SHA256: digest}, run_name=folder.name)
            )
            if run.info.status != "FINISHED":
                log_version(self._client, run.info.run_id, folder)
                place = local_path(run.info.artifact_uri)
                if place is not None:
                    sync_tree(place)
                self._client.set_terminated(run.info.run_id)
        return run

    def _experiment(self, name: str) -> str:
        found = self._client.get_experiment_by_name(name)
        if found is not None:
            identifier: str = found.experiment_id
            return identifier
        created: str = self._client.create_experiment(name, artifact_place(self.models, name))
        return created


def _cascade_digest(model: Path) -> str:
    """Digest of a cascade's folder."""
    body = read_manifest(model)
    if "rules" not in body:
        raise ModelRefusedError(f"`{model}` holds a flat model, which the registry does not serve; use its folder.")
    digest: str = body["sha256"]
    return digest
