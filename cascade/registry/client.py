"""The registry's store: a team's MLflow server where one is named, otherwise SQLite in the folder of all models."""

from __future__ import annotations

import fcntl
import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlparse

from cascade.errors import ConfigError, MissingExtraError, ModelRefusedError, RegistryError
from cascade.utils.atomic import new_file, new_folder

DATABASE = "mlflow.db"
ARTIFACTS = "mlflow-artifacts"
LOCK = ".mlflow.lock"


@contextmanager
def registry_errors(what: str) -> Iterator[None]:
    """Turn what MLflow says in the block into one sentence.

    Raises
    ------
    RegistryError
    """
    from mlflow.exceptions import MlflowException

    try:
        with warnings.catch_warnings():
            # MLflow 3.17 with SQLAlchemy 2.1.
            warnings.filterwarnings("ignore", "The ``noload`` loader strategy is deprecated", DeprecationWarning)
            yield
    except MlflowException as error:
        sentence = str(error).splitlines()[0].rstrip(".")
        raise RegistryError(f"the registry could not {what}: {sentence}.") from error


def import_mlflow() -> None:
    """Import MLflow, quietly, and without the use counts that it sends to its makers unless told not to.

    Raises
    ------
    MissingExtraError
        If it is not installed.
    """
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    # Standard output is for results.
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
    try:
        import mlflow
        import sqlalchemy  # noqa: F401
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            f"the registry needs {error.name}, which is not installed; run `pip install cascade-multilabel[registry]`."
        ) from error
    for chatty in (mlflow.__name__, "alembic"):
        logging.getLogger(chatty).setLevel(logging.WARNING)


def open_client(models: Path, make: bool) -> Any:
    """Connect to the team's server, `MLFLOW_TRACKING_URI`, or to the database in `models`.

    Parameters
    ----------
    models : path
        Folder of all models.
    make : bool
        Make a database where there is none.

    Returns
    -------
    MlflowClient

    Raises
    ------
    MissingExtraError
        If MLflow is not installed.
    RegistryError
        If there is no database and none is to be made, or a server cannot be reached.
    """
    import_mlflow()
    from mlflow import MlflowClient

    address = server()
    if address is not None:
        with registry_errors(f"be reached at {address}"):
            return MlflowClient(address, os.environ.get("MLFLOW_REGISTRY_URI"))
    database = models.resolve() / DATABASE
    if not database.exists():
        if not make:
            raise RegistryError(
                f"`{models}` has no registry; register a model first, or name a server in MLFLOW_TRACKING_URI."
            )
        _make_database(database)
    with registry_errors(f"be read from `{database}`"):
        return MlflowClient(_uri(database), _uri(database))


def artifact_place(models: Path, name: str) -> str | None:
    """Where runs of a model keep their files; None leaves it to the server."""
    return None if server() else (models.resolve() / ARTIFACTS / name).as_uri()


def server() -> str | None:
    """Address of the team's MLflow; None where the registry lies in the folder of all models."""
    return os.environ.get("MLFLOW_TRACKING_URI") or None


def is_there(models: Path) -> bool:
    """Whether there is a registry to read from."""
    return server() is not None or (models / DATABASE).exists()


@contextmanager
def locked_registry(models: Path) -> Iterator[None]:
    """Hold the registry's folder against other processes of this machine; a server takes turns by itself."""
    if server() is not None:
        yield
        return
    with _locked(models):
        yield


@contextmanager
def _locked(models: Path) -> Iterator[None]:
    models.mkdir(parents=True, exist_ok=True)
    handle = os.open(models / LOCK, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _make_database(database: Path) -> None:
    """Make the tables aside: MLflow cannot go on where it was killed while it made them."""
    from mlflow import MlflowClient

    with _locked(database.parent):
        # Somebody else may have made it while we waited for our turn.
        if database.exists():
            return
        with new_file(database) as temporary, registry_errors(f"be made in `{database.parent}`"):
            MlflowClient(_uri(temporary), _uri(temporary)).search_experiments(max_results=1)


def _uri(database: Path) -> str:
    return f"sqlite:///{database}"


def run_folder(client: Any, run_id: str) -> Path:
    """Return the folder of a run's files; what lies on a server is fetched whole, once, into the user's cache."""
    with registry_errors("find the run of a version"):
        place = client.get_run(run_id).info.artifact_uri
    local = local_path(place)
    if local is None:
        return _fetched(client, run_id)
    if not local.is_dir():
        raise ModelRefusedError(f"`{local}` should hold a registered model and is gone; put the files back.")
    return local


def local_path(uri: str) -> Path | None:
    """Path of a `file:` address or of a plain path; None for any other place.

    Examples
    --------
    >>> local_path("file:///srv/my%20models/1").name, local_path("s3://bucket/1")
    ('1', None)
    """
    parts = urlparse(uri)
    if parts.scheme not in ("", "file"):
        return None
    return Path(unquote(parts.path))


def _fetched(client: Any, run_id: str) -> Path:
    kept = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "cascade" / run_id
    # Another process may have fetched it meanwhile; what is there is whole.
    with suppress(ConfigError):
        if not kept.exists():
            with new_folder(kept) as temporary, registry_errors("send the files of a version"):
                client.download_artifacts(run_id, "", str(temporary))
    return kept
