"""Calibration on rows of natural prevalence: Platt, beta or isotonic, always on log-odds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

from cascade.data.label_matrix import LabelMatrix
from cascade.errors import ConfigError
from cascade.utils.log_odds import softplus
from cascade.utils.types import Floats

METHODS = ("platt", "beta", "isotonic", "none")

SLOPE_SPREAD = 0.25
"""Standard deviation of the normal prior of a slope around 1, so that a few positives cannot flatten the scale."""

ROUNDED, NEAR = 1e-6, 1e-5
"""Log-odds up to which two neighbouring scores, and all of a run of them, differ by the rounding of a kernel."""

RISE = 0.4
"""How much a line may rise within a block of isotonic calibration, as a share of the distance to the next block."""

WIDEST = 50.0
"""Beyond all log-odds that occur (`log_odds` clips at 16.1), so that a line from -50 to 50 is the identity."""


@dataclass(frozen=True)
class Calibration:
    """logit p = high * softplus(z) - low * softplus(-z) + intercept, one triple per column.

    With low = high this is Platt's slope * z + intercept, with two slopes it is the beta calibration. The triple 1, 1
    and 0 leaves a column unchanged.

    Attributes
    ----------
    low, high : ndarray of float, shape (L,)
        Slopes of the lower and of the upper tail.
    intercept : ndarray of float, shape (L,)
    """

    low: Floats
    high: Floats
    intercept: Floats

    @classmethod
    def identity(cls, n_columns: int) -> Calibration:
        """Return the calibration that changes nothing."""
        return cls(np.ones(n_columns), np.ones(n_columns), np.zeros(n_columns))

    @property
    def n_columns(self) -> int:
        """Number of columns."""
        return len(self.intercept)

    def __call__(self, z: Floats) -> Floats:
        """Calibrate log-odds `z` of shape (n, L)."""
        line = self.low * z + self.intercept
        # softplus(-z) = softplus(z) - z turns the formula into this one. With equal slopes the softplus term is
        # exactly 0, so Platt's line is computed without rounding errors of two large terms that cancel.
        bend = self.high - self.low
        return line + bend * softplus(z) if bend.any() else line

    def shifted(self, offsets: Floats) -> Calibration:
        """Return the same calibration with `offsets` (C,) added to the log-odds of the columns."""
        return Calibration(self.low, self.high, self.intercept + offsets)


@dataclass(frozen=True)
class IsotonicCalibration:
    """A non-decreasing, piecewise linear function of log-odds per column, constant beyond its outer knots.

    Attributes
    ----------
    knots, values : tuple of ndarray of float, length L
        Log-odds before and after calibration.
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
        # Without columns `np.array` returns shape (0,); the reshape restores the axis of the rows.
        return np.array([np.interp(column, knot, value) for column, knot, value in columns]).reshape(z.shape[::-1]).T

    def shifted(self, offsets: Floats) -> IsotonicCalibration:
        """Return the same calibration with `offsets` (C,) added to the log-odds of the columns."""
        return IsotonicCalibration(self.knots, tuple(map(np.add, self.values, offsets)))


AnyCalibration = Calibration | IsotonicCalibration


def calibrated_proba(calibration: AnyCalibration, z: Floats) -> Floats:
    """Return probabilities (n,) from the log-odds (n,) of the only column of a calibration."""
    return np.asarray(expit(calibration(z[:, None])[:, 0]), dtype=np.float64)


def check_method(method: str) -> str:
    """Return `method`, or raise an error if it is not a calibration method."""
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
        Log-odds on rows that no fit, sampler or early stopping has used.
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
    1 / (n0 + 2) keep the estimates finite when the classes separate.
    Kull, Silva Filho & Flach (2017), Beta calibration.
    Zadrozny & Elkan (2002), Transforming classifier scores into accurate multiclass probability estimates; here the
    line rises within each block, so that no ranking is lost.

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


def smoothed_targets(y: NDArray[np.uint8], weight: Floats) -> Floats:
    """Return Platt's targets (n,): the classes with one more row each, so that no target is exactly 0 or 1."""
    n_positive, n_negative = float(weight @ y), float(weight @ (1 - y.astype(np.float64)))
    return np.where(y, (n_positive + 1) / (n_positive + 2), 1 / (n_negative + 2))


