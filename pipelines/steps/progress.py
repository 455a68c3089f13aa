"""Progress on standard error, so that standard output stays for results."""

from __future__ import annotations

import logging
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tqdm import tqdm


class StageBars:
    """One bar for each stage of a prediction, made when the stage begins."""

    def __init__(self) -> None:
        self.bars: dict[str, tqdm[None]] = {}

    def __call__(self, stage: str, done: int, total: int) -> None:
        """Move the bar of `stage` to `done` of `total` rows."""
        if stage not in self.bars:
            self.bars[stage] = tqdm(total=total, desc=stage, unit=" rows", file=sys.stderr, mininterval=0.5)
        shown = self.bars[stage]
        shown.update(done - shown.n)
        if done == total:
            shown.close()


class JobBar:
    """One bar over all rows of a job, with the rate of this start, the time left and the stage at hand."""

    def __init__(self) -> None:
        self.bar: tqdm[None] | None = None

    def begin(self, done: int, total: int | None) -> None:
        """Show the bar, at the rows that are done already."""
        self.bar = tqdm(total=total, initial=done, unit=" rows", file=sys.stderr, mininterval=0.5)

    def stage(self, stage: str, done: int, total: int) -> None:
        """Show how far a stage is with its rows of the shard."""
        assert self.bar is not None
        self.bar.set_postfix_str(f"{stage} {done}/{total}", refresh=False)
        self.bar.update(0)

    def advance(self, rows: int) -> None:
        """Move on by rows that are done."""
        assert self.bar is not None
        self.bar.update(rows)

    def close(self) -> None:
        """Leave the bar as it is, and begin a new line."""
        if self.bar is not None:
            self.bar.close()


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
    warnings.showwarning = _show_warning


def _show_warning(message: Warning | str, *place: object, **more: object) -> None:
    """A warning as a line for users, without the place in the code."""
    logging.getLogger("cascade").warning("warning: %s", message)
