"""Divert standard error while native code starts whose messages no log level suppresses."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from threading import RLock

_ONE_AT_A_TIME = RLock()
"""Of two blocks at a time, one would restore the other's temporary file as standard error."""


@contextmanager
def quiet_stderr() -> Iterator[None]:
    """Capture standard error in the block, and write it out only if the block fails."""
    with _ONE_AT_A_TIME, tempfile.TemporaryFile() as captured:
        yield from _diverted(captured.fileno())


def _diverted(captured: int) -> Iterator[None]:
    # What Python has buffered so far belongs to the real standard error.
    sys.stderr.flush()
    # Native code writes to file descriptor 2, so replacing `sys.stderr` would not be enough.
    kept = os.dup(2)
    os.dup2(captured, 2)
    try:
        yield
    except ModuleNotFoundError:
        # A package that is not installed is an expected error, which its own message explains.
        raise
    except BaseException:
        os.lseek(captured, 0, os.SEEK_SET)
        os.write(kept, os.read(captured, 2**20))
        raise
    finally:
        os.dup2(kept, 2)
        os.close(kept)
