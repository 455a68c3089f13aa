"""A model's predictions on held-out rows as a file, so that a resumed run decides on the same predictions."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from cascade.metrics import Outcome
from cascade.retraining.decision.candidate import Candidate


def write_candidate(path: Path, candidate: Candidate) -> None:
    """Write arrays and label names as `.npz`, without pickled objects."""
    outcome = candidate.outcome
    known = {} if outcome.known is None else {"known": outcome.known}
    np.savez(
        path,
        labels=np.array(candidate.label_names, dtype=np.str_),
        Y=outcome.Y,
        proba=outcome.proba,
        bits=outcome.bits,
        passed=outcome.passed,
        allow_pickle=False,
        **known,
    )


def read_candidate(path: Path) -> Candidate:
    """Read what `write_candidate` wrote."""
    with np.load(path, allow_pickle=False) as arrays:
        known = arrays.get("known")
        outcome = Outcome(arrays["Y"], arrays["proba"], arrays["bits"], arrays["passed"], known)
        return Candidate(tuple(arrays["labels"].tolist()), outcome)
