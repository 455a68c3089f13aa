"""The cores that this process may use, which a container or a scheduler may have limited."""

from __future__ import annotations

import os


def usable_cores() -> int:
    """Count them."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
