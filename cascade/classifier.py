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
from cascade.data.none_label import find_none_label, none_sentence
from cascade.data.rows import n_rows
from cascade.data.sample_weight import check_weight
from cascade.data.signature import InputSignature
from cascade.data.splits import group_numbers
from cascade.data.targets import read_known_target
from cascade.drift.agreement import agreement
from cascade.drift.making import training_profile
from cascade.errors import ConfigError
from cascade.estimators.base import MultilabelClassifier
from cascade.estimators.defaults import default_estimator, warn_where_unsuited
from cascade.estimators.encoding.kept_vectors import in_training
from cascade.estimators.validation import validate_rows
from cascade.fitting.defaults import Recipe, RecipeOptions, check_folds
from cascade.fitting.fit import fit_crossed, fit_held_out
from cascade.fitting.gate_policy import GatePolicy
from cascade.fitting.options import RuleOptions
from cascade.fitting.rehearsal import rehearse
from cascade.fitting.stages import Stages, is_exit
from cascade.fitting.training_set import TrainingSet
from cascade.predictor import CascadePredictor
from cascade.rules.rules import Prediction
from cascade.rules.thresholds.decisions import DecisionOption
from cascade.rules.thresholds.gate_recall import DEFAULT_RECALL, GateRecallOption
from cascade.rules.thresholds.overrides import Thresholds
from cascade.store.parts import is_saved, warn_where_not_saved
from cascade.utils.types import Floats

logger = logging.getLogger(__name__)


