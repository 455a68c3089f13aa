"""Progress on standard error, so that standard output has results only; bars are drawn on a terminal alone."""

from __future__ import annotations

import logging
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from tqdm import tqdm

from cascade.utils.progress import Advance, reported_to


def _bar(name: str | None, total: int | None, unit: str, done: int = 0, **options: Any) -> tqdm[None]:
    """Return a bar with rate and time left, which is not drawn where standard error is a file or a pipe."""
    # Every update is looked at: with tqdm's own guess of how many to skip, a bar stops where the rate falls.
    return tqdm(
        total=total,
        desc=name,
        unit=f" {unit}",
        initial=done,
        file=sys.stderr,
        mininterval=0.5,
        miniters=1,
        disable=None,
        dynamic_ncols=True,
        **options,
    )


@contextmanager
def step_bars() -> Iterator[None]:
    """Show a bar for each long step of the library in the block, below those of the steps that it is a part of."""
    with reported_to(_step_bar):
        yield


@contextmanager
def _step_bar(name: str, total: int | None, unit: str) -> Iterator[Advance]:
    # A finished step has its line in the log; one of less than a second is not shown at all.
    with _bar(name, total, unit, leave=False, delay=1.0) as shown:
        yield shown.update


class StageBars:
    """One progress bar per stage of a prediction, shown when the stage begins."""

    def __init__(self) -> None:
        self.bars: dict[str, tqdm[None]] = {}

    def __call__(self, stage: str, done: int, total: int) -> None:
        """Move the bar of `stage` to `done` of `total` rows."""
        if stage not in self.bars:
            self.bars[stage] = _bar(stage, total, "rows")
        shown = self.bars[stage]
        # Stages report the rows done in all, tqdm takes the rows since its last update.
        shown.update(done - shown.n)
        if done == total:
            shown.close()


class JobBar:
    """One progress bar over all rows of a job, with the rate of this start, the time left and the current stage."""

    def __init__(self) -> None:
        self.bar: tqdm[None] | None = None

    def begin(self, done: int, total: int | None) -> None:
        """Show the bar, starting at the rows that are done already."""
        # `initial` keeps the rows of earlier starts out of the rate, and so of the time left.
        self.bar = _bar(None, total, "rows", done)

    def stage(self, stage: str, done: int, total: int) -> None:
        """Show the progress of a stage within the current shard."""
        assert self.bar is not None
        # Drawn by `update`, which keeps to `mininterval`; a refresh on every call would slow the job down.
        self.bar.set_postfix_str(f"{stage} {done}/{total}", refresh=False)
        self.bar.update(0)

    def advance(self, rows: int) -> None:
        """Advance the bar by rows that are done."""
        assert self.bar is not None
        self.bar.update(rows)

    def close(self) -> None:
        """Leave the bar unchanged, and begin a new line."""
        if self.bar is not None:
            self.bar.close()


@contextmanager
def bar(total: int, unit: str) -> Iterator[Callable[[int], object]]:
    """Show a progress bar with rate and time left; yield the function that advances it."""
    with _bar(None, total, unit) as shown:
        yield shown.update


def show_log(quiet: bool = False, only: Sequence[str] = ()) -> None:
    """Send the library's progress lines to standard error.

    Parameters
    ----------
    quiet : bool
        Show warnings only.
    only : sequence of str
        Names of loggers: of all others, show warnings only.
    """
    handler = _AboveBars(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%H:%M:%S"))
    # The library's logger and not the root logger, so that messages of other packages are not shown.
    logger = logging.getLogger("cascade")
    # Replaced and not added, or a second call would print each line twice.
    logger.handlers = [handler]
    handler.addFilter(_FirstWarnings())
    logger.setLevel(logging.WARNING if quiet or only else logging.INFO)
    for name in only:
        logging.getLogger(name).setLevel(logging.INFO)
    warnings.showwarning = _show_warning


class _AboveBars(logging.StreamHandler[Any]):
    """Write lines above the bars that are shown."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write a line."""
        with tqdm.external_write_mode(file=self.stream):
            super().emit(record)


class _FirstWarnings(logging.Filter):
    """Pass each warning once: fits of many folds and labels give the same one dozens of times."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: set[str] = set()

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether the record is no warning, or the first one with its text."""
        text = record.getMessage()
        is_new = record.levelno < logging.WARNING or text not in self.seen
        if record.levelno >= logging.WARNING:
            self.seen.add(text)
        return is_new


def _show_warning(message: Warning | str, *place: object, **more: object) -> None:
    """Log a warning as one line for users, without its place in the code."""
    logging.getLogger("cascade").warning("warning: %s", message)
