"""Shards that several workers compute at once, returned in the order of their numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from cascade.batch.engines.worker import Outcome
from cascade.batch.job.shard import Written
from cascade.errors import CascadeError

AHEAD = 4
"""Shards per worker that may be running or finished early: the most work that is lost when the driver ends."""

PATIENCE = 10.0
"""Seconds to wait for canceled tasks."""


class OrderedShards:
    """Shards that are computed at the same time and yielded in order.

    Parameters
    ----------
    ray : module
    launch : callable
        Start a shard by number; return the reference of its outcome.
    numbers : range
    workers : int
        Most shards that are computed at the same time.
    """

    def __init__(self, ray: Any, launch: Callable[[int], Any], numbers: range, workers: int) -> None:
        self.ray, self.launch, self.workers = ray, launch, workers
        self.numbers, self.to_start = numbers, iter(numbers)
        self.pending: dict[Any, int] = {}
        self.finished: dict[int, Outcome] = {}

    def __iter__(self) -> Iterator[Written]:
        """Yield each shard in turn, or raise its error."""
        for number in self.numbers:
            self._start()
            while number not in self.finished:
                self._collect()
                # A worker that has just become free gets its next shard before this loop waits again.
                self._start()
            outcome = self.finished.pop(number)
            # Raised only in turn: a job then stops at the same shard as with the local engine.
            if isinstance(outcome, Exception):
                raise outcome
            yield outcome

    def _start(self) -> None:
        # The second bound limits finished shards that wait behind a slow one: each of them occupies disk space, and
        # is lost if the driver ends.
        room = min(self.workers, AHEAD * self.workers - len(self.finished)) - len(self.pending)
        # `range` comes first: `zip` stops at its end before it takes a number that would not be started.
        for _, number in zip(range(room), self.to_start, strict=False):
            self.pending[self.launch(number)] = number

    def _collect(self) -> None:
        ready, _ = self.ray.wait(list(self.pending))
        for reference in ready:
            number = self.pending.pop(reference)
            self.finished[number] = self._outcome(reference, number)

    def _outcome(self, reference: Any, number: int) -> Outcome:
        try:
            outcome: Outcome = self.ray.get(reference)
        # An exception of the task itself is a bug and keeps its traceback; expected errors are returned as values.
        except self.ray.exceptions.RayTaskError:
            raise
        except self.ray.exceptions.RayError as error:
            reason = str(error).splitlines()[0]
            raise CascadeError(f"shard {number} lost its worker too often ({reason}); run the job again.") from error
        return outcome

    def cancel(self) -> None:
        """Cancel pending shards and wait for their end, so that no worker writes any more."""
        for reference in self.pending:
            self.ray.cancel(reference, force=True)
        if self.pending:
            self.ray.wait(list(self.pending), num_returns=len(self.pending), timeout=PATIENCE)
