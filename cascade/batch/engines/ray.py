"""The engine that computes shards on the machines of a Ray cluster."""

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
from cascade.batch.folder import clear_workers
from cascade.batch.job.shard import Written
from cascade.errors import MissingExtraError

RETRIES = 5
"""Restarts of a shard whose worker died: enough for lost machines, bounded for a shard that kills its worker."""


class RayEngine:
    """Compute each shard as a Ray task, which reads its own rows; a worker process keeps the model for its next shard.

    Tasks, not actors: an actor whose machine is lost keeps its shard until another machine has room for the actor. A
    task is restarted on any free processor, including those of machines that join later.

    Parameters
    ----------
    opener : Opener
        Open input and model in each worker.
    identity : dict of dict
        Identity of the job in this process; workers must have the same.
    workers : int, optional
        Most shards that are computed at the same time; by default as many as the cluster has room for.
    threads : int, optional
        Processors per worker; default 1.
    """

    def __init__(
        self, opener: Opener, identity: dict[str, dict[str, Any]], workers: int | None, threads: int | None
    ) -> None:
        self.ray = import_ray()
        self.opener, self.identity = opener, json.dumps(identity)
        self.workers, self.cpus = workers, threads or 1

    def __call__(self, task: Task) -> Generator[Written, None, None]:
        """Compute the shards of a task whose number of rows is known."""
        # Inputs without a known length, such as CSV, cannot be read from the middle and are refused before.
        assert task.n_rows is not None
        n_shards = -(-task.n_rows // task.shard_rows)
        with _connected(self.ray):
            shards = self._shards(task, range(task.first, n_shards))
            try:
                yield from shards
            # Cancel before clearing: a running worker would otherwise write while its folder is removed.
            finally:
                shards.cancel()
                clear_workers(task.folder)

    def _shards(self, task: Task, numbers: range) -> OrderedShards:
        # Workers have other working directories, so a relative path would mean another folder there.
        task = replace(task, folder=task.folder.resolve())
        # Stored once and passed by reference; the random start separates this run from cached workers of earlier ones.
        order = self.ray.put(Order(task, self.opener, self.identity, uuid4().hex))
        write = self.ray.remote(outcome_of).options(num_cpus=self.cpus, max_retries=RETRIES)
        room = int(self.ray.cluster_resources().get("CPU", 0)) // self.cpus
        return OrderedShards(
            self.ray, lambda number: write.remote(order, number), numbers, self.workers or max(1, room)
        )


def import_ray() -> Any:
    """Import Ray, or raise an error that names the extra to install."""
    try:
        import ray
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            f'`--engine ray` needs {error.name}, which is not installed; run pip install "cascade-multilabel[ray]".'
        ) from error
    return ray


@contextmanager
def _connected(ray: Any) -> Iterator[None]:
    """Connect to the cluster of RAY_ADDRESS, or start one on this machine; keep an existing connection open."""
    if ray.is_initialized():
        yield
        return
    ray.init(include_dashboard=False, log_to_driver=False, logging_level=logging.WARNING)
    try:
        yield
    finally:
        ray.shutdown()
