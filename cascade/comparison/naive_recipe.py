"""The literal recipe: a gate and balanced models without corrections, as a contender of the comparison."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit

from cascade.data.rows import n_rows, subset
from cascade.data.targets import read_target
from cascade.estimators.balanced import BalancedBinaryRelevance
from cascade.estimators.base import MultilabelClassifier
from cascade.estimators.fit_on_rows import fit_with, fresh
from cascade.estimators.scoring import block_proba
from cascade.rules.rules import Prediction
from cascade.utils.types import Floats


class NaiveRecipe(MultilabelClassifier):
    """A gate at 0.5, then one model per label on a 50/50 sample of all rows, at 0.5, without prior correction.

    Parameters
    ----------
    gate, estimator : binary classifiers with `predict_proba`
    random_state : int, default=0

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> X = np.random.default_rng(0).normal(size=(500, 2))
    >>> model = NaiveRecipe(LogisticRegression(), LogisticRegression()).fit(X, (X > 1).astype(int))
    >>> model.predict([[3.0, 0.0]]).shape
    (1, 2)
    """

    def __init__(self, gate: Any, estimator: Any, random_state: int = 0) -> None:
        self.gate = gate
        self.estimator = estimator
        self.random_state = random_state

    def fit(self, X: Any, y: Any, groups: ArrayLike | None = None) -> Self:
        """Fit gate and labeler on all rows."""
        # All rows, although the labeler predicts only those that pass: the recipe ignores this difference.
        Y, self.target_form_ = read_target(y, n_rows(X))
        given = {"groups": None if groups is None else np.asarray(groups)}
        gate = fresh(self.gate, [self.random_state, 0])
        target = Y.any(axis=1).astype(np.int64)
        self.gate_ = fit_with(gate, subset(X, np.arange(len(Y)), gate), target, **given)
        labeler = BalancedBinaryRelevance(self.estimator, n_bags=1, random_state=self.random_state)
        self.labeler_ = labeler.fit(X, Y, **given)
        self.classes_ = self.target_form_.classes
        return self

    def examine(self, X: Any) -> Prediction:
        """Predict, and report which rows passed the gate."""
        rows = np.arange(n_rows(X))
        gate = block_proba(self.gate_, X, rows, 1)[:, 0]
        passed = gate >= 0.5
        proba = np.zeros((len(rows), len(self.labeler_.prior_shift_)))
        if passed.any():
            z = self.labeler_.predict_log_odds(subset(X, rows[passed], self.labeler_))
            # The balanced labeler adds the prior shift to correct its log-odds; the recipe does not, so it is removed.
            proba[passed] = expit(z - self.labeler_.prior_shift_)
        return Prediction(gate, passed, proba, (proba >= 0.5).astype(np.uint8))

    def predict_proba(self, X: Any) -> Floats:
        """Return raw probabilities of the balanced models, 0 where the gate rejects; float of shape (n, L)."""
        return self.examine(X).proba

    def predict(self, X: Any) -> NDArray[Any]:
        """Return 0/1 at a threshold of 0.5; shape (n, L)."""
        return self.target_form_.decode(self.examine(X).labels)
