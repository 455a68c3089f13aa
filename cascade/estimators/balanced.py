"""Balanced binary relevance: per label, binary models on 50/50 samples in several bags, the shift undone."""

from __future__ import annotations

import logging
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
from cascade.estimators.scoring import positive_proba
from cascade.estimators.validation import validate_rows
from cascade.rules.label_plan import varying_labels
from cascade.rules.probability.prior_correction import sampling_shift
from cascade.utils.log_odds import log_odds
from cascade.utils.types import Floats

logger = logging.getLogger(__name__)


class BalancedBinaryRelevance(LogOddsClassifier):
    """One balanced binary model per label, in several bags.

    Each bag keeps all rows of the rarer side of a label and as many of the other side, drawn at random by
    imbalanced-learn's `RandomUnderSampler` on row numbers. The log-odds that the sampling added are taken off
    again (`cascade.rules.probability.prior_correction.sampling_shift`), so `predict_proba` estimates p(y_k | x) on the
    rows given to `fit`.

    Parameters
    ----------
    estimator : estimator
        Binary classifier with `predict_proba`. One that re-weights by itself (`class_weight`) is refused.
    n_bags : int, default=10
        Samples drawn per label; their models are averaged in log-odds.
    n_jobs : int, optional
        Fits in parallel, as in joblib.
    random_state : int, default=0

    Attributes
    ----------
    estimators_ : list of lists of estimators, one list per label
        Empty for a label that is constant on the rows given.
    prior_shift_ : ndarray of float, shape (L,)
        Mean over the bags of the log-odds added at predict time.
    share_ : ndarray of float, shape (L,)
        Smoothed prevalence on the rows given; the answer for a constant label.
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
        """Whether the base estimator fetches rows by number, so that nothing is copied by sampling."""
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
            A label that is NaN, or that a masked array hides, leaves its row out of that label's models only.
        groups, sample_weight : array-like, shape (n,), optional
            Handed to the base estimator row by row.
        trunk : fitted estimator, optional
            Handed to a base estimator that can start from another one's trunk.
        """
        if self.n_bags < 1:
            raise ConfigError(f"`n_bags` must be 1 or more. Received {self.n_bags}.")
        if self.n_jobs == 0:
            raise ConfigError("`n_jobs` must not be 0; -1 takes all cores. Received 0.")
        refuse_class_weight(self.estimator, "estimator")
        X = validate_rows(self, X, reset=True)
        labels, self.target_form_ = read_known_target(y, n_rows(X))
        weight = check_weight(sample_weight, len(labels))
        extra = {"groups": groups, "sample_weight": sample_weight}
        given = {name: np.asarray(values) for name, values in extra.items() if values is not None}
        self._fit_bags(X, labels, weight, given, trunk)
        self.share_ = (weight @ labels.values + 0.5) / (labels.weight_per_label(weight) + 1.0)
        self.classes_ = self.target_form_.classes
        return self

    def _fit_bags(self, X: Any, labels: LabelMatrix, weight: Floats, extra: dict[str, Any], trunk: Any) -> None:
        varying = varying_labels(labels.part(weight > 0)).tolist()
        fitted = _as_they_come(self.n_jobs)(
            delayed(self._fit_one)(X, labels.values[:, k], own, extra, trunk, (self.random_state, k, bag))
            for k in varying
            for own in [labels.weight_of(weight, k)]
            for bag in range(self.n_bags)
        )
        n_labels = labels.shape[1]
        self.estimators_: list[list[Any]] = [[] for _ in range(n_labels)]
        self.prior_shift_ = np.zeros(n_labels)
        fitted = iter(fitted)
        for k in varying:
            bags = [next(fitted) for _ in range(self.n_bags)]
            self.estimators_[k] = [estimator for estimator, _ in bags]
            self.prior_shift_[k] = np.mean([shift for _, shift in bags])
            logger.info("label %d: %d bags fitted, prior shift %+.2f", k, self.n_bags, self.prior_shift_[k])

    def _fit_one(
        self, X: Any, y: NDArray[np.uint8], weight: Floats, extra: dict[str, Any], trunk: Any, seed: tuple[int, ...]
    ) -> tuple[Any, float]:
        # Rows that stand for nobody are not drawn: a side that holds only them would have no share.
        counted = np.flatnonzero(weight > 0)
        rows = counted[_balanced_rows(y[counted], seed)]
        estimator = fresh(self.estimator, seed)
        sampled = {name: values[rows] for name, values in extra.items()}
        fit_with(estimator, subset(X, rows, estimator), y[rows], trunk=trunk, **sampled)
        return estimator, float(sampling_shift(_kept(1 - y, rows, weight), _kept(y, rows, weight)))

    def predict_log_odds(self, X: Any) -> Floats:
        """Corrected log-odds of each label on the population of the rows given to `fit`; float of shape (n, L)."""
        check_is_fitted(self)
        X = validate_rows(self, X, reset=False)
        answer = np.tile(log_odds(self.share_), (n_rows(X), 1))
        for k, bags in enumerate(self.estimators_):
            if bags:
                answer[:, k] = np.mean([log_odds(positive_proba(bag, X, 1)[:, 0]) for bag in bags], axis=0)
                answer[:, k] += self.prior_shift_[k]
        return answer

    def _parts(self) -> list[Any]:
        return [self.estimator]


def _as_they_come(n_jobs: int | None) -> Parallel:
    # Ray's backend knows only lists; the others hand out each model when it is fitted.
    backend, _ = get_active_backend()
    return Parallel(n_jobs, return_as="generator" if backend.supports_return_generator else "list")


def _balanced_rows(y: NDArray[np.uint8], seed: tuple[int, ...]) -> NDArray[np.intp]:
    from imblearn.under_sampling import RandomUnderSampler

    word = int(np.random.SeedSequence([*seed, 1]).generate_state(1)[0] >> 1)
    numbers = np.arange(len(y))[:, None]
    kept, _ = RandomUnderSampler(random_state=word).fit_resample(numbers, y)
    return np.sort(kept[:, 0])


def _kept(side: NDArray[np.uint8], rows: NDArray[np.intp], weight: Floats) -> float:
    """Share of the weight of one side that the sample kept; rounding must not lift it above 1."""
    return min(1.0, float(weight[rows] @ side[rows] / (weight @ side)))
