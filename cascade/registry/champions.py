"""Who was champion before: a list of versions, read relative to who is champion now.

Alias and list cannot be changed in one step. The list is therefore written first and never believed beyond the
alias: whatever a killed process left behind, the next reader sees the champions up to the present one.
"""

from __future__ import annotations

LONGEST = 100
"""Champions that are remembered."""


def until_now(champions: list[int], current: int | None) -> list[int]:
    """Champions up to the current one, which is added where somebody moved the alias by hand.

    Examples
    --------
    >>> until_now([1, 2, 3], 2)
    [1, 2]
    >>> until_now([1, 2], 7)
    [1, 2, 7]
    >>> until_now([1], None)
    []
    """
    if current is None:
        return []
    if current not in champions:
        return [*champions, current]
    return champions[: len(champions) - champions[::-1].index(current)]


def promoted(champions: list[int], current: int | None, version: int) -> list[int]:
    """The list to write before `version` becomes champion."""
    return [*until_now(champions, current), version][-LONGEST:]


def previous(champions: list[int], current: int | None) -> int | None:
    """Who was champion before the current one; None if nobody was.

    Examples
    --------
    >>> previous([1, 2, 1], 1), previous([1, 2], 1)
    (2, None)
    """
    past = until_now(champions, current)[:-1]
    return past[-1] if past else None
