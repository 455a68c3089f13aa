"""Rows of text, categories, dates and numbers, as MLflow hands them on: as the data frame that the models take."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from cascade.errors import DataError
from cascade.estimators.forking import bags_of
from cascade.predictor import CascadePredictor

if TYPE_CHECKING:
    import pandas as pd


class RawRows:
    """Converts data frames from CSV or JSON to the columns and types of a model's training.

    A missing text is an empty one, as in the files of a training. A category may be missing where training had missing
    ones.

    Parameters
    ----------
    predictor : CascadePredictor
        Of a data frame with columns that are not numbers, or of texts.
    """

    def __init__(self, predictor: CascadePredictor) -> None:
        self.types = predictor.signature.kinds
        self.missing: dict[str, Any] = {}
        for stage in (predictor.gate, predictor.labeler):
            self.missing.update(missing_categories(stage))

    def frame(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Return the columns of the training in their order; data frame of n rows.

        Raises
        ------
        DataError
            If a date is not in the form of ISO 8601, or a column of numbers has something else.
        """
        import pandas as pd

        columns = {name: self._column(name, kind, rows[name]) for name, kind in self.types.items()}
        return pd.DataFrame(columns, index=rows.index)

    def _column(self, name: str, kind: str, column: Any) -> Any:
        if kind == "number":
            return _numbers(name, column)
        return _dates(name, column) if kind == "date" else _texts(column, self.missing.get(name, ""))


def texts_of(rows: pd.DataFrame) -> list[str]:
    """Return the texts of a frame's only column.

    Raises
    ------
    DataError
        If it has several.
    """
    if rows.shape[1] != 1:
        raise DataError(f"`rows` must have one column of texts. Received {rows.shape[1]}.")
    return list(_texts(rows.iloc[:, 0], ""))


def missing_categories(stage: Any) -> Iterator[tuple[str, Any]]:
    """Yield the columns that training had a missing category in, and whether that was None or NaN: encoders differ."""
    import pandas as pd

    for part in bags_of(stage) or [stage]:
        for transformer, columns in _encoders(part):
            known = getattr(getattr(transformer, "ordinal_", transformer), "categories_", ())
            for name, values in zip(columns, known, strict=False):
                yield from ((str(name), value) for value in values[pd.isna(values)])


def _encoders(estimator: Any) -> Iterator[tuple[Any, list[Any]]]:
    """Yield the first step for each group of columns of a pipeline's transformers."""
    for _, step in getattr(estimator, "steps", ()):
        for _, transformer, columns in getattr(step, "transformers_", ()):
            first = transformer.steps[0][1] if hasattr(transformer, "steps") else transformer
            # A column that is named without a list goes to a vectorizer of texts.
            if not isinstance(columns, (str, slice)):
                yield first, list(columns)


def _texts(column: Any, missing: Any) -> Any:
    import pandas as pd

    gone, texts = column.isna().to_numpy(), column.astype(object).tolist()
    held = [missing if absent else str(text) for text, absent in zip(texts, gone, strict=True)]
    return pd.Series(held, column.index, dtype=object)


def _numbers(name: str, column: Any) -> Any:
    try:
        return column.astype("float64")
    except (TypeError, ValueError) as error:
        raise DataError(f"column {name!r} must hold numbers. Received one that is not: {error}.") from error


def _dates(name: str, column: Any) -> Any:
    import pandas as pd

    if pd.api.types.is_datetime64_any_dtype(column.dtype):
        return pd.to_datetime(column, utc=True).dt.tz_localize(None).astype("datetime64[ns]")
    wrong = [value for value in column.dropna() if not hasattr(value, "isoformat") and not isinstance(value, str)]
    try:
        # Numbers may count days, seconds or nanoseconds.
        if wrong:
            raise ValueError(f"{wrong[0]!r} is a number")
        dates = pd.to_datetime(column.astype(object), format="ISO8601", utc=True)
    except (TypeError, ValueError) as error:
        raise DataError(
            f"column {name!r} must hold dates such as 2024-01-31T12:30. Received another: {error}."
        ) from error
    return dates.dt.tz_localize(None).astype("datetime64[ns]")
