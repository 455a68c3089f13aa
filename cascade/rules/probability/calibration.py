"""Calibration on rows of natural prevalence: Platt's, beta or isotonic, always on log-odds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

from cascade.data.label_matrix import LabelMatrix
from cascade.errors import ConfigError
from cascade.utils.types import Floats

METHODS = ("platt", "beta", "isotonic", "none")

SLOPE_SPREAD = 0.25
"""Standard deviation of the prior of a slope around 1: a few rare positives cannot turn the scale over."""

WIDEST = 50.0
"""Log-odds that none exceeds, so that a line between its negative and itself leaves all as they are."""


@dataclass(frozen=True)
class Calibration:
    """logit p = high * softplus(z) - low * softplus(-z) + intercept, one triple per column.

    With low = high this is Platt's slope * z + intercept, with two slopes the beta calibration; 1, 1 and 0 leave
    a column as it is.

    Attributes
    ----------
    low, high, intercept : ndarray of float, shape (L,)
    """

    low: Floats
    high: Floats
    intercept: Floats

    @classmethod
    def identity(cls, n_columns: int) -> Calibration:
        """Change nothing."""
        return cls(np.ones(n_columns), np.ones(n_columns), np.zeros(n_columns))

    @property
    def n_columns(self) -> int:
        """Number of columns."""
        return len(self.intercept)

    def __call__(self, z: Floats) -> Floats:
        """Calibrate log-odds `z` of shape (n, L)."""
        # With equal slopes the two softplus terms are z itself; this way no digit is lost.
        return self.low * z + (self.high - self.low) * np.logaddexp(0, z) + self.intercept

    def shifted(self, column: int, offset: float) -> Calibration:
        """Return the same calibration with `offset` added to one column's log-odds."""
        intercept = self.intercept.copy()
        intercept[column] += offset
        return Calibration(self.low, self.high, intercept)


@dataclass(frozen=True)
class IsotonicCalibration:
    """A rising line of log-odds through knots, flat beyond them, one per column.

    Attributes
    ----------
    knots, values : tuple of ndarray of float, length L
    """

    knots: tuple[Floats, ...]
    values: tuple[Floats, ...]

    @property
    def n_columns(self) -> int:
        """Number of columns."""
        return len(self.knots)

    def __call__(self, z: Floats) -> Floats:
        """Calibrate log-odds `z` of shape (n, L)."""
        columns = zip(z.T, self.knots, self.values, strict=True)
        return np.array([np.interp(column, knot, value) for column, knot, value in columns]).reshape(z.shape[::-1]).T

    def shifted(self, column: int, offset: float) -> IsotonicCalibration:
        """Return the same calibration with `offset` added to one column's log-odds."""
        moved = [value + offset * (k == column) for k, value in enumerate(self.values)]
        return IsotonicCalibration(self.knots, tuple(moved))


AnyCalibration = Calibration | IsotonicCalibration


def calibrated_proba(calibration: AnyCalibration, z: Floats) -> Floats:
    """Probabilities (n,) from the log-odds (n,) of the only column of a calibration."""
    return np.asarray(expit(calibration(z[:, None])[:, 0]), dtype=np.float64)


def check_method(method: str) -> str:
    """Return `method` if it is one."""
    if method not in METHODS:
        raise ConfigError(f"`calibration` must be one of {list(METHODS)}. Received {method!r}.")
    return method


