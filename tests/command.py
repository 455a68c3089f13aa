"""The command line in a process of its own; the fixture `run_here` runs it in that of the tests."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

CASCADE = str(Path(sys.executable).with_name("cascade"))

Done = subprocess.CompletedProcess[str]


def run(*arguments: object) -> Done:
    return subprocess.run([CASCADE, *map(str, arguments)], capture_output=True, text=True, check=False)
