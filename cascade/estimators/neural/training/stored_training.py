"""State of a training after each epoch, from which a later start continues to the same weights, bit for bit."""

from __future__ import annotations

import hashlib
import json
import logging
import random
import zipfile
from pathlib import Path
from typing import Any

import keras
import numpy as np
from scipy import sparse

from cascade.data.rows import RowView
from cascade.estimators.neural.batches import IndexedBatches
from cascade.utils.atomic import new_file
from cascade.utils.types import Rows

logger = logging.getLogger("cascade.training")

STOPPING = ("wait", "best", "best_epoch", "stopped_epoch")
"""Attributes of early stopping besides its best weights."""
NETWORK, OPTIMISER, BEST = "network", "optimiser", "best"
"""Groups of arrays in a file."""

Arrays = list[np.ndarray[Any, Any]]


class StoredTraining(keras.callbacks.Callback):  # type: ignore[misc]
    """Store the state of a training after each epoch, and restore it where a training begins.

    The state is that of the network with its random generators, of the optimiser, of early stopping, and of Python's
    random generator, with which Keras shuffles the batches. The order of the rows needs no state, as it depends on the
    seed and the number of the epoch only.

    Parameters
    ----------
    path : path
        File of the state.
    key : str
        Key of what is trained; a state with another key is not used.
    stop : keras.callbacks.EarlyStopping, optional
        It has to come before this callback.
    """

    def __init__(self, path: Path, key: str, stop: keras.callbacks.EarlyStopping | None) -> None:
        super().__init__()
        self.path, self.key, self.stop = path, key, stop
        self.facts, self.arrays = self._read()

    @property
    def epoch(self) -> int:
        """Number of epochs that were finished before."""
        return int(self.facts.get("epoch", 0))

    @property
    def needs_no_epoch(self) -> bool:
        """Whether early stopping had ended the training."""
        return bool(self.facts.get("has_stopped", False))

    @property
    def is_finished(self) -> bool:
        """Whether the training had ended, with its final weights."""
        return bool(self.facts.get("is_finished", False))

    def restore(self, network: keras.Model) -> None:
        """Set the variables of a network to those that are stored."""
        _assign(network.variables, self.arrays[NETWORK])

    def on_train_begin(self, logs: Any = None) -> None:
        """Restore the state of an earlier start."""
        if not self.epoch:
            return
        self.restore(self.model)
        _assign(self.model.optimizer.variables, self.arrays[OPTIMISER])
        version, numbers, spare = self.facts["random"]
        random.setstate((version, tuple(numbers), spare))
        if self.stop is not None:
            # Early stopping has begun anew just before.
            for name in STOPPING:
                setattr(self.stop, name, self.facts[name])
            self.stop.best_weights = self.arrays[BEST] or None
        # Not needed any more, and as large as the network.
        self.arrays = {}

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Store the state."""
        facts: dict[str, Any] = {"epoch": epoch + 1, "has_stopped": bool(self.model.stop_training)}
        facts["random"] = random.getstate()
        best: Arrays = []
        if self.stop is not None:
            facts |= {name: getattr(self.stop, name) for name in STOPPING}
            best = self.stop.best_weights or []
        self._write(facts, {OPTIMISER: _values(self.model.optimizer.variables), BEST: best}, self.model)

    def finish(self, network: keras.Model) -> None:
        """Store the final weights alone."""
        self._write({"is_finished": True}, {}, network)

    def _write(self, facts: dict[str, Any], arrays: dict[str, Arrays], network: keras.Model) -> None:
        arrays = {NETWORK: _values(network.variables), **arrays}
        named = {
            f"{group}-{number:05d}": value for group, values in arrays.items() for number, value in enumerate(values)
        }
        # Written to another file, synced and renamed: a state is complete, or it is the one before.
        with new_file(self.path) as temporary, temporary.open("wb") as handle:
            np.savez(handle, allow_pickle=False, facts=np.array(json.dumps({"key": self.key, **facts})), **named)

    def _read(self) -> tuple[dict[str, Any], dict[str, Arrays]]:
        """Return facts and arrays; empty without a state of this training."""
        try:
            # Opened here: NumPy leaves a file open that is no archive.
            with self.path.open("rb") as handle, np.load(handle, allow_pickle=False) as stored:
                facts = json.loads(str(stored["facts"]))
                if facts["key"] != self.key:
                    return {}, {}
                names = sorted(set(stored.files) - {"facts"})
                return facts, {
                    group: [stored[name] for name in names if name.rpartition("-")[0] == group]
                    for group in (NETWORK, OPTIMISER, BEST)
                }
        except FileNotFoundError:
            return {}, {}
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            logger.warning("the state of a training in `%s` cannot be read, it begins again: %s", self.path, error)
            return {}, {}


def training_key(network: keras.Model, *batches: IndexedBatches | None, options: list[Any]) -> str:
    """Return a key of what a training depends on: network, numbers of rows, labels and options.

    The features of a run are the same for all of its trainings, except for tables, which encoders may make. Only these
    are read, since images may be files.

    Parameters
    ----------
    network : keras.Model
        Before the training.
    *batches : IndexedBatches or None
        In the first epoch.
    options : list
        Plain data.
    """
    digest = hashlib.sha256(json.dumps(options, sort_keys=True).encode())
    for value in _values(network.variables):
        digest.update(f"{value.shape} {value.dtype}".encode() + value.tobytes())
    for each in batches:
        if each is None:
            digest.update(b"none")
            continue
        digest.update(f"{each.batch_size} {each.seed} {each.X.shape}".encode())
        for part in (*_viewed(each.X), _source(each.X), each.rows, each.order, each.target, each.weight):
            _update(digest, part)
    return digest.hexdigest()


def _viewed(X: Any) -> list[Rows]:
    """Return the numbers of the rows that views select, from the outermost view on."""
    numbers = []
    while isinstance(X, RowView):
        numbers.append(X.rows)
        X = X.X
    return numbers


def _source(X: Any) -> Any:
    """Return the matrix that views select from, if it is one in memory."""
    while isinstance(X, RowView):
        X = X.X
    return X if sparse.issparse(X) or (isinstance(X, np.ndarray) and X.ndim == 2) else None


def _update(digest: Any, part: Any) -> None:
    if sparse.issparse(part):
        for array in (part.data, part.indices, part.indptr):
            digest.update(np.ascontiguousarray(array).tobytes())
    else:
        digest.update(b"none" if part is None else np.ascontiguousarray(part).tobytes())


def _values(variables: Any) -> Arrays:
    return [keras.ops.convert_to_numpy(variable) for variable in variables]


def _assign(variables: Any, values: Arrays) -> None:
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)
