"""Findings of a drift comparison: effect sizes, verdicts and sentences."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

NONE, MODERATE, LARGE = "none", "moderate", "large"
VERDICTS = (NONE, MODERATE, LARGE)


@dataclass(frozen=True)
class DriftFinding:
    """The comparison of one quantity.

    Attributes
    ----------
    what : str
        The quantity, such as "feature 'age'" or "prevalence of 'subdural'".
    effect : str
        Name of the effect size.
    size : float
        The effect size, which does not depend on the number of rows.
    verdict : {"none", "moderate", "large"}
        By the thresholds of `cascade.drift.effects`; "none" if chance alone explains the effect.
    sentence : str
    """

    what: str
    effect: str
    size: float
    verdict: str
    sentence: str


@dataclass(frozen=True)
class DriftReport:
    """The comparison of all quantities that two profiles share.

    Attributes
    ----------
    findings : tuple of DriftFinding
        In the order of the profile, including those without drift.
    note : str
        What the rows are too few to show; empty where they are enough.
    """

    findings: tuple[DriftFinding, ...]
    note: str = ""

    @property
    def verdict(self) -> str:
        """The worst of all verdicts."""
        return worst(finding.verdict for finding in self.findings)

    def drifted(self) -> tuple[DriftFinding, ...]:
        """Findings that are not "none", large ones first."""
        return tuple(
            finding for verdict in (LARGE, MODERATE) for finding in self.findings if finding.verdict == verdict
        )

    def to_json(self) -> dict[str, Any]:
        """Return plain data: the verdict, what drifted, and how many quantities were compared."""
        return {
            "verdict": self.verdict,
            "compared": len(self.findings),
            "drifted": [asdict(finding) for finding in self.drifted()],
            **({"note": self.note} if self.note else {}),
        }

    def table(self) -> str:
        """Return a text table: what drifted, how many quantities were compared, and whether the rows are too few."""
        drifted = self.drifted()
        lines = [f"{finding.verdict:<9} {finding.sentence}" for finding in drifted]
        count = f"{len(drifted)} of {len(self.findings)} quantities drifted"
        return "\n".join([*lines, count, *([self.note] if self.note else [])])


def worst(verdicts: Iterable[str]) -> str:
    """Return the strongest verdict; "none" if there are no verdicts."""
    # VERDICTS is ordered from weakest to strongest.
    return max(verdicts, key=VERDICTS.index, default=NONE)
