"""Set the process's standard error aside while native code is started that no log level keeps quiet."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from threading import RLock

_ONE_AT_A_TIME = RLock()
"""Two at once would each take the other's file for the standard error."""


@contextmanager
def quiet_stderr() -> Iterator[None]:
    """Keep what is written to standard error in the block, and show it only if the block fails."""
    with _ONE_AT_A_TIME, tempfile.TemporaryFile() as said:
        yield from _diverted(said.fileno())


def _diverted(said: int) -> Iterator[None]:
    sys.stderr.flush()
    kept = os.dup(2)
    os.dup2(said, 2)
    try:
        yield
    except ModuleNotFoundError:
        raise
    except BaseException:
        os.lseek(said, 0, os.SEEK_SET)
        os.write(kept, os.read(said, 2**20))
        raise
    finally:
        os.dup2(kept, 2)
        os.close(kept)
