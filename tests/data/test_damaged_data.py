"""Damaged files of every kind end in a sentence or in rows, the same whole and in parts."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_damaged_files_end_in_a_sentence_or_in_rows() -> None:
    command = [sys.executable, "benchmarks/damaged_data.py", "--files", "120", "--seed", "7"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "120 files, 0 wrong" in done.stdout
    # Of each kind, some files are still valid and some are not: the damage is neither too small nor too large.
    for line in done.stdout.splitlines()[:6]:
        assert "valid" in line, line
        assert "refused" in line, line
