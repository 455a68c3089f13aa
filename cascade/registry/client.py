"""The connection to the registry: a team's MLflow server if one is named, else SQLite in the folder of all models."""

from __future__ import annotations

import fcntl
import logging
import os
import re
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlparse

from cascade.errors import CascadeError, ConfigError, MissingExtraError, ModelRefusedError, RegistryError
from cascade.utils.atomic import new_file, new_folder

DATABASE = "mlflow.db"
USER = re.compile(r"://[^\s'\"]*@")
SECRET = re.compile(r"((?:password|passwd|pwd|token|secret|key)=)[^&\s'\"]+", re.IGNORECASE)
ARTIFACTS = "mlflow-artifacts"
LOCK = ".mlflow.lock"


@contextmanager
def registry_errors(what: str) -> Iterator[None]:
    """Turn an error of MLflow, of its database or of its server in the block into one sentence without passwords.

    Raises
    ------
    RegistryError
    """
    try:
        with warnings.catch_warnings():
            # Raised by MLflow 3.17 with SQLAlchemy 2.1; users can do nothing about it.
            warnings.filterwarnings("ignore", "The ``noload`` loader strategy is deprecated", DeprecationWarning)
            yield
    except CascadeError:
        raise
    # MLflow passes on what its database driver, its server or a plugin raises, so the kinds cannot be listed.
    except Exception as error:
        lines = str(error).splitlines()
        sentence = lines[0].rstrip(".") if lines else type(error).__name__
        raise RegistryError(without_passwords(f"the registry could not {what}: {sentence}.")) from error


def without_passwords(text: str) -> str:
    """Return a text with the user names, passwords and tokens of its addresses replaced.

    Examples
    --------
    >>> without_passwords("no answer from postgresql://me:p@ss/word@host/runs?sslmode=on&password=x")
    'no answer from postgresql://***@host/runs?sslmode=on&password=***'
    """
    # Up to the last @ of a word: a password may itself have an unescaped @ or /.
    return SECRET.sub(r"\1***", USER.sub("://***@", text))


def import_mlflow() -> None:
    """Import MLflow with little log output and with its telemetry disabled, unless the user enabled it.

    Raises
    ------
    MissingExtraError
        If MLflow is not installed.
    """
    # Set before the import, during which MLflow reads them; `setdefault` keeps the choice of the user.
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    # Standard output is reserved for results.
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
    # It logs a traceback of each database error, which is also raised and becomes a sentence.
    logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)


def open_client(models: Path, make: bool) -> Any:
    """Connect to the team's server, `MLFLOW_TRACKING_URI`, or to the database in `models`.

    Parameters
    ----------
    models : path
        Folder of all models.
    make : bool
        Whether to create a database if there is none.

    Returns
    -------
    MlflowClient

    Raises
    ------
    MissingExtraError
        If MLflow is not installed.
    RegistryError
        If there is no database and `make` is false, or the server cannot be reached.
    """
    import_mlflow()
    from mlflow import MlflowClient

    address = server()
    if address is not None:
        registry = os.environ.get("MLFLOW_REGISTRY_URI") or None
        with registry_errors(f"be reached at {address}"):
            for uri in (address, registry or address):
                _refuse_absent(uri)
            return MlflowClient(address, registry)
    # Absolute: MLflow opens the database when it is first used, perhaps in another working directory.
    database = models.resolve() / DATABASE
    if not database.exists():
        if not make:
            raise RegistryError(
                f"`{models}` has no registry; register a model first, or name a server in MLFLOW_TRACKING_URI."
            )
        _make_database(database)
    with registry_errors(f"be read from `{database}`"):
        _refuse_absent(_uri(database))
        return MlflowClient(_uri(database), _uri(database))


def _refuse_absent(uri: str) -> None:
    """Raise if an address is a local database or folder that does not exist; MLflow would create an empty one."""
    from sqlalchemy.engine import make_url

    if uri.startswith("sqlite"):
        database = make_url(uri).database
        # Without a path the database is in memory, and lost with the process.
        if not database or database == ":memory:":
            raise RegistryError("MLFLOW_TRACKING_URI must name a database file, as in sqlite:////folder/mlflow.db.")
        path = Path(database)
        if not path.is_file() or not path.stat().st_size:
            state = "is empty" if path.is_file() else "does not exist"
            raise RegistryError(f"the registry's database `{path}` {state}; correct its address, or restore the file.")
    else:
        folder = local_path(uri)
        if folder is not None and not folder.is_dir():
            raise RegistryError(f"the registry's folder `{folder}` does not exist; correct MLFLOW_TRACKING_URI.")


def artifact_place(models: Path, name: str) -> str | None:
    """Return the address for the files of a model's runs; None leaves the choice to the server."""
    return None if server() else (models.resolve() / ARTIFACTS / name).as_uri()


def server() -> str | None:
    """Return the address of the team's MLflow server; None if the registry is in the folder of all models."""
    return os.environ.get("MLFLOW_TRACKING_URI") or None


def is_there(models: Path) -> bool:
    """Return whether there is a registry to read from."""
    return server() is not None or (models / DATABASE).exists()


@contextmanager
def locked_registry(models: Path) -> Iterator[None]:
    """Lock the folder of the registry against other processes of this machine; a server needs no lock."""
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
    # Closing releases the lock, as does the end of the process; the file stays, since removing it would race.
    finally:
        os.close(handle)


def _make_database(database: Path) -> None:
    """Create the tables in a temporary file, since MLflow cannot resume a database that was left half created."""
    from mlflow import MlflowClient

    with _locked(database.parent):
        # Another process may have created it while this one waited for the lock.
        if database.exists():
            return
        # A new name each time: MLflow keeps the connections of a name, even after its file was renamed.
        with tempfile.TemporaryDirectory(prefix=f".{DATABASE}.", dir=database.parent) as folder:
            made = Path(folder) / DATABASE
            # Any query makes MLflow create its tables.
            with new_file(database) as temporary, registry_errors(f"be made in `{database.parent}`"):
                MlflowClient(_uri(made), _uri(made)).search_experiments(max_results=1)
                made.rename(temporary)


def _uri(database: Path) -> str:
    return f"sqlite:///{database}"


def run_folder(client: Any, run_id: str) -> Path:
    """Return the folder of a run's files; files on a server are downloaded once, into the user's cache."""
    with registry_errors("find the run of a version"):
        place = client.get_run(run_id).info.artifact_uri
    local = local_path(place)
    if local is None:
        return _fetched(client, run_id)
    if not local.is_dir():
        raise ModelRefusedError(f"`{local}` must hold a registered model but does not exist; put the files back.")
    return local


def local_path(uri: str) -> Path | None:
    """Return the path of a `file:` address or of a plain path; None for any other address.

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
    if kept.exists():
        return kept
    try:
        with new_folder(kept) as temporary, registry_errors("send the files of a version"):
            client.download_artifacts(run_id, "", str(temporary))
            # An empty folder would be kept, and taken for the version from then on.
            if not any(temporary.iterdir()):
                raise ModelRefusedError(f"the registry has no files of run {run_id}; put them back.")
    # Another process may have completed the folder meanwhile: `new_folder` refuses it at its start, and the rename
    # fails at its end. That folder is then used.
    except (ConfigError, OSError):
        if not kept.is_dir():
            raise
    return kept
