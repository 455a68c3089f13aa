"""Number formats of the page; undefined values are written as a dash."""

from __future__ import annotations

NONE = "-"


def number(value: float | None, digits: int = 3) -> str:
    """Format a number with this many digits after the decimal point.

    Examples
    --------
    >>> number(0.12345), number(None)
    ('0.123', '-')
    """
    return NONE if value is None else f"{value:.{digits}f}"


def interval(low: float | None, high: float | None, digits: int = 3) -> str:
    """Format both ends of an interval.

    Examples
    --------
    >>> interval(0.1, 0.25, 2)
    '0.10 to 0.25'
    """
    return NONE if low is None or high is None else f"{low:.{digits}f} to {high:.{digits}f}"


def count(value: float | None) -> str:
    """Format a whole number with thousands separators.

    Examples
    --------
    >>> count(54214)
    '54,214'
    """
    return NONE if value is None else f"{value:,.0f}"


def share(value: float | None, digits: int = 1) -> str:
    """Format a share in percent.

    Examples
    --------
    >>> share(0.1436)
    '14.4 %'
    """
    return NONE if value is None else f"{100 * value:.{digits}f} %"


def short(value: float | None) -> str:
    """Format a number with four significant digits.

    Examples
    --------
    >>> short(0.00123456)
    '0.001235'
    """
    return NONE if value is None else f"{value:.4g}"


def signed(value: float | None, digits: int = 3) -> str:
    """Format a difference with its sign.

    Examples
    --------
    >>> signed(0.01)
    '+0.010'
    """
    return NONE if value is None else f"{value:+.{digits}f}"