def fit_calibration(
    z: Floats, labels: LabelMatrix, weight: Floats | None = None, method: str = "platt"
) -> AnyCalibration:
    """Fit one calibration per column.

    Parameters
    ----------
    z : ndarray of float, shape (n, L)
        Log-odds on rows that no fit, sampler or early stopping has touched.
    labels : LabelMatrix
        Of n rows and L labels. Only known entries count.
    weight : ndarray of float, shape (n,), optional
        How many rows of the population each row represents.
    method : {"platt", "beta", "isotonic", "none"}, default="platt"

    Returns
    -------
    Calibration or IsotonicCalibration
        A column without both classes is left unchanged.

    References
    ----------
    Platt (1999), Probabilistic outputs for support vector machines: the targets (n1 + 1) / (n1 + 2) and
    1 / (n0 + 2) keep the likelihood finite when the classes separate.
    Kull, Silva Filho & Flach (2017), Beta calibration.
    Zadrozny & Elkan (2002), Transforming classifier scores into accurate multiclass probability estimates.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> z = rng.normal(size=(20_000, 1))
    >>> Y = (rng.random((20_000, 1)) < expit(z - 1)).astype(np.uint8)
    >>> round(float(fit_calibration(z, LabelMatrix(Y)).intercept[0]), 1)
    -1.0
    """
    weights = np.ones(len(z)) if weight is None else weight
    chosen = [labels.rows_knowing(k) for k in range(labels.shape[1])]
    columns = [(z[rows, k], labels.values[rows, k], weights[rows]) for k, rows in enumerate(chosen)]
    if method == "none" or not columns:
        return Calibration.identity(len(columns))
    if method == "isotonic":
        lines = [_fit_isotonic(*column) for column in columns]
        return IsotonicCalibration(tuple(knots for knots, _ in lines), tuple(values for _, values in lines))
    fitted = [_fit_slopes(*column, one_slope=method == "platt") for column in columns]
    return Calibration(*np.array(fitted, dtype=np.float64).T)


def _fit_slopes(z: Floats, y: NDArray[np.uint8], weight: Floats, one_slope: bool) -> tuple[float, float, float]:
    n_positive, n_negative = float(weight @ y), float(weight @ (1 - y.astype(np.float64)))
    if not n_positive or not n_negative:
        return 1.0, 1.0, 0.0
    target = np.where(y, (n_positive + 1) / (n_positive + 2), 1 / (n_negative + 2))
    above = np.logaddexp(0, z)
    features = z[:, None] if one_slope else np.column_stack([z - above, above])
    n_slopes = features.shape[1]

    def loss(parameters: Floats) -> tuple[float, Floats]:
        slopes, intercept = parameters[:-1], parameters[-1]
        score = features @ slopes + intercept
        excess = weight * (expit(score) - target)
        pull = (slopes - 1) / SLOPE_SPREAD**2
        value = weight @ (np.logaddexp(0, score) - target * score) + 0.5 * pull @ (slopes - 1)
        return float(value), np.append(excess @ features + pull, excess.sum())

    from scipy.optimize import minimize

    bounds = [(0.0, None)] * n_slopes + [(None, None)]
    found = minimize(loss, np.append(np.ones(n_slopes), 0.0), jac=True, method="L-BFGS-B", bounds=bounds).x
    return float(found[0]), float(found[n_slopes - 1]), float(found[-1])


def _fit_isotonic(z: Floats, y: NDArray[np.uint8], weight: Floats) -> tuple[Floats, Floats]:
    n_positive, total = float(weight @ y), float(weight.sum())
    if not 0 < n_positive < total:
        return np.array([-WIDEST, WIDEST]), np.array([-WIDEST, WIDEST])
    # Only fitting needs it; a model that is loaded to predict does not wait for it.
    from sklearn.isotonic import IsotonicRegression

    line = IsotonicRegression(out_of_bounds="clip").fit(z, y, sample_weight=weight)
    levels, block = np.unique(line.predict(z), return_inverse=True)
    size = np.bincount(block, weights=weight)
    # Half a row at the prevalence keeps a block of one class from answering 0 or 1.
    shrunk = (levels * size + 0.5 * n_positive / total) / (size + 0.5)
    value = IsotonicRegression().fit_transform(np.arange(len(levels)), shrunk, sample_weight=size)
    first = np.full(len(levels), np.inf)
    last = np.full(len(levels), -np.inf)
    np.minimum.at(first, block, z)
    np.maximum.at(last, block, z)
    knots, kept = np.unique(np.column_stack([first, last]).ravel(), return_index=True)
    return knots, np.asarray(logit(np.repeat(value, 2)[kept]))
