"""Shards made by the machines of a Ray cluster."""

from __future__ import annotations

import json
import logging
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any
from uuid import uuid4

from cascade.batch.engines.engine import Task
from cascade.batch.engines.in_order import OrderedShards
from cascade.batch.engines.worker import Opener, Order, outcome_of
from cascade.batch.folder import clear_temporary
from cascade.batch.job.shard import Written
from cascade.errors import MissingExtraError

RETRIES = 5
"""Times that a shard is begun again after its worker died: a machine may go, but a shard that kills must end."""


class RayEngine:
    """Each shard is a Ray task, which reads its own rows; the model stays in the worker process that ran it.

    Tasks, not actors: an actor whose machine is gone holds on to its shard until there is room for it again, while a
    task goes to whatever processor is free, also on a machine that came later.

    Parameters
    ----------
    opener : Opener
        Opens input and model in each worker.
    identity : dict of dict
        What opening finds here, and must find there.
    workers : int, optional
        Most shards that are made at the same time; default as many as the cluster has room for.
    threads : int, optional
        Processors that a worker takes; default 1.
    """

    def __init__(
        self, opener: Opener, identity: dict[str, dict[str, Any]], workers: int | None, threads: int | None
    ) -> None:
        self.ray = import_ray()
        self.opener, self.identity = opener, json.dumps(identity)
        self.workers, self.cpus = workers, threads or 1

    def __call__(self, task: Task) -> Generator[Written, None, None]:
        """Make the shards of a task whose number of rows is known."""
        assert task.n_rows is not None
        n_shards = -(-task.n_rows // task.shard_rows)
        with _connected(self.ray):
            shards = self._shards(task, range(task.first, n_shards))
            try:
                yield from shards
            finally:
                shards.cancel()
                clear_temporary(task.folder)

    def _shards(self, task: Task, numbers: range) -> OrderedShards:
        task = replace(task, folder=task.folder.resolve())
        order = self.ray.put(Order(task, self.opener, self.identity, uuid4().hex))
        write = self.ray.remote(outcome_of).options(num_cpus=self.cpus, max_retries=RETRIES)
        room = int(self.ray.cluster_resources().get("CPU", 0)) // self.cpus
        return OrderedShards(
            self.ray, lambda number: write.remote(order, number), numbers, self.workers or max(1, room)
        )


def import_ray() -> Any:
    """Import Ray, or say what brings it."""
    try:
        import ray
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            f'`--engine ray` needs {error.name}, which is not installed; run pip install "cascade-multilabel[ray]".'
        ) from error
    return ray


@contextmanager
def _connected(ray: Any) -> Iterator[None]:
    """Join the cluster that RAY_ADDRESS names, or start one of this machine; leave a joined one as it is."""
    if ray.is_initialized():
        yield
        return
    ray.init(include_dashboard=False, log_to_driver=False, logging_level=logging.WARNING)
    try:
        yield
    finally:
        ray.shutdown()
