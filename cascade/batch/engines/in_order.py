"""Shards made by many at once, handed out in the order of their numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from cascade.batch.engines.worker import Outcome
from cascade.batch.job.shard import Written
from cascade.errors import CascadeError

AHEAD = 4
"""Shards for each worker that may be made or wait for their turn: what a driver's end loses, at most."""

PATIENCE = 10.0
"""Seconds."""


class OrderedShards:
    """Shards under way.

    Parameters
    ----------
    ray : module
    launch : callable
        Begins a shard by number; returns the reference of its outcome.
    numbers : range
    workers : int
        Most shards that are made at the same time.
    """

    def __init__(self, ray: Any, launch: Callable[[int], Any], numbers: range, workers: int) -> None:
        self.ray, self.launch, self.workers = ray, launch, workers
        self.numbers, self.begun = numbers, iter(numbers)
        self.flying: dict[Any, int] = {}
        self.landed: dict[int, Outcome] = {}

    def __iter__(self) -> Iterator[Written]:
        """Yield each shard at its turn, or raise what went wrong with it."""
        for number in self.numbers:
            self._fill()
            while number not in self.landed:
                self._land()
                self._fill()
            outcome = self.landed.pop(number)
            if isinstance(outcome, Exception):
                raise outcome
            yield outcome

    def _fill(self) -> None:
        room = min(self.workers, AHEAD * self.workers - len(self.landed)) - len(self.flying)
        for _, number in zip(range(room), self.begun, strict=False):
            self.flying[self.launch(number)] = number

    def _land(self) -> None:
        ready, _ = self.ray.wait(list(self.flying))
        for reference in ready:
            number = self.flying.pop(reference)
            self.landed[number] = self._outcome(reference, number)

    def _outcome(self, reference: Any, number: int) -> Outcome:
        try:
            outcome: Outcome = self.ray.get(reference)
        except self.ray.exceptions.RayTaskError:
            raise
        except self.ray.exceptions.RayError as error:
            reason = str(error).splitlines()[0]
            raise CascadeError(f"shard {number} lost its worker too often ({reason}); start again to go on.") from error
        return outcome

    def cancel(self) -> None:
        """Stop what is under way, and wait until it has, so that nobody writes any more."""
        for reference in self.flying:
            self.ray.cancel(reference, force=True)
        if self.flying:
            self.ray.wait(list(self.flying), num_returns=len(self.flying), timeout=PATIENCE)
