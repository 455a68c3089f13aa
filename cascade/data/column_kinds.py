"""What the columns of a data frame hold: numbers, categories, free text or dates."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, get_args

from cascade.errors import DataError

Kind = Literal["number", "category", "text", "date"]
KINDS: tuple[Kind, ...] = get_args(Kind)
COLUMN_TYPES = ("number", "date", "text")

MOST_CATEGORIES = 100
"""Distinct texts up to which a column of text without a declared kind is a category."""
FEWEST_ROWS_PER_CATEGORY = 5
"""Rows per distinct text, on average, from which such a column is a category: names and comments hardly repeat."""
FEW_CATEGORIES = 10
"""Distinct texts that are categories in a table of any length."""


def column_kinds(X: Any, given: Mapping[str, Kind] | None = None) -> dict[str, Kind]:
    """Return the kind of each column of a data frame.

    Parameters
    ----------
    X : data frame of n rows
        Of pandas.
    given : mapping from column name to kind, optional
        Kinds that are declared. Other columns follow their type; a column of text is a category where few distinct
        texts repeat.

    Returns
    -------
    dict
        In the order of the columns.

    Raises
    ------
    DataError
        For a column of text that is neither declared nor a category.

    Examples
    --------
    >>> import pandas as pd
    >>> X = pd.DataFrame({"torque": [1.5, 2.0], "type": ["L", "M"], "built": pd.to_datetime(["2020-01-01", None])})
    >>> column_kinds(X)
    {'torque': 'number', 'type': 'category', 'built': 'date'}
    """
    declared = given or {}
    return {str(name): declared.get(str(name)) or _kind_of(X[name], str(name)) for name in X.columns}


def _kind_of(column: Any, name: str) -> Kind:
    import pandas as pd
    from pandas.api import types

    if types.is_bool_dtype(column.dtype) or types.is_numeric_dtype(column.dtype):
        return "number"
    if types.is_datetime64_any_dtype(column.dtype):
        return "date"
    if isinstance(column.dtype, pd.CategoricalDtype):
        return "category"
    n_distinct, n_known = column.nunique(), int(column.notna().sum())
    if is_category(n_distinct, n_known):
        return "category"
    raise undeclared(name, n_distinct, n_known)


def is_category(n_distinct: int, n_known: int) -> bool:
    """Return whether a column of text is a category, by its numbers of distinct texts and of rows that have one.

    Examples
    --------
    >>> is_category(3, 2000), is_category(1900, 2000)
    (True, False)
    """
    few = n_distinct <= MOST_CATEGORIES and n_distinct * FEWEST_ROWS_PER_CATEGORY <= n_known
    return few or n_distinct <= FEW_CATEGORIES


def undeclared(name: str, n_distinct: int, n_known: int, where: str = "`X`") -> DataError:
    """Return the error for a column of text whose kind is not known."""
    return DataError(
        f"{where} has a column {name!r} of text with {n_distinct} distinct values in {n_known} rows; "
        "name it in `text`, `categories`, `dates` or `drop`."
    )


def column_types(X: Any) -> tuple[str, ...]:
    """Return "number", "date" or "text" for each column of a data frame of pandas, by its type alone."""
    from pandas.api import types

    def of(dtype: Any) -> str:
        if types.is_bool_dtype(dtype) or types.is_numeric_dtype(dtype):
            return "number"
        return "date" if types.is_datetime64_any_dtype(dtype) else "text"

    return tuple(of(dtype) for dtype in X.dtypes)


def is_mixed(X: Any) -> bool:
    """Return whether rows are a data frame of pandas with a column that does not hold numbers.

    Examples
    --------
    >>> import pandas as pd
    >>> is_mixed(pd.DataFrame({"a": ["x"]})), is_mixed(pd.DataFrame({"a": [1]})), is_mixed([[1.0]])
    (True, False, False)
    """
    if not (hasattr(X, "iloc") and hasattr(X, "columns")):
        return False
    from pandas.api import types

    return not all(types.is_bool_dtype(one) or types.is_numeric_dtype(one) for one in X.dtypes)
