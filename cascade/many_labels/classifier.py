"""One model for all labels without a gate, for many labels or for data in which most rows have labels."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse
from sklearn.utils.validation import check_is_fitted

from cascade.data.labels import name_labels
from cascade.data.rows import n_rows, subset
from cascade.data.sample_weight import check_weight
from cascade.data.signature import InputSignature
from cascade.data.splits import grouped_holdout
from cascade.data.targets import read_target_as_given
from cascade.errors import ConfigError, DataError
from cascade.estimators.base import MultilabelClassifier
from cascade.estimators.encoding.kept_vectors import in_training
from cascade.estimators.fit_on_rows import as_target, fit_with, fresh
from cascade.estimators.validation import validate_rows
from cascade.fitting.rehearsal import rehearse_model
from cascade.many_labels.calibration import Chunks, SharedSlope, fit_shared_slope
from cascade.many_labels.cardinality import fit_cardinality
from cascade.many_labels.decoders import Decoding, Thresholds, thresholds_from
from cascade.many_labels.options import Decoder, check_decoder
from cascade.many_labels.predictor import ManyLabelPredictor
from cascade.many_labels.scoring import raw_chunks
from cascade.metrics.streamed import StreamedRanking
from cascade.store.parts import is_saved, warn_where_not_saved
from cascade.utils.progress import step
from cascade.utils.types import ProbabilityEstimator, Rows

logger = logging.getLogger(__name__)


class ManyLabelClassifier(MultilabelClassifier):
    """A multi-label model with calibrated probabilities and a rule for how many labels a row gets.

    Sparse labels stay sparse: fitting never holds an array of all rows and labels.

    Parameters
    ----------
    estimator : estimator
        Multi-label classifier with `predict_proba`. Labels are passed on as given; `KerasClassifier` and scikit-learn's
        `OneVsRestClassifier` take sparse ones.
    decoder : decoder, default="f1"
        A probability from which labels are set; "f1", a threshold per label for the largest expected F1; "count", a
        threshold per label so that as many rows get it as have it; {"top": k}, the k most probable labels of each row;
        or "cardinality", as many of the most probable labels as are expected on the row. The expected number is
        predicted from the row's summed probabilities and, for a network, a head on its trunk.
    label_names : sequence of str, optional
        Default: the columns of a data frame `y`, else label_0, label_1, ...
    calibration_size : float, default=0.2
        Share of the rows, whole groups, held out for calibration and thresholds.
    random_state : int, default=0

    Attributes
    ----------
    predictor_ : ManyLabelPredictor
        The fitted model, which computes all predictions, and those of large inputs in chunks.
    classes_ : ndarray
        0 to L - 1, or the two classes of a vector.

    Examples
    --------
    >>> from scipy import sparse
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.multiclass import OneVsRestClassifier
    >>> X = np.random.default_rng(0).normal(size=(2000, 3))
    >>> model = ManyLabelClassifier(OneVsRestClassifier(LogisticRegression()), decoder={"top": 2})
    >>> model.fit(X, sparse.csr_array(X > 0.5)).predict([[3.0, 2.0, -1.0]]).toarray()
    array([[1, 1, 0]], dtype=uint8)
    """

    def __init__(
        self,
        estimator: Any,
        *,
        decoder: Decoder = "f1",
        label_names: Any = None,
        calibration_size: float = 0.2,
        random_state: int = 0,
    ) -> None:
        self.estimator = estimator
        self.decoder = decoder
        self.label_names = label_names
        self.calibration_size = calibration_size
        self.random_state = random_state

    def fit(self, X: Any, y: Any, groups: ArrayLike | None = None, sample_weight: ArrayLike | None = None) -> Self:
        """Fit the model on most groups, calibration and thresholds on the others.

        Parameters
        ----------
        X : rows, n of them
        y : array-like or sparse matrix of 0/1, shape (n, L), or array-like of two classes, shape (n,)
        groups, sample_weight : array-like, shape (n,), optional
            Weights apply to the model's fit; the calibration counts rows.

        Raises
        ------
        DataError, ConfigError
        """
        decoder = check_decoder(self.decoder)
        X = validate_rows(self, X, reset=True, min_rows=2)
        labels, self.target_form_ = read_target_as_given(y, n_rows(X))
        if labels.known is not None:
            row, column = np.argwhere(~labels.known)[0]
            raise DataError(
                "`Y` must hold only 0 and 1 for a many-label model. "
                f"Received a missing label at row {row}, label {column}."
            )
        Y = labels.values
        if isinstance(decoder, Mapping) and decoder["top"] > Y.shape[1]:
            most, top = Y.shape[1], decoder["top"]
            raise ConfigError(f"`decoder` must not request more labels than there are ({most}). Received {top}.")
        names = getattr(y, "columns", None) if self.label_names is None else self.label_names
        label_names = name_labels(names, Y.shape[1])
        rehearsed = rehearse_model(self.estimator, "estimator", X, labels, is_saved)
        if rehearsed is not None:
            warn_where_not_saved(rehearsed, "estimator")
        # A model is too confident on the rows of its own fit, so calibration and thresholds use held-out rows.
        held = grouped_holdout(Y, groups, self.calibration_size, self.random_state)
        fitting, held_out = np.flatnonzero(~held), np.flatnonzero(held)
        if not len(fitting) or not len(held_out):
            raise DataError("`groups` must hold at least two groups, since one is held out. Received one.")
        with in_training():
            estimator = self._fit_estimator(X, Y, fitting, groups, sample_weight)
            calibration = _calibrated(estimator, X, Y, held_out)
            decoding = self._decoding(decoder, estimator, calibration, X, Y, fitting, held_out)
        self.predictor_ = ManyLabelPredictor(
            estimator,
            label_names,
            calibration,
            decoding,
            InputSignature.of(X),
            {"rows_fitted": len(fitting), "rows_calibrated": len(held_out), "decoder": decoder},
        )
        self.classes_ = self.target_form_.classes
        self.returns_sparse_ = not isinstance(Y, np.ndarray)
        return self

    def _fit_estimator(self, X: Any, Y: Any, rows: Rows, groups: Any, sample_weight: Any) -> ProbabilityEstimator:
        estimator = fresh(self.estimator, [self.random_state, 2])
        if not hasattr(estimator, "predict_proba"):
            raise ConfigError(f"`estimator` must have `predict_proba`; {type(estimator).__name__} has none.")
        logger.info("model: %d rows, %d labels", len(rows), Y.shape[1])
        target = Y[rows] if not isinstance(Y, np.ndarray) else as_target(estimator, Y[rows].astype(np.int64))
        weight = None if sample_weight is None else check_weight(sample_weight, n_rows(X))[rows]
        group = None if groups is None else np.asarray(groups)[rows]
        return fit_with(estimator, subset(X, rows, estimator), target, groups=group, sample_weight=weight)

    def _decoding(
        self,
        decoder: Decoder,
        estimator: ProbabilityEstimator,
        calibration: SharedSlope,
        X: Any,
        Y: Any,
        fitting: Rows,
        held_out: Rows,
    ) -> Decoding:
        if decoder == "cardinality":
            return Decoding(cardinality=fit_cardinality(estimator, X, Y, fitting, held_out, calibration))
        if isinstance(decoder, float):
            return Decoding(thresholds=Thresholds.at(decoder, Y.shape[1]))
        if isinstance(decoder, str):
            # Counts by binned log-odds are all that thresholds need; probabilities of all rows would not fit in memory.
            ranking = StreamedRanking(Y.shape[1])
            for z, part in _passes(estimator, X, Y, held_out)():
                ranking.add(calibration(z), part)
            return Decoding(thresholds=thresholds_from(ranking.all, decoder))
        return Decoding(top=decoder["top"])

    def predict_proba(self, X: Any) -> NDArray[Any]:
        """Return calibrated probabilities, float32 of shape (n, L), or (n, 2) where the target was a vector."""
        predictor, X = self._predictor(X)
        return self.target_form_.proba(predictor.predict_proba(X))

    def predict(self, X: Any) -> Any:
        """Return 0/1 of shape (n, L), sparse if `y` was; or classes of shape (n,) where the target was a vector."""
        predictor, X = self._predictor(X)
        bits = predictor.predict(X)
        return bits if self.returns_sparse_ else self.target_form_.decode(bits.toarray())

    def predict_top_k(self, X: Any, k: int) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
        """Return columns (n, k) and probabilities (n, k) of the k most probable labels of each row, best first."""
        predictor, X = self._predictor(X)
        return predictor.predict_top_k(X, k)

    def save(self, path: Any) -> None:
        """Write the fitted model to a folder that `ManyLabelPredictor.load` reads."""
        check_is_fitted(self)
        self.predictor_.save(path)

    def _predictor(self, X: Any) -> tuple[ManyLabelPredictor, Any]:
        check_is_fitted(self)
        return self.predictor_, validate_rows(self, X, reset=False)

    def _parts(self) -> list[ProbabilityEstimator | None]:
        return [self.estimator]


def _calibrated(estimator: ProbabilityEstimator, X: Any, Y: Any, rows: Rows) -> SharedSlope:
    logger.info("calibration: %d held-out rows", len(rows))
    return fit_shared_slope(_passes(estimator, X, Y, rows), Y.shape[1])


def _passes(estimator: ProbabilityEstimator, X: Any, Y: Any, rows: Rows) -> Chunks:
    """Return a function that makes a pass over some rows."""

    # Every pass predicts again, since the log-odds of all rows would not fit in memory.
    def one_pass() -> Iterator[tuple[NDArray[np.float32], Any]]:
        with step("calibration", len(rows), "rows") as advance:
            for part, z in raw_chunks(estimator, X, rows, Y.shape[1]):
                yield z, sparse.csr_array(Y[part])
                advance(len(part))

    return one_pass
