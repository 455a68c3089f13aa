"""A share of rows, with the independent rows that would know it as well."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from cascade.drift.checked import check_count, check_effective
from cascade.drift.kinds import SHARES, check_kind
from cascade.errors import DataError


@dataclass(frozen=True)
class Share:
    """How many of some rows have something.

    Attributes
    ----------
    kind : str
        One of `cascade.drift.kinds.SHARES`.
    name : str
        Of the label; empty where it is about none.
    found, rows : int
    effective : float
        Independent rows that would say as much: fewer than `rows` where those of a group are alike.
    """

    kind: str
    name: str
    found: int
    rows: int
    effective: float

    @property
    def what(self) -> str:
        """What is counted, to read."""
        return f"{self.kind} {self.name!r}" if self.name else self.kind

    @property
    def value(self) -> float:
        """The share; NaN of no rows."""
        return self.found / self.rows if self.rows else float("nan")

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)

    @classmethod
    def from_json(cls, body: Any) -> Share:
        """Read what `to_json` wrote; refuse what it could not have written."""
        found, rows = check_count(body["found"]), check_count(body["rows"])
        if found > rows:
            raise DataError(f"a profile's `found` must be at most its `rows`. Received {found} and {rows}.")
        effective = check_effective(body["effective"], rows)
        return cls(check_kind(body["kind"], SHARES), str(body["name"]), found, rows, effective)
