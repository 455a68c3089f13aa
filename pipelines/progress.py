"""Progress on standard error, so that standard output stays for results."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tqdm import tqdm


@contextmanager
def bar(total: int, unit: str) -> Iterator[Callable[[int], object]]:
    """A bar with rate and time left; yields the function that moves it."""
    with tqdm(total=total, unit=f" {unit}", file=sys.stderr, mininterval=0.5) as shown:
        yield shown.update


def show_log(quiet: bool = False) -> None:
    """Send the library's progress lines to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%H:%M:%S"))
    logger = logging.getLogger("cascade")
    logger.handlers = [handler]
    logger.setLevel(logging.WARNING if quiet else logging.INFO)
