"""The cascade: a gate on every row, a labeler behind it, and the rules that merge both."""

from __future__ import annotations

import logging
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.dummy import DummyClassifier
from sklearn.utils import get_tags
from sklearn.utils.validation import check_is_fitted

from cascade.errors import ConfigError, DataError
from cascade.estimators import MultilabelClassifier, block_proba, fit_with, fresh
from cascade.features import check_rows
from cascade.fingerprint import fingerprint
from cascade.labels import LabelPlan, Labels, find_any_label, name_labels, plan_labels
from cascade.merge import check_pool, pool_rows
from cascade.predictor import CascadePredictor, Prediction, Thresholds
from cascade.priors import log_odds
from cascade.rows import Rows, makes_batches, n_rows, subset
from cascade.rule_fitting import fit_rules
from cascade.rules import Rules
from cascade.signature import InputSignature
from cascade.splits import grouped_holdout
from cascade.targets import read_target
from cascade.thresholds import check_decision
from cascade.weights import check_weight

logger = logging.getLogger(__name__)

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class _Examples:
    """Validated training data: rows, labels, and what comes with each row."""

    X: Any
    Y: Labels
    groups: NDArray[Any] | None
    weight: Floats | None

    def extra(self, rows: Rows) -> dict[str, Any]:
        """Give the fit arguments that belong to some rows."""
        given = {"groups": self.groups, "sample_weight": self.weight}
        return {name: None if values is None else values[rows] for name, values in given.items()}


