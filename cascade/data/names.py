"""Canonical text of groups and identifiers: one spelling per value, whatever file and type it came from."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

MISSING = frozenset(
    {
        # The spellings that Arrow and pandas read as missing numbers, and those that they write for missing values.
        *("", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN"),
        *("N/A", "NA", "NULL", "NaN", "n/a", "nan", "null", "<NA>", "None", "NaT"),
    }
)
"""Texts that mean that a value is missing."""

# Leading zeros are kept: 007 is another name than 7.
_WHOLE = re.compile(r"(-?)(0|[1-9][0-9]*)\.0+")
# Only the form in which programs write large floats; 12e4 may be a name.
_LARGE = re.compile(r"-?[0-9](\.[0-9]+)?e\+[0-9]{1,3}")
_MOMENT = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})[ T]([0-9]{2}:[0-9]{2}:[0-9]{2})(?:\.([0-9]*?)0*)?")

Names = NDArray[np.object_]
"""Canonical texts; None where a value is missing."""


def canonical_names(values: NDArray[Any] | Iterable[Any]) -> Names:
    """Return the canonical text of each value, and None where it is missing.

    Files of other types spell a value differently: 12 is 12.0 in a column that had a gap, a day has a time in Parquet.
    Rows of one group would then be in two.

    Parameters
    ----------
    values : array-like of numbers, texts, dates or a mixture, shape (n,)

    Returns
    -------
    ndarray of str or None, shape (n,)

    Examples
    --------
    >>> canonical_names([12, 12.0, "12.0", " 12 ", "007", None, float("nan"), "NaN"]).tolist()
    ['12', '12', '12', '12', '007', None, None, None]
    >>> canonical_names(np.array(["2020-01-01", "NaT"], dtype="datetime64[ns]")).tolist()
    ['2020-01-01', None]
    """
    given = values if isinstance(values, np.ndarray) else list(values)
    items = list(map(str, given)) if getattr(given, "dtype", np.dtype(object)).kind == "M" else given
    named: Names = np.empty(len(items), dtype=object)
    # Numpy's scalars are kept: the shortest text of a 32-bit float has fewer digits than that of a Python float.
    named[:] = [_canonical(value) for value in items]
    return named


def _canonical(value: Any) -> str | None:
    if isinstance(value, (float, np.floating)):
        return _of_number(value)
    # Texts of bytes would begin with the letter b.
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
    text = text.strip()
    # Arrays of text drop a NUL at the end, so that a name would differ between an array and a list.
    while text.endswith("\0"):
        text = text.rstrip("\0").rstrip()
    if text in MISSING:
        return None
    # Nearly all names end here, before any pattern is tried.
    return _respelled(text) if text.endswith("0") or "e+" in text else text


def _of_number(value: Any) -> str | None:
    if value != value:
        return None
    return str(int(value)) if np.isfinite(value) and value == int(value) else str(value)


def _respelled(text: str) -> str:
    whole = _WHOLE.fullmatch(text)
    if whole is not None:
        sign, digits = whole.groups()
        return digits if digits == "0" else sign + digits
    if _LARGE.fullmatch(text) is not None:
        return _of_number(float(text)) or text
    moment = _MOMENT.fullmatch(text)
    if moment is None:
        return text
    day, time, fraction = moment.groups()
    if time == "00:00:00" and not fraction:
        return day
    return f"{day} {time}.{fraction}" if fraction else f"{day} {time}"
