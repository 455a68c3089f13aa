"""Dates as numbers: age in days, hour, weekday and month."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

PARTS = ("age in days", "hour", "weekday", "month")
DAY = np.timedelta64(1, "D") / np.timedelta64(1, "s")


class DateParts(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Columns of dates as four numbers each: age in days, hour, weekday (Monday is 0) and month.

    The age counts back from the latest date of the column in training, so that later dates have a negative age. A
    missing date gives four NaN.

    Attributes
    ----------
    latest_ : ndarray of float, shape (d,)
        Latest date of each column in training, in seconds since 1970.

    Examples
    --------
    >>> dates = np.array([["2024-01-31T12:30"], ["2024-02-01T00:00"]], "datetime64[ns]")
    >>> DateParts().fit(dates).transform(dates).tolist()
    [[0.4791666666666667, 12.5, 2.0, 1.0], [0.0, 0.0, 3.0, 2.0]]
    """

    def fit(self, X: Any, y: Any = None) -> Self:
        """Take the latest date of each column.

        Parameters
        ----------
        X : ndarray or data frame of datetime64, shape (n, d)
        y : ignored
        """
        seconds = _seconds(_dates(X))
        known = np.where(np.isnan(seconds), -np.inf, seconds).max(axis=0, initial=-np.inf)
        # A column without any date in training has no latest one; 1970 keeps its ages finite.
        self.latest_ = np.where(np.isfinite(known), known, 0.0)
        return self

    def transform(self, X: Any) -> NDArray[np.float64]:
        """Return the parts of each date, float of shape (n, 4 d), NaN where a date is missing."""
        check_is_fitted(self)
        dates = _dates(X)
        seconds = _seconds(dates)
        in_day = np.mod(seconds, DAY)
        # 1 January 1970 was a Thursday.
        weekday = np.mod(np.floor_divide(seconds, DAY) + 3, 7)
        month = np.where(np.isnan(seconds), np.nan, dates.astype("datetime64[M]").astype(np.int64) % 12 + 1)
        parts = np.stack([(self.latest_ - seconds) / DAY, in_day / 3600, weekday, month], axis=2)
        return parts.reshape(len(dates), -1)

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[np.object_]:
        """Return the names of the numbers, such as "built, hour"."""
        columns = [str(k) for k in range(len(self.latest_))] if input_features is None else input_features
        return np.array([f"{column}, {part}" for column in columns for part in PARTS], dtype=object)


def _dates(X: Any) -> NDArray[np.datetime64]:
    values = np.asarray(X, dtype="datetime64[ns]")
    return values if values.ndim == 2 else values.reshape(-1, 1)


def _seconds(dates: NDArray[np.datetime64]) -> NDArray[np.float64]:
    return np.where(np.isnat(dates), np.nan, dates.astype(np.int64) / 1e9)