class CascadeClassifier(MultilabelClassifier):
    """Two-stage multi-label classifier for labels that are mostly absent.

    Parameters
    ----------
    gate : estimator, optional
        Binary classifier with `predict_proba`: is any label present? Default: a Keras network suited to X.
    labeler : estimator, optional
        Multi-label classifier with `predict_proba`, such as `BalancedBinaryRelevance`. Default: a Keras
        network suited to X, trained on rows with a label.
    any_label : str or None, default="auto"
        Which column equals the OR of the others; it is given by the gate and not fitted.
    label_names : sequence of str, optional
        Default: the columns of a data frame `y`, else label_0, label_1, ...
    negative_pool : {"positives", "all"}, default="positives"
        Rows the labeler is trained on: those with a label, or all. Recorded, and decides the merge.
    calibration_size : float, default=0.2
        Share of the groups held out of both fits, for calibration and thresholds.
    gate_recall : float, default=0.95
        Recall of every label wanted at the gate on the held-out rows.
    decision : "f1" or float, default="f1"
        Bits by the threshold of largest F1 of each label, or by one threshold for all probabilities.
    share_trunk : bool, default=False
        Start the labeler from the gate's trunk, where both are Keras networks of one kind.
    random_state : int, default=0

    Attributes
    ----------
    predictor_ : CascadePredictor
        The finished cascade, which answers all predictions.
    gate_, labeler_ : fitted estimators
    gate_threshold_ : GateThreshold
        The gate's threshold with positives and kept positives of each label.
    any_label_ : str or None
    classes_ : ndarray
        0 to L - 1, or the two classes of a vector.
    n_features_in_ : int
        Only where rows are vectors.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> from cascade import BalancedBinaryRelevance
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(3000, 2))
    >>> Y = np.column_stack([X > 1.3, (X > 1.3).any(axis=1)]).astype(int)
    >>> model = CascadeClassifier(LogisticRegression(), BalancedBinaryRelevance(LogisticRegression()))
    >>> model.fit(X, Y).any_label_
    'label_2'
    >>> proba = model.predict_proba(X)
    >>> bool(np.all(proba[:, 2] >= proba[:, :2].max(axis=1)))
    True
    """

    def __init__(
        self,
        gate: Any = None,
        labeler: Any = None,
        *,
        any_label: str | None = "auto",
        label_names: Any = None,
        negative_pool: str = "positives",
        calibration_size: float = 0.2,
        gate_recall: float = 0.95,
        decision: str | float = "f1",
        share_trunk: bool = False,
        random_state: int = 0,
    ) -> None:
        self.gate = gate
        self.labeler = labeler
        self.any_label = any_label
        self.label_names = label_names
        self.negative_pool = negative_pool
        self.calibration_size = calibration_size
        self.gate_recall = gate_recall
        self.decision = decision
        self.share_trunk = share_trunk
        self.random_state = random_state

    def fit(self, X: Any, y: Any, groups: ArrayLike | None = None, sample_weight: ArrayLike | None = None) -> Self:
        """Fit gate and labeler, then calibration and thresholds on groups that neither has seen.

        Parameters
        ----------
        X : rows, n of them
            Anything scikit-learn can index, or an object with a length that returns a batch for row numbers.
        y : array-like, data frame or sparse matrix of 0/1, shape (n, L), or of two classes, shape (n,)
        groups : array-like, shape (n,), optional
            Rows of one group are never on both sides of a split.
        sample_weight : array-like of float >= 0, shape (n,), optional
            How many rows of the population each row stands for; only the ratios count.

        Raises
        ------
        DataError, ConfigError
        """
        check_pool(self.negative_pool)
        check_decision(self.decision)
        if not 0 < self.gate_recall <= 1:
            raise ConfigError(f"`gate_recall` must lie in (0, 1]. Received {self.gate_recall}.")
        X = check_rows(self, X, reset=True, min_rows=2)
        labels, self.target_form_ = read_target(y, n_rows(X))
        columns = getattr(y, "columns", None) if self.label_names is None else self.label_names
        names = name_labels(columns, labels.shape[1])
        found = find_any_label(labels, names, self.any_label)
        if found.note:
            warnings.warn(found.note, stacklevel=2)
        logger.info("any: %s", "no column" if found.index is None else f"column {names[found.index]!r} is the gate")
        self.any_label_ = None if found.index is None else names[found.index]
        self.classes_ = self.target_form_.classes
        weight = None if sample_weight is None else check_weight(sample_weight, len(labels))
        self._fit(_Examples(X, labels, None if groups is None else np.asarray(groups), weight), names, found.index)
        return self

    def _fit(self, examples: _Examples, names: tuple[str, ...], any_index: int | None) -> None:
        X, Y = examples.X, examples.Y
        held = grouped_holdout(Y, examples.groups, self.calibration_size, self.random_state)
        fitting, calibrating = np.flatnonzero(~held), np.flatnonzero(held)
        if not len(fitting) or not len(calibrating):
            raise DataError("`groups` must hold at least two groups, since one is held out. Received one.")
        if not Y[calibrating].any():
            warnings.warn("no held-out row has a label: every row is examined, nothing is calibrated.", stacklevel=3)
        _report_unseen(Y[fitting], Y[calibrating], names)
        plan = plan_labels(Y[fitting], any_index, examples.extra(fitting)["sample_weight"])
        _report_constant(Y[fitting], plan, names)
        _check_stage(self.gate, "gate", 1)
        _check_stage(self.labeler, "labeler", len(plan.learned))
        self.gate_ = self._fit_gate(examples, fitting)
        self.labeler_ = self._fit_labeler(examples, fitting, plan)
        logger.info("calibration: %d held-out rows", len(calibrating))
        rules = self._fit_rules(examples, calibrating, names, plan)
        provenance = {
            "data": fingerprint(X, Y, examples.groups),
            "rows_fitted": len(fitting),
            "rows_calibrated": len(calibrating),
        }
        self.predictor_ = CascadePredictor(self.gate_, self.labeler_, rules, InputSignature.of(X), provenance)

    def _fit_gate(self, examples: _Examples, rows: Rows) -> Any:
        target = np.asarray(examples.Y[rows].any(axis=1), dtype=np.int64)
        logger.info("gate: %d rows, %d with a label", len(rows), target.sum())
        if target.min() == target.max():
            # Nothing to learn: the prior answers, and the warning about constant labels has said so.
            return DummyClassifier(strategy="prior").fit(np.zeros((len(target), 1)), target)
        gate = fresh(self._default("gate", examples.X) if self.gate is None else self.gate, [self.random_state, 0])
        return fit_with(gate, subset(examples.X, rows, gate), target, **examples.extra(rows))

    def _fit_labeler(self, examples: _Examples, fitting: Rows, plan: LabelPlan) -> Any:
        if not len(plan.learned):
            return None
        rows = fitting[pool_rows(examples.Y[fitting], self.negative_pool)]
        logger.info("labeler: %d rows, %d labels", len(rows), len(plan.learned))
        chosen = self._default("labeler", examples.X) if self.labeler is None else self.labeler
        labeler = fresh(chosen, [self.random_state, 1])
        target = examples.Y[np.ix_(rows, plan.learned)].astype(np.int64)
        # One column is a binary problem to scikit-learn's own estimators.
        y = target[:, 0] if target.shape[1] == 1 else target
        trunk = self._trunk(labeler) if self.share_trunk else None
        return fit_with(labeler, subset(examples.X, rows, labeler), y, trunk=trunk, **examples.extra(rows))

    def _fit_rules(self, examples: _Examples, rows: Rows, names: tuple[str, ...], plan: LabelPlan) -> Rules:
        def labeler_scores(numbers: Rows) -> Floats:
            if self.labeler_ is None:
                return np.empty((len(numbers), 0))
            return log_odds(block_proba(self.labeler_, examples.X, rows[numbers], len(plan.learned)))

        gate_z = log_odds(block_proba(self.gate_, examples.X, rows, 1)[:, 0])
        weight = examples.extra(rows)["sample_weight"]
        rules, self.gate_threshold_ = fit_rules(
            names,
            plan,
            self.negative_pool,
            gate_z,
            labeler_scores,
            examples.Y[rows],
            weight,
            self.gate_recall,
            self.decision,
        )
        return rules

    def _trunk(self, labeler: Any) -> Any:
        if not (makes_batches(self.gate_) and makes_batches(labeler)):
            kinds = f"{type(self.gate_).__name__} and {type(labeler).__name__}"
            raise ConfigError(f"`share_trunk` needs Keras networks as gate and labeler. Received {kinds}.")
        return self.gate_

    def _default(self, role: str, X: Any) -> Any:
        from cascade.neural import suited_classifier

        return suited_classifier(role, X)

    def predict(self, X: Any, gate_threshold: float | None = None, thresholds: Thresholds = None) -> NDArray[Any]:
        """0/1 of shape (n, L), or classes of shape (n,) where the target was a vector."""
        answer = self.examine(X, gate_threshold, thresholds)
        return self.target_form_.decode(answer.labels)

    def predict_proba(self, X: Any, gate_threshold: float | None = None) -> Floats:
        """Coherent probabilities of shape (n, L), or (n, 2) where the target was a vector."""
        answer = self.examine(X, gate_threshold)
        return self.target_form_.proba(answer.proba)

    def decision_function(self, X: Any) -> Floats:
        """Log-odds above the decision threshold, positive where `predict` gives a 1; (n, L), or (n,) for a vector."""
        answer = self.examine(X)
        return self.target_form_.decision(self.predictor_.rules.margin(answer.proba, answer.passed_gate))

    def gate_proba(self, X: Any) -> Floats:
        """Probability that a row has some label; float of shape (n,)."""
        predictor = self._fitted()
        return predictor.gate_proba(check_rows(self, X, reset=False))

    def examine(self, X: Any, gate_threshold: float | None = None, thresholds: Thresholds = None) -> Prediction:
        """Predict, and tell each row's fate; see `CascadePredictor.examine`."""
        predictor = self._fitted()
        return predictor.examine(check_rows(self, X, reset=False), gate_threshold, thresholds)

    def save(self, path: str | Path) -> None:
        """Write the finished cascade to a new folder; see `CascadePredictor.save`."""
        self._fitted().save(path)

    def _parts(self) -> list[Any]:
        return [self.gate, self.labeler]

    def _fitted(self) -> CascadePredictor:
        check_is_fitted(self)
        predictor: CascadePredictor = self.predictor_
        return predictor


