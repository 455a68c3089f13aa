"""Names, versions and champions; MLflow stores them, and this module fixes the order of changes."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cascade.errors import ModelRefusedError
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
"""Tag of a registered model: the versions that were champion, oldest first."""
MOST = 1000
"""Most models in one listing of MLflow."""
MISSING = "RESOURCE_DOES_NOT_EXIST"
"""Error code of MLflow for a model or version that does not exist. Any other error must not look like a missing
champion, without which a first model would be promoted."""


class ModelRegistry:
    """Registered models, their versions and aliases.

    Parameters
    ----------
    models : path, default="models"
        Folder with the database and the files. Not used where `MLFLOW_TRACKING_URI` names a server.
    make : bool, default=False
        Whether to create database and folder if there are none.

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
        """Return the names of all registered models, also of those that other tools registered."""
        with registry_errors("list its models"):
            found = _all_pages(lambda token: self._client.search_registered_models(max_results=MOST, page_token=token))
        return sorted(model.name for model in found)

    def has(self, name: str) -> bool:
        """Return whether a model of this name is registered."""
        return self._found_model(name) is not None

    def versions(self, name: str) -> list[ModelVersion]:
        """Return all versions of a model, oldest first.

        Raises
        ------
        ModelRefusedError
            If there is no such model.
        """
        # A valid name has no character that would have to be quoted in a filter.
        Reference.parse(f"{PREFIX}{name}/1")
        aliases = self._model(name).aliases
        with registry_errors(f"list the versions of {name!r}"):
            wanted = f"name = '{name}'"
            records = _all_pages(lambda token: self._client.search_model_versions(wanted, page_token=token))
        for record in records:
            # A search returns versions without their aliases.
            record._aliases = [alias for alias, number in aliases.items() if int(number) == int(record.version)]
        return sorted(map(ModelVersion.of, records), key=lambda version: version.number)

    def champion(self, name: str) -> ModelVersion | None:
        """Return the version that serves; None if nothing was promoted yet or the model is not registered."""
        return self._with_alias(name, CHAMPION)

    def challenger(self, name: str) -> ModelVersion | None:
        """Return the version that was registered last and is not champion; None if there is none."""
        return self._with_alias(name, CHALLENGER)

    def version(self, reference: Reference | str) -> ModelVersion:
        """Return the version of a reference.

        Raises
        ------
        ModelRefusedError
            If there is no such version.
        """
        wanted = Reference.parse(reference) if isinstance(reference, str) else reference
        record = self._find(wanted)
        if record is None:
            raise ModelRefusedError(f"`{wanted}` is not in the registry; `cascade models list` shows what is.")
        return ModelVersion.of(record)

    def register(self, name: str, version_folder: str | Path, decided: str | None = None) -> ModelVersion:
        """Register a folder that `cascade train` wrote, as the challenger.

        The version is created when all its files are complete, and gets its alias last. A folder is registered only
        once, so a process that was killed can be repeated.

        Parameters
        ----------
        name : str
        version_folder : path
        decided : str, optional
            Decision about the version, in a sentence that `cascade models list` shows.

        Raises
        ------
        ModelRefusedError
            If the folder is not a version of a cascade.
        ConfigError
            If the name is not valid in a reference.
        """
        # A name that cannot be parsed again could be registered but never loaded.
        Reference.parse(f"{PREFIX}{name}/1")
        folder = Path(version_folder)
        digest = cascade_digest(folder / MODEL)
        # Without the lock, two processes could both miss the digest and register the same folder twice.
        with locked_registry(self.models):
            record = self._registered(name, digest) or self._created(name, folder, digest, decided)
            # Requested separately: a version that was found by its digest comes without its aliases.
            if self._champion_number(name) != int(record.version):
                with registry_errors("move an alias"):
                    self._client.set_registered_model_alias(name, CHALLENGER, record.version)
        return self.version(Reference(name, None, int(record.version)))

    def promote(self, name: str, version: int, reason: str) -> ModelVersion:
        """Make a version the champion, and keep the previous one in the list of champions.

        Parameters
        ----------
        name : str
        version : int
        reason : str
            Stored with the version.

        Raises
        ------
        ModelRefusedError
            If there is no such version, it is no cascade, or its files are not complete.
        """
        chosen = Reference(name, None, version)
        self._check_files(chosen)
        with locked_registry(self.models), registry_errors("move an alias"):
            current = self._champion_number(name)
            if current != version:
                past = promoted(self.champions(name), current, version)
                # The list before the alias; see `cascade.registry.champions`.
                self._client.set_registered_model_tag(name, CHAMPIONS, json.dumps(past))
                self._move(name, version, reason)
        return self.version(chosen)

    def rollback(self, name: str, reason: str = "rolled back") -> ModelVersion:
        """Make the champion before the current one champion again.

        Raises
        ------
        ModelRefusedError
            If there is no champion, or none before it, or the files of that one are not complete.
        """
        with locked_registry(self.models), registry_errors("move an alias"):
            current = self._champion_number(name)
            known = until_now(self.champions(name), current)
            before = previous(known, current)
            if before is None:
                raise ModelRefusedError(f"{name!r} had no champion before version {current}; promote another one.")
            self._check_files(Reference(name, None, before))
            # Still with the current champion: if the process ends here, the same rollback can be repeated.
            self._client.set_registered_model_tag(name, CHAMPIONS, json.dumps(known))
            self._move(name, before, reason)
        return self.version(Reference(name, None, before))

    def champions(self, name: str) -> list[int]:
        """Return the versions that were champion, oldest first; the last one may be about to become champion."""
        champions: list[int] = json.loads(self._model(name).tags.get(CHAMPIONS, "[]"))
        return champions

    def diff(self, name: str, a: int, b: int) -> list[Difference]:
        """Return the differences of two versions in config, data, rules, package versions and metrics."""
        return differences(*(self.files(Reference(name, None, number)) for number in (a, b)))

    def files(self, reference: Reference | str) -> Path:
        """Return the folder of a version's run: config, report, plots and the MLflow model `model`."""
        version = self.version(reference)
        if not version.run_id:
            raise ModelRefusedError(f"`{version}` is no cascade: another tool registered it; use a version of `train`.")
        return run_folder(self._client, version.run_id)

    def folder(self, reference: Reference | str) -> Path:
        """Return the model folder of a version; the alias is looked up once, so that versions are never mixed."""
        return self.files(reference) / MODEL / DATA

    def _champion_number(self, name: str) -> int | None:
        current = self.champion(name)
        return None if current is None else current.number

    def _move(self, name: str, version: int, reason: str) -> None:
        """Make a version champion; repeating it completes a process that was killed in between."""
        # The alias last: a reader who sees the new champion also sees when and why it was promoted.
        self._client.set_model_version_tag(name, str(version), PROMOTED, iso(time.time()))
        self._client.set_model_version_tag(name, str(version), REASON, reason)
        challenger = self.challenger(name)
        if challenger is not None and challenger.number == version:
            self._client.delete_registered_model_alias(name, CHALLENGER)
        self._client.set_registered_model_alias(name, CHAMPION, str(version))

    def _check_files(self, reference: Reference) -> None:
        """Raise unless a version has the complete files of the cascade that was registered."""
        version = self.version(reference)
        folder = self.folder(reference)
        # Reads every file and compares its digest, so that no alias ever points to a damaged model.
        digest = cascade_digest(folder)
        if digest != version.sha256:
            raise ModelRefusedError(f"`{folder}` is not the model that was registered as `{version}`; restore it.")

    def _with_alias(self, name: str, alias: str) -> ModelVersion | None:
        record = self._find(Reference(name, alias, None))
        return None if record is None else ModelVersion.of(record)

    def _find(self, wanted: Reference) -> Any:
        """Return MLflow's record of a version; None if model, alias or version do not exist."""
        number = None if wanted.version is None else str(wanted.version)
        if wanted.alias is not None:
            # Read from the model: MLflow reports an unknown alias by the code of any invalid parameter.
            model = self._found_model(wanted.name)
            number = None if model is None else model.aliases.get(wanted.alias)
        if number is None:
            return None
        return self._unless_missing(f"find `{wanted}`", lambda: self._client.get_model_version(wanted.name, number))

    def _found_model(self, name: str) -> Any:
        return self._unless_missing(f"find {name!r}", lambda: self._client.get_registered_model(name))

    def _model(self, name: str) -> Any:
        model = self._found_model(name)
        if model is None:
            raise ModelRefusedError(f"{name!r} is not in the registry; `cascade models list` shows what is.")
        return model

    def _unless_missing(self, what: str, request: Callable[[], Any]) -> Any:
        """Return the result of a request; None if the resource does not exist, which only one error code means."""
        from mlflow.exceptions import MlflowException

        with registry_errors(what):
            try:
                return request()
            except MlflowException as error:
                if error.error_code == MISSING:
                    return None
                raise

    def _registered(self, name: str, digest: str) -> Any:
        with registry_errors("search its versions"):
            records = self._client.search_model_versions(f"name = '{name}' and tags.`{SHA256}` = '{digest}'")
        return records[0] if records else None

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
            # A run of an interrupted registration is completed instead of leaving it behind.
            runs = self._client.search_runs([experiment], f"tags.`{SHA256}` = '{digest}'")
            run = runs[0] if runs else self._client.create_run(experiment, tags={SHA256: digest}, run_name=folder.name)
            if run.info.status != "FINISHED":
                log_version(self._client, run.info.run_id, folder)
                # On disk before the run counts as finished; a server takes care of its own storage.
                place = local_path(run.info.artifact_uri)
                if place is not None:
                    sync_tree(place)
                self._client.set_terminated(run.info.run_id)
        return run

    def _experiment(self, name: str) -> str:
        experiment = self._client.get_experiment_by_name(name)
        if experiment is not None:
            identifier: str = experiment.experiment_id
            return identifier
        created: str = self._client.create_experiment(name, artifact_place(self.models, name))
        return created


def _all_pages(request: Callable[[str | None], Any]) -> list[Any]:
    """Return what all pages of a listing have; `request` takes the token of a page, None for the first one."""
    found, token = [], None
    while True:
        page = request(token)
        found += page
        token = page.token
        if not token:
            return found


def cascade_digest(model: Path) -> str:
    """Return the digest of a cascade's folder, whose files are checked.

    Raises
    ------
    ModelRefusedError
        If it is damaged, or another model.
    """
    body = read_manifest(model)
    if "rules" not in body:
        raise ModelRefusedError(
            f"`{model}` holds a many-label model, which the registry does not serve; use its folder."
        )
    digest: str = body["sha256"]
    return digest
