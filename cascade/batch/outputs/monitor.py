"""`_monitor.json`: what a job's rows and answers looked like, and how far that is from the training's."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from cascade.batch.folder import MONITOR
from cascade.batch.outputs.tally import Tally, Tallying
from cascade.drift.compare import compare_profiles
from cascade.utils.atomic import new_file

PROTOCOL = 1
NO_PROFILE = "no profile"
"""Status where the model keeps nothing of its training to compare with."""


def monitored(tallying: Tallying, tally: Tally, rejected: int) -> dict[str, Any]:
    """What is written: counts, and the comparison where the model keeps a profile.

    Returns
    -------
    dict
        `protocol`, `status` (none, moderate, large, or no profile), `rows`, `rejected`, `past_gate`, `labels` (rows
        with each), and `drift` and `profile`, or None.
    """
    told: dict[str, Any] = {
        "protocol": PROTOCOL,
        "status": NO_PROFILE,
        "rows": tally.rows,
        "rejected": rejected,
        "past_gate": tally.past_gate,
        "labels": dict(zip(tallying.labels, tally.predicted, strict=True)),
        "drift": None,
        "profile": None,
    }
    if tallying.profile is None:
        return told
    current = tallying.profile_of(tally)
    report = compare_profiles(tallying.profile, current)
    return told | {"status": report.verdict, "drift": report.to_json(), "profile": current.to_json()}


def write_monitor(folder: Path, told: dict[str, Any]) -> None:
    """Put it into the job's folder, in the place of an earlier one."""
    with new_file(folder / MONITOR) as temporary:
        temporary.write_text(json.dumps(told, indent=1, allow_nan=False) + "\n", encoding="utf-8")


def status_of(folder: Path) -> dict[str, Any]:
    """What a summary tells of a finished job's monitor: `status`, and a sentence for each quantity that drifted."""
    told = json.loads((folder / MONITOR).read_text(encoding="utf-8"))
    drifted = [] if told["drift"] is None else told["drift"]["drifted"]
    return {"status": told["status"], "drifted": [finding["sentence"] for finding in drifted]}
