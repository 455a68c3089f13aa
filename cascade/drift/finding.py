"""What a comparison found: effect sizes in words and numbers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

NONE, MODERATE, LARGE = "none", "moderate", "large"
VERDICTS = (NONE, MODERATE, LARGE)


@dataclass(frozen=True)
class DriftFinding:
    """One quantity compared.

    Attributes
    ----------
    what : str
        Such as "feature 'age'" or "prevalence of 'subdural'".
    effect : str
        Name of the effect's measure.
    size : float
        The effect itself; how much data there is does not change what it estimates.
    verdict : {"none", "moderate", "large"}
        By the thresholds of `cascade.drift.effects`, and "none" where chance alone explains it.
    sentence : str
    """

    what: str
    effect: str
    size: float
    verdict: str
    sentence: str


@dataclass(frozen=True)
class DriftReport:
    """All quantities that two profiles share, compared.

    Attributes
    ----------
    findings : tuple of Finding
        In the order of the profile, also those without drift.
    """

    findings: tuple[DriftFinding, ...]

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
        """Plain data: the verdict, what drifted, and how many quantities were compared."""
        return {
            "verdict": self.verdict,
            "compared": len(self.findings),
            "drifted": [asdict(finding) for finding in self.drifted()],
        }

    def table(self) -> str:
        """Lines to read: what drifted, and how much was compared."""
        drifted = self.drifted()
        lines = [f"{finding.verdict:<9} {finding.sentence}" for finding in drifted]
        return "\n".join([*lines, f"{len(drifted)} of {len(self.findings)} quantities drifted"])


def worst(verdicts: Iterable[str]) -> str:
    """The strongest of some verdicts; "none" of none."""
    return max(verdicts, key=VERDICTS.index, default=NONE)