def _fit_slopes(z: Floats, y: NDArray[np.uint8], weight: Floats, one_slope: bool) -> tuple[float, float, float]:
    n_positive, n_negative = float(weight @ y), float(weight @ (1 - y.astype(np.float64)))
    if not n_positive or not n_negative:
        return 1.0, 1.0, 0.0
    target = smoothed_targets(y, weight)
    # ln p = -softplus(-z) and -ln(1 - p) = softplus(z) are the two features of the beta calibration.
    above = softplus(z)
    features = z[:, None] if one_slope else np.column_stack([z - above, above])
    n_slopes = features.shape[1]

    def loss(parameters: Floats) -> tuple[float, Floats]:
        slopes, intercept = parameters[:-1], parameters[-1]
        score = features @ slopes + intercept
        excess = weight * (expit(score) - target)
        # The prior holds slopes only. The intercept is free, so at the optimum the probabilities sum to the targets:
        # a label with few positives gets its prevalence corrected and keeps its scale.
        pull = (slopes - 1) / SLOPE_SPREAD**2
        value = weight @ (softplus(score) - target * score) + 0.5 * pull @ (slopes - 1)
        return float(value), np.append(excess @ features + pull, excess.sum())

    # Imported here because only fitting needs it; a model that is loaded to predict starts faster without it.
    from scipy.optimize import minimize

    # A negative slope would reverse the ranking of the rows, which calibration must never do.
    bounds = [(0.0, None)] * n_slopes + [(None, None)]
    best = minimize(loss, np.append(np.ones(n_slopes), 0.0), jac=True, method="L-BFGS-B", bounds=bounds).x
    return float(best[0]), float(best[n_slopes - 1]), float(best[-1])


def _without_rounding(z: Floats) -> Floats:
    """Give scores that differ by rounding alone the lowest of their values, so that no block separates equal rows."""
    order = np.argsort(z, kind="stable")
    rising = z[order]
    starts = np.append(True, np.diff(rising) > ROUNDED) if len(z) else np.empty(0, dtype=bool)
    lowest = rising[np.maximum.accumulate(np.where(starts, np.arange(len(z)), 0))]
    # In dense data a run is long. It is cut into steps, so that scores never move by more than one.
    stepped = lowest + np.floor((rising - lowest) / NEAR) * NEAR
    result = np.empty_like(z)
    result[order] = stepped
    return result


def _fit_isotonic(z: Floats, y: NDArray[np.uint8], weight: Floats) -> tuple[Floats, Floats]:
    n_positive, total = float(weight @ y), float(weight.sum())
    if not 0 < n_positive < total:
        return np.array([-WIDEST, WIDEST]), np.array([-WIDEST, WIDEST])
    # Imported here because only fitting needs it; a model that is loaded to predict starts faster without it.
    from sklearn.isotonic import IsotonicRegression

    z = _without_rounding(z)
    line = IsotonicRegression(out_of_bounds="clip").fit(z, y, sample_weight=weight)
    levels, block = np.unique(line.predict(z), return_inverse=True)
    size = np.bincount(block, weights=weight)
    # Half a row at the prevalence keeps a block of one class from a probability of 0 or 1, whose log-odds are infinite.
    shrunk = (levels * size + 0.5 * n_positive / total) / (size + 0.5)
    # Small blocks are shrunk more than large ones, which can reverse their order: a second pass restores it.
    share = IsotonicRegression().fit_transform(np.arange(len(levels)), shrunk, sample_weight=size)
    # Blocks that the second pass gave one share are one block.
    shares, merged = np.unique(share, return_inverse=True)
    return _rising_knots(z, merged[block], np.asarray(logit(shares)), weight)


def _rising_knots(z: Floats, block: NDArray[np.intp], value: Floats, weight: Floats) -> tuple[Floats, Floats]:
    """Return the knots of a line that rises through each block and keeps the block's mean probability.

    Constant blocks would tie the rows inside of them, and so lose their ranking. Centred isotonic regression rises, too
    (Oron & Flournoy 2017), but is constant below the centre of the first block, which holds most rows of a rare label.
    """
    gap = np.append(np.diff(value), np.inf)
    # To the nearer neighbour. A single block has none; 1 is as good as any scale for its ranking.
    room = np.minimum(gap, np.append(np.inf, gap[:-1])) if len(value) > 1 else np.ones(1)
    knots, values = [], []
    for b, level in enumerate(value):
        inside, w = z[block == b], weight[block == b]
        first, last = float(inside.min()), float(inside.max())
        slope = min(RISE * room[b] / (last - first), 1.0) if last > first else 0.0
        centre = _centre(inside, w, slope, float(level)) if slope else first
        # A block of a single score has one knot, not two: `np.interp` needs knots that increase.
        ends = np.unique([first, last])
        knots.append(ends)
        values.append(level + slope * (ends - centre))
    # Rows beyond all others keep their ranking, too.
    outside = RISE * room[[0, -1]] * np.array([-1, 1]) + [values[0][0], values[-1][-1]]
    far = [min(-WIDEST, knots[0][0] - 1)], [max(WIDEST, knots[-1][-1] + 1)]
    return np.concatenate([far[0], *knots, far[1]]), np.concatenate([outside[:1], *values, outside[1:]])


def _centre(z: Floats, weight: Floats, slope: float, level: float) -> float:
    """Return the score at which a line of this slope has the log-odds `level`, to keep the mean probability."""
    # Imported here because only fitting needs it.
    from scipy.optimize import brentq

    wanted = float(weight.sum() * expit(level))

    def excess(centre: float) -> float:
        return float(weight @ expit(level + slope * (z - centre))) - wanted

    return float(brentq(excess, z.min(), z.max()))
