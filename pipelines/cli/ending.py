"""How a command ends: an exit status, and for an error one sentence, or one JSON object for programs."""

from __future__ import annotations

import json
import signal
import sys
import threading
from collections.abc import Callable
from types import FrameType
from typing import NoReturn

import typer

from cascade.errors import CascadeError

USAGE = 2
INTERRUPTED = 130
"""Exit status after Ctrl-C."""
TERMINATED = 143
"""Exit status after SIGTERM: 128 and the number of the signal, as shells report it."""
RESUMES = "a batch job, a retraining or a search resumes when it is started again."


def run_to_end(command: Callable[..., object]) -> NoReturn:
    """Run the command line, and end the process with its exit status.

    An error is one sentence on standard error. With `--json` it is also one JSON object on standard output, with
    `error`, `kind` and `status`, so that a program that parses standard output never finds it empty.
    """
    as_json = "--json" in sys.argv[1:]
    # Python runs handlers in the main thread only.
    handled = threading.current_thread() is threading.main_thread()
    before = signal.signal(signal.SIGTERM, _terminate) if handled else None
    try:
        # In standalone mode typer prints errors of usage itself, and they could not become JSON.
        status = command(standalone_mode=not as_json)
        sys.exit(status if isinstance(status, int) else 0)
    except SystemExit as ended:
        if ended.code == INTERRUPTED:
            _end(f"interrupted; {RESUMES}", "Interrupted", INTERRUPTED, as_json)
        if ended.code == TERMINATED:
            _end(f"terminated; {RESUMES}", "Terminated", TERMINATED, as_json)
        raise
    except CascadeError as error:
        _end(str(error), type(error).__name__, error.exit_status, as_json)
    # A full disk or a missing permission is no bug; some of these errors have no text or no file.
    except OSError as error:
        place = f": {error.filename}" if error.filename else ""
        _end(f"{error.strerror or error}{place}", type(error).__name__, 1, as_json)
    except Exception as error:
        # Typer has its own copy of click's classes, so an error of usage is recognised by what it can do.
        message = getattr(error, "format_message", None)
        # Any other exception is a bug and keeps its traceback.
        if message is None:
            raise
        _end(message(), "UsageError", USAGE, as_json)
    finally:
        if handled:
            signal.signal(signal.SIGTERM, before)


def _terminate(_signal: int, _frame: FrameType | None) -> NoReturn:
    # A second signal ends the process at once, for example while this one waits for a thread.
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    # As an exception: blocks that remove temporary files and release locks are left in order.
    raise SystemExit(TERMINATED)


def _end(sentence: str, kind: str, status: int, as_json: bool) -> NoReturn:
    # A progress bar has left the cursor within its line.
    line = "\n" if status in (INTERRUPTED, TERMINATED) else ""
    typer.echo(f"{line}cascade: {sentence}", err=True)
    if as_json:
        typer.echo(json.dumps({"error": sentence, "kind": kind, "status": status}))
    sys.exit(status)
