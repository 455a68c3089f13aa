"""What is unusual about new data, and what follows from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

CheckVerdict = Literal["refuse", "ask", "warn"]


@dataclass(frozen=True)
class DataFinding:
    """One unusual fact about new data.

    Attributes
    ----------
    answer : {"refuse", "ask", "warn"}
        "refuse": nothing is trained. "ask": a challenger is trained, and a person must confirm its promotion.
        "warn": the fact is only reported.
    code : str
        Short name of the rule.
    sentence : str
        The fact, for a reader.
    """

    answer: CheckVerdict
    code: str
    sentence: str
