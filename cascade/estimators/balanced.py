"""Balanced binary relevance: per label, several binary models on balanced samples, corrected for the sampling."""

from __future__ import annotations

import logging
from itertools import islice
from typing import Any, Self

import numpy as np
from joblib import Parallel, delayed
from joblib.parallel import get_active_backend
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import check_is_fitted

from cascade.data.label_matrix import LabelMatrix
from cascade.data.rows import makes_batches, n_rows, subset
from cascade.data.sample_weight import check_weight
from cascade.data.targets import read_known_target
from cascade.errors import ConfigError
from cascade.estimators.base import LogOddsClassifier
from cascade.estimators.fit_on_rows import fit_with, fresh, refuse_class_weight
from cascade.estimators.linear import mean_of
from cascade.estimators.scoring import positive_proba
from cascade.estimators.validation import validate_rows
from cascade.rules.label_plan import varying_labels
from cascade.rules.probability.prior_correction import sampling_shift
from cascade.utils.log_odds import log_odds
from cascade.utils.progress import step
from cascade.utils.types import Floats, ProbabilityEstimator

logger = logging.getLogger(__name__)


class BalancedBinaryRelevance(LogOddsClassifier):
    """One balanced binary model per label, in several bags.

    Each bag keeps all rows of the rarer side of a label and as many of the other side, drawn at random by
    imbalanced-learn's `RandomUnderSampler` on row numbers. The log-odds that the sampling added are subtracted again
    (`cascade.rules.probability.prior_correction.sampling_shift`), so `predict_proba` estimates p(y_k | x) on the rows
    given to `fit`.

    Parameters
    ----------
    estimator : estimator
        Binary classifier with `predict_proba`. It must not weight classes itself (`class_weight`).
    n_bags : int, default=10
        Number of samples per label; the log-odds of their models are averaged.
    n_jobs : int, optional
        Number of fits in parallel, as in joblib.
    random_state : int, default=0

    Attributes
    ----------
    estimators_ : list of lists of estimators, one list per label
        Empty for a label that is constant on the rows given to `fit`.
    prior_shift_ : ndarray of float, shape (L,)
        Log-odds added at predict time, as a mean over the bags.
    share_ : ndarray of float, shape (L,)
        Smoothed prevalence on the rows given to `fit`; the probability of a constant label.
    classes_ : ndarray
        0 to L - 1, or the two classes of a vector.

    Examples
    --------
    >>> from scipy.special import expit
    >>> from sklearn.linear_model import LogisticRegression
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(5000, 3))
    >>> Y = (rng.random((5000, 2)) < expit(X[:, :2] - 3)).astype(int)
    >>> model = BalancedBinaryRelevance(LogisticRegression(), n_bags=3).fit(X, Y)
    >>> bool(np.all(abs(model.predict_proba(X).sum(axis=0) / Y.sum(axis=0) - 1) < 0.1))
    True
    """

    takes_missing_labels = True

    def __init__(self, estimator: Any, n_bags: int = 10, n_jobs: int | None = None, random_state: int = 0) -> None:
        self.estimator = estimator
        self.n_bags = n_bags
        self.n_jobs = n_jobs
        self.random_state = random_state

    @property
    def makes_batches(self) -> bool:
        """Whether the base estimator fetches rows by number, so that sampling copies nothing."""
        return makes_batches(self.estimator)

    def fit(
        self,
        X: Any,
        y: Any,
        groups: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
        trunk: Any = None,
    ) -> Self:
        """Fit all bags of all labels.

        Parameters
        ----------
        X : rows, n of them
        y : array-like of 0/1, shape (n, L), or of two classes, shape (n,)
            A row on which a label is NaN or masked is left out of the models of that label only.
        groups, sample_weight : array-like, shape (n,), optional
            Passed on to the base estimator for the sampled rows.
        trunk : fitted estimator, optional
            Passed on to a base estimator that can start from the trunk of another one.
        """
        if self.n_bags < 1:
            raise ConfigError(f"`n_bags` must be 1 or more. Received {self.n_bags}.")
        if self.n_jobs == 0:
            raise ConfigError("`n_jobs` must not be 0; -1 uses all cores. Received 0.")
        refuse_class_weight(self.estimator, "estimator")
        X = validate_rows(self, X, reset=True)
        labels, self.target_form_ = read_known_target(y, n_rows(X))
        weight = check_weight(sample_weight, len(labels))
        optional = {"groups": groups, "sample_weight": sample_weight}
        extra = {name: np.asarray(values) for name, values in optional.items() if values is not None}
        self._fit_bags(X, labels, weight, extra, trunk)
        # Half a row of each class keeps the log-odds of a constant label finite.
        self.share_ = (weight @ labels.values + 0.5) / (labels.weight_per_label(weight) + 1.0)
        self.classes_ = self.target_form_.classes
        return self

    def _fit_bags(self, X: Any, labels: LabelMatrix, weight: Floats, extra: dict[str, Any], trunk: Any) -> None:
        varying = varying_labels(labels.part(weight > 0)).tolist()
        # The seed depends on label and bag alone, so that the number of jobs changes no model.
        fitted = _parallel(self.n_jobs)(
            delayed(self._fit_one)(X, labels.values[:, k], weight_k, extra, trunk, (self.random_state, k, bag))
            for k in varying
            for weight_k in [labels.weight_of(weight, k)]
            for bag in range(self.n_bags)
        )
        n_labels = labels.shape[1]
        self.estimators_: list[list[ProbabilityEstimator]] = [[] for _ in range(n_labels)]
        self.prior_shift_ = np.zeros(n_labels)
        fitted = iter(fitted)
        with step("bags", self.n_bags * len(varying), "models") as advance:
            for k in varying:
                shifts = []
                for estimator, shift in islice(fitted, self.n_bags):
                    self.estimators_[k].append(estimator)
                    shifts.append(shift)
                    advance(1)
                self.prior_shift_[k] = np.mean(shifts)
                logger.info("label %d: %d bags fitted, prior shift %+.2f", k, self.n_bags, self.prior_shift_[k])

    def _fit_one(
        self, X: Any, y: NDArray[np.uint8], weight: Floats, extra: dict[str, Any], trunk: Any, seed: tuple[int, ...]
    ) -> tuple[ProbabilityEstimator, float]:
        # Rows of weight 0 are not drawn: if a class had no other rows, the share that it keeps would be 0 / 0.
        counted = np.flatnonzero(weight > 0)
        rows = counted[_balanced_rows(y[counted], seed)]
        estimator = fresh(self.estimator, seed)
        sampled = {name: values[rows] for name, values in extra.items()}
        fit_with(estimator, subset(X, rows, estimator), y[rows], trunk=trunk, **sampled)
        return estimator, float(sampling_shift(_kept(1 - y, rows, weight), _kept(y, rows, weight)))

    def predict_log_odds(self, X: Any) -> Floats:
        """Return log-odds, corrected to the prevalence of the rows given to `fit`; float of shape (n, L)."""
        check_is_fitted(self)
        X = validate_rows(self, X, reset=False)
        z = np.tile(log_odds(self.share_), (n_rows(X), 1))
        for k, bags in enumerate(self.estimators_):
            if bags:
                # A mean of log-odds, not of probabilities: the shift is a constant only on this scale.
                z[:, k] = mean_of([log_odds(positive_proba(bag, X, 1)[:, 0]) for bag in bags])
                z[:, k] += self.prior_shift_[k]
        return z

    def _parts(self) -> list[ProbabilityEstimator | None]:
        return [self.estimator]


def _parallel(n_jobs: int | None) -> Parallel:
    # Progress is logged as models are fitted; only Ray's backend cannot return a generator.
    backend, _ = get_active_backend()
    return Parallel(n_jobs, return_as="generator" if backend.supports_return_generator else "list")


def _balanced_rows(y: NDArray[np.uint8], seed: tuple[int, ...]) -> NDArray[np.intp]:
    from imblearn.under_sampling import RandomUnderSampler

    # A stream apart from that of `fresh`, so that sample and model do not share random numbers.
    word = int(np.random.SeedSequence([*seed, 1]).generate_state(1)[0] >> 1)
    numbers = np.arange(len(y))[:, None]
    kept, _ = RandomUnderSampler(random_state=word).fit_resample(numbers, y)
    return np.sort(kept[:, 0])


def _kept(side: NDArray[np.uint8], rows: NDArray[np.intp], weight: Floats) -> float:
    """Return the share of the weight of one class that the sample kept."""
    # Rounding may lift the share above 1, which `sampling_shift` refuses.
    return min(1.0, float(weight[rows] @ side[rows] / (weight @ side)))
