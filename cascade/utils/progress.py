"""Progress of long steps, reported to a listener where there is one: the library prints nothing itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from typing import TypeVar

T = TypeVar("T")
Advance = Callable[[int], object]
"""Called with the number of units done since the last call."""
Listener = Callable[[str, int | None, str], AbstractContextManager[Advance]]
"""Called with the name of a step, its number of units, if known, and what they are; it lasts as long as the context."""

_listener: ContextVar[Listener | None] = ContextVar("listener", default=None)


@contextmanager
def reported_to(listener: Listener) -> Iterator[None]:
    """Report the steps of the block to a listener, in this thread."""
    # Other threads do not see it: steps that run at the same time would be shown as parts of each other.
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)


@contextmanager
def step(name: str, total: int | None, unit: str) -> Iterator[Advance]:
    """Begin a step of some units; yield the function that reports how many more are done.

    Examples
    --------
    >>> @contextmanager
    ... def listener(name, total, unit):
    ...     yield lambda count: print(f"{name}: {count} more of {total} {unit}")
    >>> with reported_to(listener), step("calibration", 80, "rows") as advance:
    ...     advance(30)
    calibration: 30 more of 80 rows
    """
    listener = _listener.get()
    if listener is None:
        yield _ignore
        return
    with listener(name, total, unit) as advance:
        yield advance


def counted(items: Iterable[T], name: str, unit: str, total: int | None = None) -> Iterator[T]:
    """Yield items as the units of a step; each is done when the next one is taken.

    Parameters
    ----------
    items : iterable
    name, unit : str
    total : int, optional
        Number of items, if they have no length.
    """
    with step(name, len(items) if isinstance(items, Sequence) else total, unit) as advance:
        for item in items:
            yield item
            advance(1)


def _ignore(count: int) -> None:
    """Do nothing."""
