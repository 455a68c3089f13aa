"""Predict, save and load: two fitted models and their rules, for inference only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cascade.data.rows import n_rows
from cascade.data.signature import InputSignature
from cascade.data.splits import group_numbers
from cascade.errors import ConfigError
from cascade.estimators.runtime.runtimes import AUTO, check_runtime, check_threads
from cascade.estimators.scoring import score_cascade, score_gate
from cascade.metrics.top_k import check_k
from cascade.rules.rules import Prediction, Rules, Scores
from cascade.rules.stability import Stability
from cascade.rules.thresholds.certificate import Certificate
from cascade.rules.thresholds.joint import best_vectors
from cascade.rules.thresholds.overrides import Thresholds, decision_limits, fitted_threshold
from cascade.rules.thresholds.triage import triage
from cascade.utils.types import Floats, StageProgress

if TYPE_CHECKING:
    from cascade.drift.adaptation import Adapted
    from cascade.drift.agreement import LabelAgreement
    from cascade.drift.profile import TrainingProfile
    from cascade.store.int8_rows import Int8Rows


class CascadePredictor:
    """Inference with a fitted cascade.

    Parameters
    ----------
    gate : fitted estimator
    labeler : fitted estimator or None
        None where there was no label to learn.
    rules : Rules
    signature : InputSignature
    provenance : dict, optional
        Facts about the training, such as the fingerprint and profile of the data.
    certificate : Certificate, optional
        The proof of the gate's recall.

    Examples
    --------
    >>> from cascade import CascadeClassifier
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.multiclass import OneVsRestClassifier
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(2000, 2))
    >>> Y = (X > 1.2).astype(int)
    >>> model = CascadeClassifier(LogisticRegression(), OneVsRestClassifier(LogisticRegression())).fit(X, Y)
    >>> model.predictor_.predict([[3.0, 0.5], [-3.0, -3.0]])
    array([[1, 0],
           [0, 0]], dtype=uint8)
    """

    def __init__(
        self,
        gate: Any,
        labeler: Any,
        rules: Rules,
        signature: InputSignature,
        provenance: dict[str, Any] | None = None,
        certificate: Certificate | None = None,
    ) -> None:
        self.gate = gate
        self.labeler = labeler
        self.rules = rules
        self.signature = signature
        self.provenance = provenance or {}
        self.certificate = certificate

    @property
    def label_names(self) -> tuple[str, ...]:
        """Names of the labels in column order."""
        return self.rules.label_names

    @property
    def labels(self) -> tuple[str, ...]:
        """The same as `label_names`."""
        return self.label_names

    @property
    def gate_threshold(self) -> float:
        """Gate probability from which rows are examined."""
        return self.rules.served_threshold

    @property
    def profile(self) -> TrainingProfile | None:
        """Counts of the training data; None in a model of an earlier version."""
        from cascade.drift.profile import TrainingProfile

        body = self.provenance.get("profile")
        return None if body is None else TrainingProfile.from_json(body)

    @property
    def agreement(self) -> tuple[LabelAgreement, ...] | None:
        """Agreement with each label on rows that no model was fitted on; None in a model of an earlier version."""
        from cascade.drift.agreement import LabelAgreement

        body = self.provenance.get("agreement")
        return None if body is None else tuple(LabelAgreement.from_json(each) for each in body)

    @property
    def stability(self) -> Stability | None:
        """Calibration rows that change where scores differ a little; None in a model of an earlier version."""
        body = self.provenance.get("stability")
        return None if body is None else Stability.from_json(body)

    def adapt(
        self, X: Any = None, *, prevalence: float | None = None, groups: ArrayLike | None = None
    ) -> CascadePredictor:
        """Return the same cascade for a site where another share of rows has a label.

        The same rows are examined; probabilities and decision thresholds follow the new share. Assumes that rows with a
        label look as in training, and rows without one too, so that the mix of labels among the former is the same.

        Parameters
        ----------
        X : rows, n of them, optional
            Of the new site, without labels. The share is estimated from them, and the assumption is checked as far as
            possible.
        prevalence : float in (0, 1), optional
            The share, where it is known. Either this or `X`.
        groups : array-like, shape (n,), optional
            Rows of a group are not independent.

        Returns
        -------
        CascadePredictor
            `provenance["adapted"]` holds the share, its interval and the results of the checks.

        Raises
        ------
        ConfigError
            If not exactly one of `X` and `prevalence` is given, or the model cannot be adapted to this share.
        DataError
            If the rows leave the share too uncertain, or clearly violate the assumption: a shift of the features
            makes scores look like those of another share.

        Warns
        -----
        UserWarning
            If the rows contradict the assumption.

        See Also
        --------
        cascade.rules.probability.prior_shift, cascade.drift.adaptation : the formulas.
        """
        from cascade.drift.adaptation import adapt_to_prevalence, adapt_to_rows, check_adaptable
        from cascade.drift.making import profile_of

        if (X is None) == (prevalence is None):
            raise ConfigError("`adapt` needs either `X` or `prevalence`; give exactly one of them.")
        if prevalence is not None:
            return self._adapted(adapt_to_prevalence(self.rules, prevalence))
        group = group_numbers(groups, n_rows(X))
        # Scoring may take hours; what can be refused without it is refused first.
        check_adaptable(self.rules, len(group))
        # Scores are log-odds before any rule, so a cascade that was adapted before gives the same estimate.
        profile, scores = self.profile, self.score(X)
        names = self.signature.feature_names
        current = None if profile is None else profile_of(X, groups=groups, feature_names=names, like=profile)
        return self._adapted(adapt_to_rows(self.rules, profile, current, scores, group))

    def _adapted(self, adapted: Adapted) -> CascadePredictor:
        # The certificate stays: it is about the gate's raw scores, and the same rows pass.
        provenance = self.provenance | {"adapted": adapted.record}
        return CascadePredictor(self.gate, self.labeler, adapted.rules, self.signature, provenance, self.certificate)

    def described(
        self,
        feature_names: tuple[str, ...] | None,
        columns: dict[str, str | None],
        pixels: dict[str, Any] | None = None,
        reading: dict[str, Any] | None = None,
    ) -> CascadePredictor:
        """Return the same cascade with a record of how its data was read."""
        signature = replace(self.signature, feature_names=feature_names or self.signature.feature_names)
        provenance = self.provenance | {"columns": columns}
        provenance |= {name: value for name, value in (("pixels", pixels), ("reading", reading)) if value is not None}
        if feature_names is not None and self.profile is not None:
            provenance["profile"] = self.profile.named(feature_names).to_json()
        return CascadePredictor(self.gate, self.labeler, self.rules, signature, provenance, self.certificate)

    @classmethod
    def load(cls, path: str | Path, runtime: str = AUTO, threads: int | None = None) -> CascadePredictor:
        """Load a folder that `save` wrote; no code in the folder is run.

        Parameters
        ----------
        path : path or str
            Folder of a model, or the name of a registered one, `models:/NAME@ALIAS` or `models:/NAME/VERSION`: in the
            registry that `MLFLOW_TRACKING_URI` names, else in that of the folder `models`.
        runtime : {"auto", "keras", "litert", "onnx"}, default="auto"
            Runtime of networks. "auto" takes for each network the one that was fastest when it was exported and is
            installed, and Keras where none was exported.
        threads : int, optional
            Threads of an exported runtime; default all cores that the process may use.

        Raises
        ------
        ModelRefusedError
            If a file is changed, missing, extra, or not what it declares to be.
        ConfigError
            If a requested runtime cannot run the model.
        """
        # Imported here, as in other methods: `import cascade` and models in memory need no store or registry.
        from cascade.registry.resolve import model_folder
        from cascade.store import load_cascade

        stored = load_cascade(model_folder(path), check_runtime(runtime), check_threads(threads))
        return cls(**vars(stored))

    def save(self, path: str | Path, runtimes: Sequence[str] = (), int8: Int8Rows | None = None) -> None:
        """Write a new folder that `load` reads, atomically.

        Parameters
        ----------
        path : path
        runtimes : sequence of {"litert", "onnx"}, default=()
            Also export networks to these runtimes. Each export is compared with Keras and timed on this machine.
        int8 : Int8Rows, optional
            Held-out labelled rows (`cascade.store.int8_rows`): quantise the exported networks and record the loss.

        Raises
        ------
        ModelRefusedError
            If a part could not be loaded again safely.

        Notes
        -----
        An export is left out where its rounding would change the side at the gate, or a bit, of more than one in 1,000
        calibration rows, as the model counted them when it was fitted.
        """
        from cascade.store import Exporter, StoredCascade, save_cascade

        stored = StoredCascade(self.gate, self.labeler, self.rules, self.signature, self.provenance, self.certificate)
        exporter = Exporter(runtimes, int8=int8, stability=self.stability) if len(runtimes) or int8 else None
        save_cascade(stored, Path(path), exporter)

    def gate_proba(self, X: Any) -> Floats:
        """Return the calibrated probability that a row has some label; float of shape (n,)."""
        self.signature.check(X)
        return self.rules.served(self.rules.gate_proba(score_gate(self.gate, self.rules, X)[:, 0]))

    def predict_proba(self, X: Any, gate_threshold: float | None = None) -> Floats:
        """Return finite, coherent probabilities of shape (n, L): `any` is at least each label."""
        return self.examine(X, gate_threshold).proba

    def predict(self, X: Any, gate_threshold: float | None = None, thresholds: Thresholds = None) -> NDArray[np.uint8]:
        """Return 0/1 of shape (n, L).

        A label whose threshold is above 1 is never set: at fit F1 had no basis, or the requested precision was out of
        reach, and a warning reported it. Its probabilities are valid, and `thresholds` sets its bits.

        Parameters
        ----------
        X : rows, n of them
        gate_threshold : float, optional
            Examine rows with at least this gate probability instead of the fitted threshold.
        thresholds : array-like (L,), mapping from label name, or float, optional
            Decision thresholds to use instead of the fitted ones.
        """
        return self.rules.labels(self.score(X, gate_threshold), decision_limits(thresholds, self.rules))

    def predict_top_k(self, X: Any, k: int) -> NDArray[np.intp]:
        """Return the columns of the k most probable labels of each row, most probable first; int of shape (n, k)."""
        check_k(k, len(self.label_names))
        # A stable sort puts equal probabilities in column order, so the same input has the same top k everywhere.
        return np.argsort(-self.predict_proba(X), axis=1, kind="stable")[:, :k]

    def predict_joint(
        self, X: Any, costs: Mapping[str, tuple[float, float]] | str = "vector", joint: str = "independent"
    ) -> NDArray[np.uint8]:
        """Return the feasible vector of least expected cost, with `any` as the OR of the labels; 0/1 of shape (n, L).

        Parameters
        ----------
        X : rows, n of them
        costs : "vector" or mapping from label name to (false positive, false negative), default="vector"
            "vector": every wrong vector costs the same, so the most probable one is best; for up to 12 labels. A
            mapping: costs of single mistakes add up, with (1, 1) for labels that are not named.
        joint : {"independent", "seen"}, default="independent"
            Dependence of the labels given that some label is present, for "vector": independent, conditioned on at
            least one, or as in training, where vectors that were never seen are impossible.

        See Also
        --------
        cascade.rules.thresholds.joint : the formulas.
        """
        prediction = self.examine(X)
        passed, (learned, index) = prediction.passed_gate, (self.rules.plan.learned, self.rules.plan.any_index)
        proba = prediction.proba[np.ix_(passed, learned)]
        # The coherent `any` where there is one: it is at least each label, as the formulas for vectors require.
        any_proba = prediction.gate_proba[passed] if index is None else prediction.proba[passed, index]
        # Rejected rows and constant labels stay 0: the labeler has not predicted them.
        bits = np.zeros(prediction.labels.shape, dtype=np.uint8)
        bits[np.ix_(passed, learned)] = best_vectors(self.rules.plan, self.label_names, proba, any_proba, costs, joint)
        if index is not None:
            bits[:, index] = bits.any(axis=1)
        return bits

    def triage(self, X: Any, low: ArrayLike, high: ArrayLike) -> NDArray[np.int8]:
        """Return 0 for probabilities below `low`, 1 from `high` on, and -1, for a human, in between.

        Parameters
        ----------
        X : rows, n of them
        low, high : float or array-like, shape (L,)
            `cascade.rules.thresholds.triage.refer_band` computes both from costs.

        Returns
        -------
        ndarray of int8, shape (n, L)
            The gate threshold sets no outcome: a rejected row is judged by its small probability.
        """
        return triage(self.predict_proba(X), low, high)

    def examine(self, X: Any, gate_threshold: float | None = None, thresholds: Thresholds = None) -> Prediction:
        """Predict, and return per row the gate probability, whether the row passed the gate, probabilities and bits."""
        return self.decide(self.score(X, gate_threshold), thresholds)

    def score(self, X: Any, gate_threshold: float | None = None, progress: StageProgress | None = None) -> Scores:
        """Run both models without the rules that turn their scores into a prediction.

        Both models run on blocks of one shape, and rows past the gate keep their order, so the prediction does not
        depend on how many rows are read at a time. `progress` is called with the stage, the rows done and the rows in
        all.
        """
        self.signature.check(X)
        # Validated before any row is scored: a job should not fail on its threshold after hours of the gate.
        threshold = fitted_threshold(gate_threshold, self.rules, self.certificate)
        return score_cascade(self.gate, self.labeler, self.rules, X, threshold, progress)

    def decide(self, scores: Scores, thresholds: Thresholds = None) -> Prediction:
        """Turn the scores of gate and labeler into coherent probabilities and bits."""
        return self.rules.predict(scores, decision_limits(thresholds, self.rules))
