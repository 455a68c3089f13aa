"""Work in threads, with few items or results in memory at a time."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

T = TypeVar("T")
END: Any = object()


def ahead(items: Iterator[T]) -> Iterator[T]:
    """Compute the next item in a separate thread while the current one is used."""
    # A sentinel marks the end, since StopIteration must not leave a generator (PEP 479).
    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(next, items, END)
        while (item := coming.result()) is not END:
            # Submitted before the yield: while the caller uses this item, the next one is computed.
            coming = pool.submit(next, items, END)
            yield item


def in_threads(work: Callable[[T], object], items: Iterable[T], threads: int) -> None:
    """Apply `work` to each item in up to `threads` threads; items are consumed lazily.

    Examples
    --------
    >>> squares = {}
    >>> in_threads(lambda number: squares.update({number: number**2}), range(3), 2)
    >>> sorted(squares.items())
    [(0, 0), (1, 1), (2, 4)]
    """
    if threads == 1:
        for item in items:
            work(item)
        return
    waiting: deque[Future[object]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        for item in items:
            waiting.append(pool.submit(work, item))
            # A bounded queue keeps all threads busy without reading all items into memory.
            if len(waiting) > 2 * threads:
                waiting.popleft().result()
        for future in waiting:
            # `result` raises the error of a failed item.
            future.result()


def usable_cores() -> int:
    """Return the number of cores that this process may use."""
    # Affinity may allow fewer cores than the machine has; not every system reports it.
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
