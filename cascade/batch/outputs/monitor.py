"""`_monitor.json`: counts of a job's rows and predictions, and their drift from the training data."""

from __future__ import annotations

import json
from typing import Any

from cascade.batch.folder import MONITOR
from cascade.batch.outputs.tally import Tally, Tallying
from cascade.drift.compare import compare_profiles
from cascade.utils.address import Place
from cascade.utils.atomic import new_file

PROTOCOL = 1
NO_PROFILE = "no profile"
"""Status if the model has no training profile to compare with."""


def monitored(tallying: Tallying, tally: Tally, rejected: int) -> dict[str, Any]:
    """Return the content of the monitor file: counts, and the comparison if the model has a profile.

    Returns
    -------
    dict
        `protocol`, `status` (none, moderate, large, or no profile), `rows`, `rejected`, `past_gate`, `labels`
        (predicted rows per label), and `drift` and `profile`, or None.
    """
    content: dict[str, Any] = {
        "protocol": PROTOCOL,
        "status": NO_PROFILE,
        "rows": tally.rows,
        "rejected": rejected,
        "past_gate": tally.past_gate,
        "labels": dict(zip(tallying.label_names, tally.predicted, strict=True)),
        "drift": None,
        "profile": None,
    }
    if tallying.profile is None:
        return content
    current = tallying.profile_of(tally)
    # Both profiles have the same bins, since rows were counted in the bins of the training profile.
    report = compare_profiles(tallying.profile, current)
    return content | {"status": report.verdict, "drift": report.to_json(), "profile": current.to_json()}


def write_monitor(folder: Place, content: dict[str, Any]) -> None:
    """Write the monitor file of a job, in place of an earlier one."""
    with new_file(folder / MONITOR, make_folder=False) as temporary:
        temporary.write_text(json.dumps(content, indent=1, allow_nan=False) + "\n", encoding="utf-8")


def status_of(folder: Place) -> dict[str, Any]:
    """Return the `status` of a finished job's monitor, and a sentence per quantity that drifted, for the summary."""
    content = json.loads((folder / MONITOR).read_text(encoding="utf-8"))
    drifted = [] if content["drift"] is None else content["drift"]["drifted"]
    return {"status": content["status"], "drifted": [finding["sentence"] for finding in drifted]}
