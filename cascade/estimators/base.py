"""Bases of the scikit-learn classifiers of this package: tags, and predictions from log-odds."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import InputTags, Tags, get_tags

from cascade.data.targets import TargetForm
from cascade.utils.types import Floats, ProbabilityEstimator


class MultilabelClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Base of classifiers for a binary or multi-label target, as declared by scikit-learn's tags."""

    one_column_a_label = True

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = False
        tags.classifier_tags.multi_label = True
        tags.target_tags.multi_output = True
        # All parts are fitted on the same rows, so what one of them refuses is refused.
        inner = [_input_tags(part) for part in self._parts()]
        tags.input_tags.sparse = all(part.sparse for part in inner)
        tags.input_tags.allow_nan = bool(inner) and all(part.allow_nan for part in inner)
        return tags

    def _parts(self) -> list[ProbabilityEstimator | None]:
        """Return the estimators that the rows are passed on to; their input tags become those of this one."""
        return []


class LogOddsClassifier(MultilabelClassifier):
    """Base of classifiers that predict log-odds, from which probabilities and classes follow.

    A subclass has `predict_log_odds` and, after `fit`, a `target_form_`.
    """

    target_form_: TargetForm

    def predict_log_odds(self, X: Any) -> Floats:
        """Return the log-odds of each label; float of shape (n, L)."""
        raise NotImplementedError

    def predict_proba(self, X: Any) -> Floats:
        """Return the probability of each label: float of shape (n, L), or (n, 2) where the target was a vector."""
        proba: Floats = expit(self.predict_log_odds(X))
        return self.target_form_.proba(proba)

    def decision_function(self, X: Any) -> Floats:
        """Return log-odds, positive where `predict` gives a 1: float of shape (n, L), or (n,) for a vector."""
        margin = self.predict_log_odds(X)
        return self.target_form_.decision(margin)

    def predict(self, X: Any) -> NDArray[Any]:
        """Return labels at probability 0.5: int of shape (n, L), or classes of shape (n,) for a vector."""
        bits = self.predict_log_odds(X) > 0
        return self.target_form_.decode(bits.astype(np.int64))


def _input_tags(part: Any) -> InputTags:
    # A part without tags is assumed to take everything, and may still refuse it in `fit`. None becomes a default model,
    # which is chosen by the rows.
    if hasattr(part, "__sklearn_tags__"):
        tags = get_tags(part).input_tags
        tags.allow_nan = tags.allow_nan or _hands_nan_on(part)
        return tags
    return InputTags(sparse=True, allow_nan=True)


def _hands_nan_on(part: Any) -> bool:
    """Return whether an estimator inside a wrapper or pipeline takes NaN."""
    # The tags of scikit-learn's wrappers deny NaN whatever they wrap; in a pipeline one step, an imputer, is enough.
    inner = [part.estimator] if hasattr(part, "estimator") else [step for _, step in getattr(part, "steps", [])]
    return any(_input_tags(one).allow_nan for one in inner if hasattr(one, "__sklearn_tags__"))
