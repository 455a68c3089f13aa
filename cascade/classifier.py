"""Fit a cascade: a gate on every row, a labeler behind it, and the rules that merge both."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import check_is_fitted

from cascade.data.any_label import find_any_label
from cascade.data.fingerprint import fingerprint
from cascade.data.labels import name_labels
from cascade.data.rows import n_rows
from cascade.data.sample_weight import check_weight
from cascade.data.signature import InputSignature
from cascade.data.splits import group_numbers
from cascade.data.targets import read_known_target
from cascade.drift.making import training_profile
from cascade.errors import ConfigError
from cascade.estimators.base import MultilabelClassifier
from cascade.estimators.validation import validate_rows
from cascade.fitting.fit import fit_crossed, fit_held_out
from cascade.fitting.gate_policy import GatePolicy
from cascade.fitting.options import RuleOptions
from cascade.fitting.stages import Stages
from cascade.fitting.training_set import TrainingSet
from cascade.predictor import CascadePredictor
from cascade.rules.rules import Prediction
from cascade.rules.thresholds.decisions import DecisionOption
from cascade.rules.thresholds.overrides import Thresholds
from cascade.utils.types import Floats

logger = logging.getLogger(__name__)


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
    negative_pool : {"positives", "all", "gated"}, default="positives"
        Rows the labeler is trained on: those with a label, all, or those with a label and the false alarms of
        gates that have not seen them. Recorded, and decides the merge.
    calibration : {"platt", "beta", "isotonic", "none"}, default="platt"
        How gate, labeler and merged probabilities are calibrated on rows that no fit has seen.
    calibration_size : float, default=0.2
        Share of the rows, whole groups, held out of both fits for calibration and thresholds.
    calibration_folds : int, optional
        Instead of holding rows out, calibrate on out-of-fold answers for all rows; both models are then fitted
        on everything. For short data; costs that many more fits.
    gate_recall : float, default=0.95
        Recall of every label wanted at the gate on the held-out rows.
    gate_policy : mapping, optional
        A guarantee instead: {"recall": 0.95, "confidence": 0.95}, proven for every label on groups that nothing
        else uses; see `cascade.fitting.gate_policy.GatePolicy`.
    decision : decision, default="f1"
        How bits are set: "f1", a threshold, {"cost": (false positive, false negative)}, {"precision": share}
        or {"recall": share}.
    label_decisions : mapping from label name to decision, optional
        For labels that are decided otherwise.
    coherence : {"lift", "labels", "any"}, default="lift"
        Where the bits disagree: a label sets `any`, which may stand alone; or `any` is exactly the OR of the
        labels; or `any` decides, clears labels and sets the surest one.
    rejected : {"share", "zero"}, default="share"
        Probabilities of rows that the gate rejects: the gate's times the label's share among such rows, or 0.
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
    certificate_ : Certificate or None
        What `gate_policy` proved.
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

    takes_missing_labels = True

    def __init__(
        self,
        gate: Any = None,
        labeler: Any = None,
        *,
        any_label: str | None = "auto",
        label_names: Any = None,
        negative_pool: str = "positives",
        calibration: str = "platt",
        calibration_size: float = 0.2,
        calibration_folds: int | None = None,
        gate_recall: float = 0.95,
        gate_policy: Mapping[str, Any] | None = None,
        decision: DecisionOption = "f1",
        label_decisions: Mapping[str, DecisionOption] | None = None,
        coherence: str = "lift",
        rejected: str = "share",
        share_trunk: bool = False,
        random_state: int = 0,
    ) -> None:
        self.gate = gate
        self.labeler = labeler
        self.any_label = any_label
        self.label_names = label_names
        self.negative_pool = negative_pool
        self.calibration = calibration
        self.calibration_size = calibration_size
        self.calibration_folds = calibration_folds
        self.gate_recall = gate_recall
        self.gate_policy = gate_policy
        self.decision = decision
        self.label_decisions = label_decisions
        self.coherence = coherence
        self.rejected = rejected
        self.share_trunk = share_trunk
        self.random_state = random_state

    def fit(self, X: Any, y: Any, groups: ArrayLike | None = None, sample_weight: ArrayLike | None = None) -> Self:
        """Fit gate and labeler, then calibration and thresholds on groups that neither has seen.

        Parameters
        ----------
        X : rows, n of them
            Anything scikit-learn can index, or an object with a length that returns a batch for row numbers.
        y : array-like, data frame or sparse matrix of 0/1, shape (n, L), or of two classes, shape (n,)
            A label may be missing: NaN, or hidden by a masked array. Each label is fitted, calibrated and decided on
            the rows on which it is known. A row that has no positive and a missing label is not used for the gate.
        groups : array-like, shape (n,), optional
            Rows of one group are never on both sides of a split.
        sample_weight : array-like of float >= 0, shape (n,), optional
            How many rows of the population each row represents; only the ratios count.

        Raises
        ------
        DataError, ConfigError
        CertificateError
            If `gate_policy` requires more than the data can prove; the message holds the table.
        """
        folds = self.calibration_folds
        if folds is not None and not (isinstance(folds, (int, np.integer)) and folds >= 2):
            raise ConfigError(f"`calibration_folds` must be a whole number of 2 or more, or None. Received {folds!r}.")
        seed = self.random_state
        if isinstance(seed, bool) or not (isinstance(seed, (int, np.integer)) and seed >= 0):
            raise ConfigError(f"`random_state` must be a whole number of 0 or more. Received {seed!r}.")
        X = validate_rows(self, X, reset=True, min_rows=2)
        labels, self.target_form_ = read_known_target(y, n_rows(X))
        columns = getattr(y, "columns", None) if self.label_names is None else self.label_names
        names = name_labels(columns, labels.shape[1])
        self._rule_options().check(names)
        found = find_any_label(labels, names, self.any_label)
        if found.note:
            warnings.warn(found.note, stacklevel=2)
        logger.info("any: %s", "no column" if found.index is None else f"column {names[found.index]!r} is the gate")
        self.any_label_ = None if found.index is None else names[found.index]
        self.classes_ = self.target_form_.classes
        weight = None if sample_weight is None else check_weight(sample_weight, len(labels))
        group = None if groups is None else np.asarray(groups)
        group_numbers(group, len(labels))
        self._fit(TrainingSet(X, labels, names, found.index, group, weight))
        return self

    def _fit(self, examples: TrainingSet) -> None:
        X, labels = examples.X, examples.labels
        stages = Stages(
            self._default("gate", X) if self.gate is None else self.gate,
            self._default("labeler", X) if self.labeler is None else self.labeler,
            self.share_trunk,
            self.random_state,
        )
        rule_options = self._rule_options()
        if self.calibration_folds is None:
            fitted = fit_held_out(stages, examples, rule_options, self.calibration_size)
        else:
            fitted = fit_crossed(stages, examples, rule_options, self.calibration_folds)
        self.gate_, self.labeler_ = fitted.gate, fitted.labeler
        self.gate_threshold_, self.certificate_ = fitted.gate_threshold, fitted.certificate
        provenance = {
            "data": fingerprint(X, labels, examples.groups),
            "rows_fitted": fitted.rows_fitted,
            "rows_calibrated": fitted.rows_calibrated,
            "profile": training_profile(examples, fitted).to_json(),
        }
        if labels.known is not None:
            provenance["labels_missing"] = labels.n_missing
            with_target = examples.with_gate_target(np.arange(len(labels)))
            provenance["rows_without_gate_target"] = len(labels) - len(with_target)
        self.predictor_ = CascadePredictor(
            fitted.gate, fitted.labeler, fitted.rules, InputSignature.of(X), provenance, fitted.certificate
        )

    def _rule_options(self) -> RuleOptions:
        return RuleOptions(
            self.negative_pool,
            self.calibration,
            self.gate_recall,
            self.decision,
            self.label_decisions,
            self.coherence,
            self.rejected,
            GatePolicy.read(self.gate_policy),
        )

    def _default(self, role: str, X: Any) -> Any:
        from cascade.estimators.neural import suited_classifier

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
        return predictor.gate_proba(validate_rows(self, X, reset=False))

    def examine(self, X: Any, gate_threshold: float | None = None, thresholds: Thresholds = None) -> Prediction:
        """Predict, and tell each row's fate; see `CascadePredictor.examine`."""
        predictor = self._fitted()
        return predictor.examine(validate_rows(self, X, reset=False), gate_threshold, thresholds)

    def save(self, path: str | Path) -> None:
        """Write the finished cascade to a new folder; see `CascadePredictor.save`."""
        self._fitted().save(path)

    def _parts(self) -> list[Any]:
        return [self.gate, self.labeler]

    def _fitted(self) -> CascadePredictor:
        check_is_fitted(self)
        predictor: CascadePredictor = self.predictor_
        return predictor
