"""A registered version as plain data."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from cascade.registry.tracking import SHA256

PROMOTED, REASON = "cascade.promoted", "cascade.reason"
"""Tags of a version that became champion: the time and the reason."""
DECIDED = "cascade.decided"
"""Tag of a version from a retraining: the decision about it."""


@dataclass(frozen=True)
class ModelVersion:
    """One version of a registered model.

    Attributes
    ----------
    name : str
    number : int
    aliases : tuple of str
        `champion`, `challenger`, and aliases that users set.
    created : str
        Time in ISO format, UTC.
    run_id : str
        MLflow run with config, metrics and files.
    sha256 : str
        Digest of the manifest of the model.
    promoted : str or None
        Time at which it last became champion.
    reason : str or None
        Reason for the promotion.
    decided : str or None
        Decision of the retraining that made the version.
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
    def of(cls, record: Any) -> ModelVersion:
        """Make a version from MLflow's record."""
        tags = record.tags
        return cls(
            record.name,
            int(record.version),
            tuple(sorted(record.aliases)),
            # MLflow counts milliseconds.
            iso(record.creation_timestamp / 1000),
            record.run_id,
            tags.get(SHA256, ""),
            tags.get(PROMOTED),
            tags.get(REASON),
            tags.get(DECIDED),
        )

    def __str__(self) -> str:
        return f"models:/{self.name}/{self.number}"

    def to_json(self) -> dict[str, Any]:
        """Return plain data."""
        return {**asdict(self), "aliases": list(self.aliases)}


def iso(seconds: float) -> str:
    """Return a time as text.

    Examples
    --------
    >>> iso(0.0)
    '1970-01-01T00:00:00Z'
    """
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