class CascadeClassifier(MultilabelClassifier):
    """Two-stage multi-label classifier for labels that are mostly absent.

    Parameters
    ----------
    gate : estimator, "exit" or "none", optional
        Classifier with `predict_proba` for "some label is present". Default: boosted trees for tables, logistic
        regression for sparse rows and for the TF-IDF of texts, a Keras network for images; see
        `cascade.estimators.defaults`. "exit": an exit of the labeler's network, trained together with it; see
        `cascade.estimators.neural.exit_classifier`. "none": a flat model, in which the labeler predicts `any` and all
        labels of every row.
    labeler : estimator, optional
        Multi-label classifier with `predict_proba`, such as `BalancedBinaryRelevance`. Default: one model per label of
        the kind that the gate has by default, or one network. It is trained on the rows of `negative_pool`.
    any_label : str or None, default="auto"
        Column that equals the OR of the others. It is predicted by the gate and not by the labeler. "auto" detects
        it, None means that there is none.
    label_names : sequence of str, optional
        Default: the columns of a data frame `y`, else label_0, label_1, ...
    negative_pool : {"auto", "positives", "all", "gated"}, default="auto"
        Rows the labeler is trained on: those with a label, all, or those with a label and the false alarms of
        gates that have not seen them. It is recorded in the model and determines the merge. "auto" is "gated"; see
        `cascade.fitting.defaults`.
    calibration : {"platt", "beta", "isotonic", "none"}, default="platt"
        How gate, labeler and merged probabilities are calibrated on rows that no fit has seen.
    calibration_size : float, optional
        Share of the rows, whole groups, held out of both fits for calibration and thresholds. If given, rows are held
        out unless `calibration_folds` is a number. Default: 0.2 where rows are held out.
    calibration_folds : int, None or "auto", default="auto"
        Instead of holding rows out, calibrate on out-of-fold probabilities of all rows in this many folds. Both final
        models are then fitted on all rows, and each fold costs another fit of both models. None holds rows out. "auto"
        is 5 for up to 100,000 rows of up to 20 labels, and None for networks and for more.
    gate_recall : float, or mapping from label name to float, default=0.95
        Recall at the gate of every label, or of single labels: the threshold is the highest at which the held-out rows
        give each a lower bound of this size with confidence 0.9, at the cost of at most a tenth of the rows. Labels
        that a mapping does not name keep 0.95; a label with 0 never opens the gate, and 1 keeps all its positives.
    gate_policy : mapping, optional
        A guarantee instead: {"recall": 0.95, "confidence": 0.95}, proven for every label on groups that nothing
        else uses; see `cascade.fitting.gate_policy.GatePolicy`.
    decision : decision, default="f1"
        How bits are set: "f1", a threshold, {"cost": (false positive, false negative)}, {"precision": share}
        or {"recall": share}. "f1" sets no bit of a label at chance; see `cascade.rules.thresholds.decisions`.
    label_decisions : mapping from label name to decision, optional
        Decisions of single labels, instead of `decision`.
    coherence : {"lift", "labels", "any"}, default="lift"
        What decides where the bits disagree. "lift": a label sets `any`, which may also be 1 alone. "labels": `any` is
        exactly the OR of the labels. "any": its own decision clears labels, or sets the label nearest to its threshold.
    rejected : {"gate", "share", "zero"}, default="gate"
        Probabilities of rows that the gate rejects. "gate": from its label outputs where it has them, else "share": its
        probability of `any` times the label's share among such rows. "zero": 0.
    share_trunk : bool, default=False
        Start the labeler from the gate's trunk. Both must be Keras networks of one kind.
    pretrain : {"none", "all"}, default="all"
        Train a labeler network on all fitting rows first, then fine-tune it on the rows of `negative_pool`. A labeler
        trained on rows with a label alone has seen a small part of the data. Other estimators are not affected.
    gate_targets : {"auto", "any", "labels"}, default="auto"
        What the gate learns: whether some label is present ("any"), or this and each label ("labels"). "auto" learns
        labels where the estimator takes several labels at once, such as a network or a forest.
    merge : {"stacked", "pool"}, default="stacked"
        "pool": the negative pool alone determines the merge. "stacked": a small logistic model per label adds weighted
        log-odds of gate and labeler to it, fitted on held-out rows; the fewer positives, the closer it stays to "pool".
        Without calibration it is "pool".
    random_state : int, default=0
        Seed of the splits and of every `random_state` in gate and labeler that is not set.

    Attributes
    ----------
    predictor_ : CascadePredictor
        The fitted cascade, which makes all predictions.
    gate_, labeler_ : fitted estimators
    gate_threshold_ : GateThreshold
        The gate's threshold with positives, kept positives and bound of the recall of each label.
    certificate_ : Certificate or None
        The proof that `gate_policy` requires; None without a policy.
    any_label_ : str or None
        Name of the column `any`.
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
        negative_pool: str = "auto",
        calibration: str = "platt",
        calibration_size: float | None = None,
        calibration_folds: int | str | None = "auto",
        gate_recall: GateRecallOption = DEFAULT_RECALL,
        gate_policy: Mapping[str, Any] | None = None,
        decision: DecisionOption = "f1",
        label_decisions: Mapping[str, DecisionOption] | None = None,
        coherence: str = "lift",
        rejected: str = "gate",
        share_trunk: bool = False,
        pretrain: str = "all",
        gate_targets: str = "auto",
        merge: str = "stacked",
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
        self.pretrain = pretrain
        self.gate_targets = gate_targets
        self.merge = merge
        self.random_state = random_state

    def fit(self, X: Any, y: Any, groups: ArrayLike | None = None, sample_weight: ArrayLike | None = None) -> Self:
        """Fit gate and labeler, then calibration and thresholds on groups that neither has seen.

        Parameters
        ----------
        X : rows, n of them
            Anything that scikit-learn can index, or an object with a length that returns a batch for row numbers.
        y : array-like, data frame or sparse matrix of 0/1, shape (n, L), or of two classes, shape (n,)
            A label may be missing: NaN, or hidden by a masked array. Each label is fitted, calibrated and decided on
            the rows on which it is known. A row with a missing label and no positive is not used for the gate.
        groups : array-like, shape (n,), optional
            Rows of one group are never on both sides of a split.
        sample_weight : array-like of float >= 0, shape (n,), optional
            How many rows of the population each row represents; only the ratios count.

        Raises
        ------
        DataError, ConfigError
        CertificateError
            If `gate_policy` requires more than the data can prove. The message contains the table.
        """
        # Everything that can be checked is checked before the first fit, which may take hours.
        check_folds(self.calibration_folds)
        # An integer is required: one seed is used in several places, where None would give a different one each time.
        seed = self.random_state
        if isinstance(seed, bool) or not (isinstance(seed, (int, np.integer)) and seed >= 0):
            raise ConfigError(f"`random_state` must be a whole number of 0 or more. Received {seed!r}.")
        X = validate_rows(self, X, reset=True, min_rows=2)
        labels, self.target_form_ = read_known_target(y, n_rows(X))
        columns = getattr(y, "columns", None) if self.label_names is None else self.label_names
        names = name_labels(columns, labels.shape[1])
        stages = self._stages(X)
        # Only counted here. The groups keep their values, which the fingerprint of the data is made from.
        group = None if groups is None else np.asarray(groups)
        n_groups = int(group_numbers(group, len(labels)).max()) + 1
        recipe = self.recipe_options().resolved(labels.shape, n_groups, stages.gate, stages.labeler)
        self._rule_options(recipe).check(names)
        # On all rows, before any split, so that every fold and every part has the same column `any`.
        detected = find_any_label(labels, names, self.any_label)
        none = find_none_label(labels, names)
        if none.index is not None:
            advice = "leave it out, since with it every row has a label and the gate has nothing to decide"
            warnings.warn(f"{none_sentence(names[none.index])}; {advice}", stacklevel=2)
        if detected.note:
            warnings.warn(detected.note, stacklevel=2)
        self.any_label_ = None if detected.index is None else names[detected.index]
        by_gate = (
            f"column {self.any_label_!r} is {'the OR of the others' if self._is_flat() else 'predicted by the gate'}"
        )
        logger.info("any: %s", "no column" if detected.index is None else by_gate)
        self.classes_ = self.target_form_.classes
        weight = None if sample_weight is None else check_weight(sample_weight, len(labels))
        examples = TrainingSet(X, labels, names, detected.index, group, weight)
        with in_training():
            for role, model in rehearse(stages, examples, is_saved):
                warn_where_not_saved(model, role)
            self._fit(examples, stages, recipe)
        return self

    def _stages(self, X: Any) -> Stages:
        """Return both unfitted models: those given, or the defaults for the rows of `X`."""
        labeler = default_estimator("labeler", X) if self.labeler is None else self.labeler
        warn_where_unsuited("labeler", labeler, X, stacklevel=4)
        options = self.share_trunk, self.random_state, self.pretrain, self.gate_targets
        if self._is_flat():
            return Stages(labeler, None, *options)
        gate = default_estimator("gate", X) if self.gate is None else self.gate
        if is_exit(gate):
            if not isinstance(gate, str):
                kind = type(gate).__name__
                raise ConfigError(f"`gate` must be 'exit' for an exit of the labeler's network. Received {kind}.")
            # Imported here, since only networks have an exit, and Keras is an extra.
            from cascade.estimators.neural.exit_classifier import exit_of

            gate = exit_of(labeler)
        warn_where_unsuited("gate", gate, X, stacklevel=4)
        return Stages(gate, labeler, *options)

    def _fit(self, examples: TrainingSet, stages: Stages, recipe: Recipe) -> None:
        X, labels = examples.X, examples.labels
        rule_options = self._rule_options(recipe)
        logger.info("recipe: %s", recipe)
        if recipe.calibration_folds is None:
            fitted = fit_held_out(stages, examples, rule_options, recipe.calibration_size)
        else:
            fitted = fit_crossed(stages, examples, rule_options, recipe.calibration_folds)
        self.gate_, self.labeler_ = fitted.gate, fitted.labeler
        self.gate_threshold_, self.certificate_ = fitted.gate_threshold, fitted.certificate
        held, proba = fitted.held, fitted.rules.predict(fitted.scores).proba
        # Recorded at once, as only here both the data and the scores of rows that no model was fitted on exist.
        provenance = {
            "data": fingerprint(X, labels, examples.groups),
            "rows_fitted": fitted.rows_fitted,
            "rows_calibrated": fitted.rows_calibrated,
            "recipe": recipe.to_json() | {"negative_pool": rule_options.negative_pool},
            "profile": training_profile(examples, fitted).to_json(),
            "stability": fitted.stability.to_json(),
            "agreement": [each.to_json() for each in agreement(held.labels, proba, held.group)],
        }
        if (costs := fitted.gate_costs) is not None:
            provenance["gate_costs"] = costs.to_json()
        if labels.known is not None:
            provenance["labels_missing"] = labels.n_missing
            with_target = examples.with_gate_target(np.arange(len(labels)))
            provenance["rows_without_gate_target"] = len(labels) - len(with_target)
        self.predictor_ = CascadePredictor(
            fitted.gate, fitted.labeler, fitted.rules, InputSignature.of(X), provenance, fitted.certificate
        )

    def _is_flat(self) -> bool:
        # An estimator may compare with a string in its own way.
        return isinstance(self.gate, str) and self.gate == "none"

    def recipe_options(self) -> RecipeOptions:
        """Return the parameters that "auto" leaves to the data."""
        return RecipeOptions(self.negative_pool, self.calibration_folds, self.calibration_size)

    def _rule_options(self, recipe: Recipe) -> RuleOptions:
        rule_options = RuleOptions(
            recipe.negative_pool,
            self.calibration,
            self.gate_recall,
            self.decision,
            self.label_decisions,
            self.coherence,
            self.rejected,
            GatePolicy.read(self.gate_policy),
            self.merge,
        )
        return rule_options.without_gate() if self._is_flat() else rule_options

    def predict(self, X: Any, gate_threshold: float | None = None, thresholds: Thresholds = None) -> NDArray[Any]:
        """Return 0/1 of shape (n, L), or classes of shape (n,) where the target was a vector."""
        prediction = self.examine(X, gate_threshold, thresholds)
        return self.target_form_.decode(prediction.labels)

    def predict_proba(self, X: Any, gate_threshold: float | None = None) -> Floats:
        """Return coherent probabilities of shape (n, L), or (n, 2) where the target was a vector."""
        prediction = self.examine(X, gate_threshold)
        return self.target_form_.proba(prediction.proba)

    def decision_function(self, X: Any) -> Floats:
        """Return log-odds above the decision threshold, positive where `predict` returns a 1.

        The shape is (n, L), or (n,) where the target was a vector.
        """
        prediction = self.examine(X)
        return self.target_form_.decision(self.predictor_.rules.margin(prediction.proba, prediction.passed_gate))

    def gate_proba(self, X: Any) -> Floats:
        """Return the probability that a row has some label; float of shape (n,)."""
        predictor = self._fitted()
        return predictor.gate_proba(validate_rows(self, X, reset=False))

    def examine(self, X: Any, gate_threshold: float | None = None, thresholds: Thresholds = None) -> Prediction:
        """Predict, and return whether each row passed the gate; see `CascadePredictor.examine`."""
        predictor = self._fitted()
        return predictor.examine(validate_rows(self, X, reset=False), gate_threshold, thresholds)

    def save(self, path: str | Path) -> None:
        """Write the fitted cascade to a new folder; see `CascadePredictor.save`."""
        self._fitted().save(path)

    def _parts(self) -> list[Any]:
        return [self.labeler] if self._is_flat() else [self.gate, self.labeler]

    def _fitted(self) -> CascadePredictor:
        check_is_fitted(self)
        predictor: CascadePredictor = self.predictor_
        return predictor
