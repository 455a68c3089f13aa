"""A registered version as plain facts."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from cascade.registry.tracking import SHA256

PROMOTED, REASON = "cascade.promoted", "cascade.reason"
"""Tags of a version that became champion: when, and why."""
DECIDED = "cascade.decided"
"""Tag of a version that a retraining made: what it decided about it."""


@dataclass(frozen=True)
class ModelVersion:
    """One version of a registered model.

    Attributes
    ----------
    name : str
    number : int
    aliases : tuple of str
        `champion`, `challenger`, and whatever else a team calls it.
    created : str
        ISO time, UTC.
    run_id : str
        MLflow's run, which has config, metrics and files.
    sha256 : str
        Digest of the model's manifest.
    promoted : str or None
        When it last became champion.
    reason : str or None
        Why it did.
    decided : str or None
        What the retraining that made it decided about it.
    """

    name: str
    number: int
    aliases: tuple[str, ...]
    created: str
    run_id: str
    sha256: str
    promoted: str | None
    reason: str | None
    decided: str | None

    @classmethod
    def of(cls, told: Any) -> ModelVersion:
        """Read what MLflow says of a version."""
        tags = told.tags
        return cls(
            told.name,
            int(told.version),
            tuple(sorted(told.aliases)),
            iso(told.creation_timestamp / 1000),
            told.run_id,
            tags.get(SHA256, ""),
            tags.get(PROMOTED),
            tags.get(REASON),
            tags.get(DECIDED),
        )

    def __str__(self) -> str:
        return f"models:/{self.name}/{self.number}"

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {**asdict(self), "aliases": list(self.aliases)}


def iso(seconds: float) -> str:
    """A time as text.

    Examples
    --------
    >>> iso(0.0)
    '1970-01-01T00:00:00Z'
    """
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
