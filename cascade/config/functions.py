"""Functions that a config names as module:function; their modules are imported when they are needed."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cascade.config.schema import RunConfig
from cascade.errors import ConfigError
from cascade.estimators.network_names import NAMES


def import_function(name: str) -> Callable[..., Any]:
    """Import a function by module:function, also from the working folder.

    Raises
    ------
    ConfigError
        If there is no such function, or its module cannot be imported.
    """
    module, _, function = name.partition(":")
    with _working_folder():
        try:
            found = getattr(importlib.import_module(module), function)
        # The module is a user's code, which may fail with any error.
        except Exception as error:
            kind = type(error).__name__
            raise ConfigError(
                f"`network` must be a function that can be imported, {name!r} cannot: {kind}: {error}."
            ) from error
    if not callable(found):
        raise ConfigError(f"`network` must be a function, and {name!r} is none. Received {type(found).__name__}.")
    return found  # type: ignore[no-any-return]


def function_sources(config: RunConfig) -> dict[str, str | None]:
    """Return the digest of the module of each function that a config names, by the function's name."""
    names = [model.network for model in config.networks()]
    return {name: _source(name.partition(":")[0]) for name in names if name is not None and name not in NAMES}


def _source(module: str) -> str | None:
    with _working_folder():
        try:
            spec = importlib.util.find_spec(module)
        except (ImportError, ValueError):
            return None
    if spec is None or spec.origin is None or not Path(spec.origin).is_file():
        return None
    return hashlib.sha256(Path(spec.origin).read_bytes()).hexdigest()


@contextmanager
def _working_folder() -> Iterator[None]:
    """Look for modules in the working folder too, as `python -m` does; the command has the folder of its script."""
    folder = os.getcwd()
    sys.path.insert(0, folder)
    try:
        yield
    finally:
        sys.path.remove(folder)