def _check_stage(estimator: Any, role: str, n_labels: int) -> None:
    """Refuse a stage that could only fail after the other one was trained."""
    if estimator is None:
        return
    kind = type(estimator).__name__
    if not hasattr(estimator, "predict_proba"):
        raise ConfigError(f"`{role}` must have `predict_proba`; {kind} has none. Wrap it in CalibratedClassifierCV.")
    if n_labels > 1 and hasattr(estimator, "__sklearn_tags__"):
        tags = get_tags(estimator)
        if not (tags.target_tags.multi_output or (tags.classifier_tags and tags.classifier_tags.multi_label)):
            raise ConfigError(
                f"`{role}` must take {n_labels} labels at once; wrap {kind} in BalancedBinaryRelevance or "
                "MultiOutputClassifier."
            )


def _report_unseen(fitting: Labels, calibrating: Labels, names: tuple[str, ...]) -> None:
    if not calibrating.any():
        return
    for k in np.flatnonzero(fitting.any(axis=0) & ~calibrating.any(axis=0)):
        warnings.warn(
            f"label {names[k]!r} has no positive among the held-out rows: it is not calibrated, its threshold is 0.5, "
            "and the gate does not watch over it.",
            stacklevel=4,
        )


def _report_constant(Y: Labels, plan: LabelPlan, names: tuple[str, ...]) -> None:
    for k in sorted(set(range(Y.shape[1])) - set(plan.learned.tolist()) - {plan.any_index}):
        always = "always" if Y[:, k].any() else "never"
        warnings.warn(
            f"label {names[k]!r} {always} occurs among training rows with a label; "
            f"it is given its smoothed share {plan.share[k]:.3g} times the gate.",
            stacklevel=4,
        )
