"""Keep the states of a training's networks until its version is published, so that a killed training goes on."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from cascade.config.schema import RunConfig
from cascade.data import Dataset
from cascade.data.readers.cache.cached_files import without_cache
from cascade.data.readers.cache.file_state import file_states
from cascade.data.readers.files import PixelFiles
from cascade.errors import BusyError
from cascade.estimators.resumption import resumable
from cascade.retraining.memory.row_hashes import RowHashes
from cascade.utils.environment import code_version, versions
from cascade.utils.keys import key_of
from cascade.utils.locking import claimed

from .run_data import key_content

logger = logging.getLogger("cascade.pipeline")

HOME = ".train"
"""Folder of states within a model's folder; the dot keeps it out of the list of versions."""


@contextmanager
def resumed(config: RunConfig, data: Dataset, models: Path, fresh: bool) -> Iterator[None]:
    """Let the networks that are trained in the block go on where a killed run ended; remove their states at the end.

    Parameters
    ----------
    config : RunConfig
        Without "auto". A run with another config, other rows, code or packages begins again.
    data : Dataset
    models : path
        Folder of all models.
    fresh : bool
        Whether to begin again in any case.
    """
    if not config.networks():
        # Other estimators keep no states, and hashing the rows would be in vain.
        yield
        return
    folder = (
        models / config.name / HOME / key_of(key_content(config), _rows_key(config, data), code_version(), versions())
    )
    with ExitStack() as stack:
        try:
            stack.enter_context(claimed(folder))
        except BusyError:
            logger.warning("train: another process trains the same model; this one would begin again if it was killed")
            yield
            return
        states = folder / "states"
        if fresh:
            shutil.rmtree(states, ignore_errors=True)
        with resumable(states):
            yield
        # Only where the block ended without an error: until then, a later start needs the states.
        shutil.rmtree(folder, ignore_errors=True)


def _rows_key(config: RunConfig, data: Dataset) -> str:
    """Return a key of the content of all rows; of files, by their sizes and times, so that none has to be decoded."""
    files = without_cache(data.X)
    if isinstance(files, PixelFiles):
        return key_of(file_states(files.paths, config.data.path).tolist(), files.pixel_rule())
    return key_of(RowHashes(data).contents.tolist())
