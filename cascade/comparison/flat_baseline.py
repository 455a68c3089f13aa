"""The flat model: all labels of every row from one model without a gate; the baseline of a cascade."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit
from sklearn.utils.validation import check_is_fitted

from cascade.data.label_matrix import LabelMatrix
from cascade.data.rows import n_rows
from cascade.data.sample_weight import check_weight
from cascade.data.splits import group_numbers, grouped_folds, grouped_holdout
from cascade.data.targets import read_known_target
from cascade.errors import DataError
from cascade.estimators.base import MultilabelClassifier
from cascade.estimators.fit_on_rows import fit_labels, fresh
from cascade.estimators.scoring import block_log_odds
from cascade.estimators.validation import validate_rows
from cascade.rules.label_plan import varying_labels
from cascade.rules.probability.calibration import check_method, fit_calibration
from cascade.rules.thresholds.chance import chance_test
from cascade.rules.thresholds.decisions import DecisionOption, decision_thresholds, each_decision
from cascade.utils.log_odds import log_odds
from cascade.utils.types import Floats, Rows


class FlatClassifier(MultilabelClassifier):
    """A multi-label model without a gate, with calibration and thresholds fitted on rows that it has not seen.

    Parameters
    ----------
    estimator : estimator
        Multi-label classifier with `predict_proba`.
    decision : decision, default="f1"
        As in `CascadeClassifier`.
    calibration : {"none", "platt", "beta", "isotonic"}, default="none"
        As in `CascadeClassifier`; "none" returns the probabilities of the estimator unchanged.
    calibration_size : float, default=0.2
        Share of the rows, in whole groups, held out for calibration and thresholds.
    calibration_folds : int, optional
        If given, fit both on out-of-fold probabilities of all rows instead.
    random_state : int, default=0

    Attributes
    ----------
    estimator_ : fitted estimator, or None where no label varies
    learned_ : ndarray of int
        Columns that the estimator predicts. A label without both classes among the fitting rows is predicted as its
        smoothed share.
    share_ : ndarray of float, shape (L,)
        Smoothed share of each label among the fitting rows.
    calibration_ : Calibration, IsotonicCalibration or None
        One map of log-odds per label; None without calibration.
    thresholds_ : ndarray of float, shape (L,)
    classes_ : ndarray
        0 to L - 1, or the two classes of a vector.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.multioutput import MultiOutputClassifier
    >>> X = np.random.default_rng(0).normal(size=(500, 2))
    >>> model = FlatClassifier(MultiOutputClassifier(LogisticRegression())).fit(X, (X > 1).astype(int))
    >>> model.predict([[3.0, 0.0]])
    array([[1, 0]])
    """

    takes_missing_labels = True

    def __init__(
        self,
        estimator: Any,
        *,
        decision: DecisionOption = "f1",
        calibration: str = "none",
        calibration_size: float = 0.2,
        calibration_folds: int | None = None,
        random_state: int = 0,
    ) -> None:
        self.estimator = estimator
        self.decision = decision
        self.calibration = calibration
        self.calibration_size = calibration_size
        self.calibration_folds = calibration_folds
        self.random_state = random_state

    def fit(self, X: Any, y: Any, groups: ArrayLike | None = None, sample_weight: ArrayLike | None = None) -> Self:
        """Fit the model, then calibration and thresholds on rows that it has not seen.

        Parameters
        ----------
        X : rows, n of them
        y : array-like of 0/1, shape (n, L), or of two classes, shape (n,)
            A row is left out for a label that is NaN or masked.
        groups, sample_weight : array-like, shape (n,), optional
        """
        check_method(self.calibration)
        X = validate_rows(self, X, reset=True, min_rows=2)
        labels, self.target_form_ = read_known_target(y, n_rows(X))
        names = [str(k) for k in range(labels.shape[1])]
        decisions = each_decision(self.decision, None, names)
        weight = None if sample_weight is None else check_weight(sample_weight, len(labels))
        given = {"groups": None if groups is None else np.asarray(groups), "sample_weight": weight}
        # A row without any known label can neither fit the model nor a threshold.
        rows = labels.rows_with_known_label()
        if self.calibration_folds is None:
            group = _of(given["groups"], rows)
            held = grouped_holdout(labels.values[rows], group, self.calibration_size, self.random_state)
            self._fit_on(X, labels, rows[~held], given)
            unseen, proba = rows[held], self._raw_proba(X, rows[held])
        else:
            # The folds come first: each of their fits overwrites `estimator_`, and the last fit has to be on all rows.
            unseen, proba = rows, self._out_of_fold(X, labels, rows, self.calibration_folds, given)
            self._fit_on(X, labels, rows, given)
        # Without a gate, every row passes.
        passed, unseen_weight = np.ones(len(unseen), dtype=bool), _of(weight, unseen)
        self.calibration_ = None
        if self.calibration != "none":
            self.calibration_ = fit_calibration(log_odds(proba), labels.part(unseen), unseen_weight, self.calibration)
        group = group_numbers(_of(given["groups"], unseen), len(unseen))
        counted = np.ones(len(unseen)) if unseen_weight is None else unseen_weight
        self.thresholds_ = decision_thresholds(
            decisions,
            names,
            self._calibrated(proba),
            passed,
            labels.part(unseen),
            unseen_weight,
            # Thresholds of rare labels lean on the probabilities only if these were calibrated.
            calibrated=self.calibration_ is not None,
            # The raw probabilities, since a calibration was fitted on these labels.
            chance=chance_test(proba, labels.part(unseen), counted, group),
            stacklevel=3,
        )
        self.classes_ = self.target_form_.classes
        return self

    def _fit_on(self, X: Any, labels: LabelMatrix, rows: Rows, given: dict[str, Any]) -> None:
        if not len(rows):
            raise DataError("`groups` must hold at least two groups, since one is held out. Received one.")
        extra = {name: _of(values, rows) for name, values in given.items()}
        weight, fitting = check_weight(extra["sample_weight"], len(rows)), labels.part(rows)
        # Half a count added to each class (Jeffreys), so that no constant probability is exactly 0 or 1.
        self.share_ = (weight @ fitting.values + 0.5) / (fitting.weight_per_label(weight) + 1.0)
        self.learned_ = varying_labels(fitting)
        # Most learners raise for a target with one class, so only labels that vary are fitted.
        self.estimator_ = None
        if len(self.learned_):
            # Gate and labeler of a cascade are seeded with 0 and 1; the 2 makes an independent stream.
            estimator = fresh(self.estimator, [self.random_state, 2])
            self.estimator_ = fit_labels(estimator, X, rows, labels.part(rows, self.learned_), **extra)

    def _out_of_fold(self, X: Any, labels: LabelMatrix, rows: Rows, n_folds: int, given: dict[str, Any]) -> Floats:
        folds = grouped_folds(labels.values[rows], _of(given["groups"], rows), n_folds, self.random_state)
        proba = np.empty((len(rows), labels.shape[1]))
        for fold in range(n_folds):
            self._fit_on(X, labels, rows[folds != fold], given)
            proba[folds == fold] = self._raw_proba(X, rows[folds == fold])
        return proba

    def _calibrated(self, proba: Floats) -> Floats:
        return proba if self.calibration_ is None else expit(self.calibration_(log_odds(proba)))

    def _raw_proba(self, X: Any, rows: Rows) -> Floats:
        proba = np.tile(self.share_, (len(rows), 1))
        if self.estimator_ is not None:
            proba[:, self.learned_] = expit(block_log_odds(self.estimator_, X, rows, len(self.learned_)))
        return proba

    def predict_proba(self, X: Any) -> Floats:
        """Return calibrated or raw probabilities; float of shape (n, L), or (n, 2) if the target was a vector."""
        return self.target_form_.proba(self._label_proba(X))

    def predict(self, X: Any) -> NDArray[Any]:
        """Return 0/1 of shape (n, L), or classes of shape (n,) if the target was a vector."""
        bits = self._label_proba(X) >= self.thresholds_
        return self.target_form_.decode(bits.astype(np.int64))

    def _label_proba(self, X: Any) -> Floats:
        check_is_fitted(self)
        X = validate_rows(self, X, reset=False)
        return self._calibrated(self._raw_proba(X, np.arange(n_rows(X))))

    def _parts(self) -> list[Any]:
        return [self.estimator]


def _of(values: NDArray[Any] | None, rows: Rows) -> NDArray[Any] | None:
    return None if values is None else values[rows]
