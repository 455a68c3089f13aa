"""How numbers are written on the page; one dash stands for what is not defined."""

from __future__ import annotations

NONE = "-"


def number(value: float | None, digits: int = 3) -> str:
    """A number with so many digits after the point.

    Examples
    --------
    >>> number(0.12345), number(None)
    ('0.123', '-')
    """
    return NONE if value is None else f"{value:.{digits}f}"


def interval(low: float | None, high: float | None, digits: int = 3) -> str:
    """Both ends.

    Examples
    --------
    >>> interval(0.1, 0.25, 2)
    '0.10 to 0.25'
    """
    return NONE if low is None or high is None else f"{low:.{digits}f} to {high:.{digits}f}"


def count(value: float | None) -> str:
    """A whole number, thousands apart.

    Examples
    --------
    >>> count(54214)
    '54,214'
    """
    return NONE if value is None else f"{value:,.0f}"


def share(value: float | None, digits: int = 1) -> str:
    """Percent.

    Examples
    --------
    >>> share(0.1436)
    '14.4 %'
    """
    return NONE if value is None else f"{100 * value:.{digits}f} %"


def short(value: float | None) -> str:
    """Four significant digits.

    Examples
    --------
    >>> short(0.00123456)
    '0.001235'
    """
    return NONE if value is None else f"{value:.4g}"


def signed(value: float | None, digits: int = 3) -> str:
    """A difference with its sign.

    Examples
    --------
    >>> signed(0.01)
    '+0.010'
    """
    return NONE if value is None else f"{value:+.{digits}f}"
