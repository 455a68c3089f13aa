"""Work in threads, with few results or items held at a time."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

T = TypeVar("T")
END: Any = object()


def ahead(items: Iterator[T]) -> Iterator[T]:
    """Make the next item, in a thread of its own, while the last one is used."""
    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(next, items, END)
        while (item := coming.result()) is not END:
            coming = pool.submit(next, items, END)
            yield item


def in_threads(work: Callable[[T], object], items: Iterable[T], threads: int) -> None:
    """Do `work` on each item, on so many at the same time; items are asked for as they are needed.

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
            if len(waiting) > 2 * threads:
                waiting.popleft().result()
        for one in waiting:
            one.result()


def usable_cores() -> int:
    """Count them."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
