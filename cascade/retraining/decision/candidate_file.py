"""What a model answered on held-out rows, as a file; so that a decision rests on answers given once."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from cascade.metrics import Outcome
from cascade.retraining.decision.candidate import Candidate


def write_candidate(path: Path, candidate: Candidate) -> None:
    """Write arrays and label names, no objects."""
    own = candidate.outcome
    known = {} if own.known is None else {"known": own.known}
    rate = np.nan if candidate.rows_per_second is None else candidate.rows_per_second
    np.savez(
        path,
        labels=np.array(candidate.label_names, dtype=np.str_),
        Y=own.Y,
        proba=own.proba,
        bits=own.bits,
        passed=own.passed,
        rows_per_second=rate,
        allow_pickle=False,
        **known,
    )


def read_candidate(path: Path) -> Candidate:
    """Read what `write_answers` wrote."""
    with np.load(path, allow_pickle=False) as held:
        known = held.get("known")
        outcome = Outcome(held["Y"], held["proba"], held["bits"], held["passed"], known)
        rate = float(held["rows_per_second"])
        return Candidate(tuple(held["labels"].tolist()), outcome, rate if np.isfinite(rate) else None)
