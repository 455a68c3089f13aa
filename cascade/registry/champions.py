"""The history of champions: a list of versions, read relative to the current champion.

Alias and list cannot be changed in one step. The list is therefore written first, and entries after the current
champion are ignored. After a process was killed in between, readers still see the champions up to the current one.
"""

from __future__ import annotations

LONGEST = 100
"""Most champions in the list."""


def until_now(champions: list[int], current: int | None) -> list[int]:
    """Return the champions up to the current one, which is appended if a user moved the alias by hand.

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
    # Up to its last occurrence: a version may have been champion several times.
    return champions[: len(champions) - champions[::-1].index(current)]


def promoted(champions: list[int], current: int | None, version: int) -> list[int]:
    """Return the list to write before `version` becomes champion."""
    return [*until_now(champions, current), version][-LONGEST:]


def previous(champions: list[int], current: int | None) -> int | None:
    """Return the champion before the current one; None if there was none.

    Examples
    --------
    >>> previous([1, 2, 1], 1), previous([1, 2], 1)
    (2, None)
    """
    past = until_now(champions, current)[:-1]
    return past[-1] if past else None
