"""What is odd about new data, and what is answered to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

CheckVerdict = Literal["refuse", "ask", "warn"]


@dataclass(frozen=True)
class DataFinding:
    """One thing that was found in new data.

    Attributes
    ----------
    answer : {"refuse", "ask", "warn"}
        Nothing is trained; a challenger is trained, and a person asked before it is promoted; it is told.
    code : str
        Short name of the rule.
    sentence : str
    """

    answer: CheckVerdict
    code: str
    sentence: str
