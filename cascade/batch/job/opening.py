"""Open the output of a job, wherever it is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from cascade.batch.job.folder_output import locked
from cascade.batch.job.output import Output
from cascade.batch.job.store_output import leased
from cascade.utils.address import Address, Place


@contextmanager
def opened_output(place: Place) -> Iterator[Output]:
    """Hold the right to write a job's output.

    Parameters
    ----------
    place : path or address

    Raises
    ------
    BusyError
        If another job writes there.
    ConfigError
        If it is a file or holds something else.
    """
    with leased(place) if isinstance(place, Address) else locked(place) as output:
        yield output
