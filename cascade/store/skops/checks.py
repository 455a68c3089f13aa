"""Checks of fitted attributes: kind, shape, bounds and finiteness, with sizes that must agree within an estimator.

A check is a function of a value and of the sizes known so far. The name of a size is bound where it is met first:
`numbers("outputs", "features")` requires as many columns as every other attribute of the same estimator.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import sparse

Sizes = dict[str, int]
Check = Callable[[Any, Sizes], bool]
Size = str | int

LARGEST = 1e100
"""Largest magnitude of a number. Products of two of them, and their sums, are still finite."""
LARGEST_SIZE = 2**31
PLAIN = (bool, int, float, str, bytes, slice, type(None), type, np.generic, np.dtype, np.ufunc)


def fits(sizes: Sizes, names: tuple[Size, ...], shape: tuple[int, ...]) -> bool:
    """Return whether a shape agrees with the sizes known so far; bind those that are new."""
    if len(names) != len(shape):
        return False
    for name, size in zip(names, shape, strict=True):
        if size != (name if isinstance(name, int) else sizes.setdefault(name, size)):
            return False
    return True


def numbers(*names: Size, low: float = -LARGEST, high: float = LARGEST, nan: bool = False) -> Check:
    """Check an array of finite floats of a shape, within bounds; a missing value only where `nan` says so."""

    def check(value: Any, sizes: Sizes) -> bool:
        if sparse.issparse(value):
            value, held = value.data, value.shape
        elif isinstance(value, np.ndarray):
            held = value.shape
        else:
            return False
        if value.dtype.kind not in "fiu" or not fits(sizes, names, tuple(held)):
            return False
        known = value[~np.isnan(value)] if nan else value
        # As floats of 64 bits, since the bounds exceed smaller ones. NaN fails all comparisons, and is refused.
        return not known.size or (float(known.min()) >= low and float(known.max()) <= high)

    return check


def dense(*names: Size, low: float = -LARGEST, high: float = LARGEST) -> Check:
    """Check an array that is not sparse; see `numbers`."""
    check = numbers(*names, low=low, high=high)
    return lambda value, sizes: isinstance(value, np.ndarray) and check(value, sizes)


def integers(*names: Size, low: int = 0, high: Size = LARGEST_SIZE) -> Check:
    """Check an array of whole numbers from `low` to below `high`, which may be the name of a size."""

    def check(value: Any, sizes: Sizes) -> bool:
        if not isinstance(value, np.ndarray) or value.dtype.kind not in "iu" or not fits(sizes, names, value.shape):
            return False
        limit = high if isinstance(high, int) else sizes.get(high, -1)
        return bool(((value >= low) & (value < limit)).all())

    return check


def mask(count: Size) -> Check:
    """Check an array of truth values."""
    return lambda value, sizes: (
        isinstance(value, np.ndarray) and value.dtype == bool and fits(sizes, (count,), value.shape)
    )


def scores(value: Any, sizes: Sizes) -> bool:
    """Check a score per feature, which may be infinite, or missing where a feature is constant."""
    return isinstance(value, np.ndarray) and value.dtype.kind == "f" and fits(sizes, ("features",), value.shape)


def trees(count: Size) -> Check:
    """Check a table of estimators, with a row per iteration and a column per output."""
    return lambda value, sizes: (
        isinstance(value, np.ndarray) and value.dtype == object and fits(sizes, ("iterations", count), value.shape)
    )


def number(low: float = -LARGEST, high: float = LARGEST) -> Check:
    """Check one finite number within bounds."""

    def check(value: Any, sizes: Sizes) -> bool:
        is_number = isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)
        return bool(is_number and low <= value <= high)

    return check


def size(name: str, low: int = 1) -> Check:
    """Check a whole number that is the size `name`."""

    def check(value: Any, sizes: Sizes) -> bool:
        is_size = isinstance(value, (int, np.integer)) and not isinstance(value, bool) and low <= value < LARGEST_SIZE
        return bool(is_size) and fits(sizes, (name,), (int(value),))

    return check


def one_of(*values: Any) -> Check:
    """Check that a value is one of a few, of the same type."""
    # True equals 1 in Python, so types are compared too.
    return lambda value, sizes: any(type(value) is type(each) and value == each for each in values)


def either(*checks: Check) -> Check:
    """Check that one of several checks holds; the sizes that a failed one has bound do not count."""

    def check(value: Any, sizes: Sizes) -> bool:
        for each in checks:
            bound = dict(sizes)
            if each(value, bound):
                sizes.update(bound)
                return True
        return False

    return check


def each(item: Check, count: Size | None = None) -> Check:
    """Check the items of a list."""

    def check(value: Any, sizes: Sizes) -> bool:
        if not isinstance(value, list) or (count is not None and not fits(sizes, (count,), (len(value),))):
            return False
        return all(item(one, sizes) for one in value)

    return check


def each_own(item: Check, count: Size | None = None) -> Check:
    """Check the items of a list, each of which has its own sizes."""
    return each(lambda value, sizes: item(value, dict(sizes)), count)


def text(value: Any, sizes: Sizes) -> bool:
    """Check a text."""
    return isinstance(value, str)


def inert(value: Any, sizes: Sizes) -> bool:
    """Check a value that no prediction reads: numbers, texts and arrays, in lists and dictionaries."""
    stack = [value]
    while stack:
        member = stack.pop()
        if isinstance(member, dict):
            stack.extend([*member.keys(), *member.values()])
        elif isinstance(member, (list, tuple, set)):
            stack.extend(member)
        elif isinstance(member, np.ndarray) and member.dtype == object:
            stack.extend(member.flat)
        elif not isinstance(member, (*PLAIN, np.ndarray)):
            return False
    return True


def classes(value: Any, sizes: Sizes) -> bool:
    """Check an array of classes, which are whole numbers in increasing order; it binds `classes` and `outputs`."""
    sound = (
        isinstance(value, np.ndarray)
        and value.dtype.kind in "iuf"
        and value.ndim == 1
        and 0 < len(value) < LARGEST_SIZE
        and value[0] >= 0
        # The trees of a forest have them as floats.
        and bool((np.diff(value.astype(np.float64)) > 0).all() and (value == np.floor(value)).all())
        and fits(sizes, ("classes",), value.shape)
    )
    # Linear models have one row of coefficients for two classes, and one per class for more.
    return sound and fits(sizes, ("outputs",), (1 if len(value) <= 2 else len(value),))


def names(value: Any, sizes: Sizes) -> bool:
    """Check the names of the features."""
    is_array = isinstance(value, np.ndarray) and value.dtype == object and fits(sizes, ("features",), value.shape)
    return is_array and all(isinstance(name, str) for name in value)


def width(estimator: Any) -> int | None:
    """Return the number of columns that an estimator takes, if it says so."""
    found = getattr(estimator, "n_features_in_", None)
    return None if found is None else int(found)


def has_width(estimator: Any, columns: int | None) -> bool:
    """Return whether an estimator takes rows of so many columns, where both are known."""
    return columns is None or width(estimator) in (None, columns)


def is_binary(estimator: Any) -> bool:
    """Return whether an estimator predicts the two classes 0 and 1, or one of them."""
    found = getattr(estimator, "classes_", None)
    return isinstance(found, np.ndarray) and found.ndim == 1 and set(found.tolist()) <= {0, 1}


def has_classes(estimator: Any, wanted: Any) -> bool:
    """Return whether an estimator has these classes."""
    return np.array_equal(np.asarray(getattr(estimator, "classes_", ())), wanted)
