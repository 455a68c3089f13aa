"""Rows with many labels whose true p(y_k | x) is known: problems B and C, drawn without a dense label matrix.

Log-odds are linear in a few factors of x, which labels share: z_k = slope * <w_k, factors(x)> + b_k, where w_k has
length 1 and the factors are standard normal. Problem C draws each label separately, with b_k such that label k is on
its wanted number of rows. Problem B draws a fixed number of labels per row without replacement, in proportion to
exp(z_k).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.special import expit

from cascade.data.labels import SparseLabels
from cascade.errors import ConfigError
from cascade.utils.types import Floats32

N_FACTORS = 24
CHUNK = 2000
"""Rows whose probabilities are in memory at a time."""
GRID = np.linspace(-14.0, 6.0, 401)
"""Offsets for which the prevalence is tabulated."""


@dataclass(frozen=True)
class ManyLabels:
    """Rows, their labels, and the truth they were drawn from.

    Attributes
    ----------
    X : ndarray of float32, shape (n, d)
    Y : CSR matrix of 0/1, shape (n, L)
    direction : ndarray of float32, shape (d, L)
        slope * w_k in the space of x.
    offset : ndarray of float32, shape (L,)
        b_k.
    labels_per_row : int or None
        None where each label is drawn separately; `proba` is known only then.
    """

    X: Floats32
    Y: SparseLabels
    direction: Floats32
    offset: Floats32
    labels_per_row: int | None

    def log_odds(self, rows: NDArray[np.intp]) -> Floats32:
        """Return the true z of some rows, float32 of shape (len(rows), L). The best ranking is by these."""
        z: Floats32 = self.X[rows] @ self.direction
        z += self.offset
        return z

    def proba(self, rows: NDArray[np.intp]) -> Floats32:
        """Return the true p(y_k | x) of some rows, float32 of shape (len(rows), L), if labels are drawn separately."""
        if self.labels_per_row is not None:
            raise ConfigError("`proba` is not known where each row has a fixed number of labels; rank by `log_odds`.")
        return np.asarray(expit(self.log_odds(rows)), dtype=np.float32)


def draw_by_count(
    n: int, count: NDArray[np.float64], n_features: int = 300, slope: float = 1.8, seed: int = 0
) -> ManyLabels:
    """Draw labels separately, label k on about `count[k]` of `n` rows.

    Examples
    --------
    >>> drawn = draw_by_count(5000, np.array([50.0, 500.0]), n_features=30)
    >>> drawn.Y.shape, bool((abs(drawn.Y.sum(axis=0) / [50, 500] - 1) < 0.5).all())
    ((5000, 2), True)
    """
    rng = np.random.default_rng(seed)
    X, direction = _features(n, len(count), n_features, slope, rng)
    drawn = ManyLabels(X, None, direction, _offsets(count / n, slope), None)
    # Sparse per chunk: the dense matrix of problem C would have 632 million entries.
    blocks = [
        sparse.csr_array(rng.random((len(rows), len(count)), dtype=np.float32) < drawn.proba(rows))
        for rows in chunks(n)
    ]
    Y = sparse.vstack(blocks, format="csr").astype(np.uint8)
    return ManyLabels(X, Y, direction, drawn.offset, None)


def draw_fixed_number(
    n: int, n_labels: int, labels_per_row: int, n_features: int = 300, slope: float = 2.5, seed: int = 0
) -> ManyLabels:
    """Draw exactly `labels_per_row` labels on each row, labels being of unequal frequency.

    References
    ----------
    Kool, van Hoof & Welling (2019), Stochastic beams and where to find them: adding Gumbel noise and taking the largest
    draws without replacement.

    Examples
    --------
    >>> drawn = draw_fixed_number(100, 20, 3, n_features=30)
    >>> np.unique(drawn.Y.sum(axis=1)).tolist()
    [3]
    """
    if not 0 < labels_per_row < n_labels:
        raise ConfigError(f"`labels_per_row` must be between 1 and {n_labels - 1}. Received {labels_per_row}.")
    rng = np.random.default_rng(seed)
    X, direction = _features(n, n_labels, n_features, slope, rng)
    offset = rng.normal(size=n_labels).astype(np.float32)
    drawn = ManyLabels(X, None, direction, offset, labels_per_row)
    columns = np.concatenate([_largest(drawn.log_odds(rows), labels_per_row, rng) for rows in chunks(n)])
    start = np.arange(n + 1) * labels_per_row
    Y = sparse.csr_array((np.ones(columns.size, dtype=np.uint8), columns.ravel(), start), shape=(n, n_labels))
    Y.sort_indices()
    return ManyLabels(X, Y, direction, offset, labels_per_row)


def counts_like_problem_c(n_rows: int, n_labels: int) -> NDArray[np.float64]:
    """Label counts from 900 to 12,000 of 80,000 rows, in proportion; 130 labels per row at 7,900 labels."""
    rank = np.linspace(0, 1, n_labels)
    # Few labels are frequent: the power was solved for a mean of 1,316 rows per label.
    return np.asarray((900 + 11_100 * rank**SKEW) * n_rows / 80_000, dtype=np.float64)


SKEW = 25.69


def chunks(n: int) -> Iterator[NDArray[np.intp]]:
    """Yield row numbers in chunks whose probabilities fit in memory."""
    for start in range(0, n, CHUNK):
        yield np.arange(start, min(start + CHUNK, n))


def _features(
    n: int, n_labels: int, n_features: int, slope: float, rng: np.random.Generator
) -> tuple[Floats32, Floats32]:
    if n_features < N_FACTORS:
        raise ConfigError(f"`n_features` must be at least {N_FACTORS}, the factors of x. Received {n_features}.")
    X = rng.standard_normal((n, n_features), dtype=np.float32)
    # Orthonormal directions of standard normal features are standard normal factors.
    basis = np.linalg.qr(rng.normal(size=(n_features, N_FACTORS)))[0]
    weights = rng.normal(size=(N_FACTORS, n_labels))
    # Weights of equal length give the log-odds of every label the same spread.
    weights *= slope / np.linalg.norm(weights, axis=0)
    return X, (basis @ weights).astype(np.float32)


def _offsets(share: NDArray[np.float64], slope: float) -> Floats32:
    """Find each label's b, for which the mean of expit(b + slope * normal) is the wanted share."""
    # Gauss-Hermite quadrature; the mean grows with b, so interpolation inverts the table.
    nodes, weights = np.polynomial.hermite_e.hermegauss(61)
    mean = expit(GRID[:, None] + slope * nodes) @ (weights / weights.sum())
    return np.interp(share, mean, GRID).astype(np.float32)


def _largest(z: Floats32, k: int, rng: np.random.Generator) -> NDArray[np.intp]:
    # The k largest of log-odds plus Gumbel noise are k draws without replacement (Kool et al., 2019).
    noisy = z + rng.gumbel(size=z.shape).astype(np.float32)
    return np.argpartition(-noisy, k - 1, axis=1)[:, :k]
