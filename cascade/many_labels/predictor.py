"""Inference with a fitted many-label model: log-odds in chunks, the most probable labels, sets of labels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.special import expit

from cascade.data.rows import n_rows
from cascade.data.signature import InputSignature
from cascade.estimators.runtime.runtimes import AUTO, check_runtime, check_threads
from cascade.many_labels.calibration import SharedSlope
from cascade.many_labels.decoders import Decoding, most_probable
from cascade.many_labels.scoring import raw_chunks
from cascade.metrics.top_k import check_k, top_columns
from cascade.utils.types import Floats32, ProbabilityEstimator, RowProgress, Rows


class ManyLabelPredictor:
    """Inference with one calibrated multi-label model.

    Parameters
    ----------
    estimator : fitted multi-label classifier
    labels : tuple of str, length L
    calibration : SharedSlope
    decoding : Decoding
    signature : InputSignature
    provenance : dict, optional

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.multiclass import OneVsRestClassifier
    >>> from cascade import ManyLabelClassifier
    >>> X = np.random.default_rng(0).normal(size=(2000, 2))
    >>> model = ManyLabelClassifier(OneVsRestClassifier(LogisticRegression())).fit(X, (X > 1).astype(int))
    >>> columns, proba = model.predictor_.predict_top_k(np.array([[3.0, -3.0]]), 1)
    >>> columns, bool(proba[0, 0] > 0.9)
    (array([[0]]), True)
    """

    def __init__(
        self,
        estimator: ProbabilityEstimator,
        labels: tuple[str, ...],
        calibration: SharedSlope,
        decoding: Decoding,
        signature: InputSignature,
        provenance: dict[str, Any] | None = None,
    ) -> None:
        self.estimator = estimator
        self.labels = labels
        self.calibration = calibration
        self.decoding = decoding
        self.signature = signature
        self.provenance = provenance or {}

    @property
    def label_names(self) -> tuple[str, ...]:
        """Names of the labels in column order; the same as `labels`."""
        return self.labels

    def described(
        self,
        feature_names: tuple[str, ...] | None,
        columns: dict[str, str | None],
        pixels: dict[str, Any] | None = None,
        reading: dict[str, Any] | None = None,
    ) -> ManyLabelPredictor:
        """Return the same model with a record of how its data was read."""
        signature = replace(self.signature, feature_names=feature_names or self.signature.feature_names)
        provenance = self.provenance | {"columns": columns}
        provenance |= {name: value for name, value in (("pixels", pixels), ("reading", reading)) if value is not None}
        return ManyLabelPredictor(
            self.estimator, self.label_names, self.calibration, self.decoding, signature, provenance
        )

    @classmethod
    def load(cls, path: str | Path, runtime: str = AUTO, threads: int | None = None) -> ManyLabelPredictor:
        """Load what `save` wrote; no code in the folder is run.

        `runtime` and `threads` are those of `CascadePredictor.load`. A head that predicts the number of labels always
        runs in Keras.

        Raises
        ------
        ModelRefusedError, ConfigError
        """
        from cascade.many_labels.folder import load_many

        check_threads(threads)
        stored = load_many(Path(path), check_runtime(runtime), threads)
        return cls(
            stored.estimator,
            stored.label_names,
            stored.calibration,
            stored.decoding,
            stored.signature,
            stored.provenance,
        )

    def save(self, path: str | Path, runtimes: Sequence[str] = ()) -> None:
        """Write a new folder atomically that `load` reads, with the network exported to `runtimes`."""
        from cascade.many_labels.folder import StoredManyLabels, save_many
        from cascade.store import Exporter

        stored = StoredManyLabels(
            self.estimator, self.label_names, self.calibration, self.decoding, self.signature, self.provenance
        )
        save_many(stored, Path(path), Exporter(runtimes) if len(runtimes) else None)

    def predict_proba(self, X: Any) -> Floats32:
        """Return calibrated probabilities (n, L), all at once; use `chunks` for many rows."""
        parts = [expit(z) for _, z in self.chunks(X)]
        # The empty part gives shape and type where there are no rows.
        return np.concatenate([np.empty((0, len(self.label_names)), np.float32), *parts])

    def predict(self, X: Any) -> sparse.csr_array:
        """Return the decoded labels of each row; CSR of 0/1, shape (n, L)."""
        parts = [self.decode(X, rows, z) for rows, z in self.chunks(X)]
        return sparse.vstack([sparse.csr_array((0, len(self.label_names)), dtype=np.uint8), *parts], format="csr")

    def predict_top_k(self, X: Any, k: int) -> tuple[NDArray[np.intp], Floats32]:
        """Return the k most probable labels of each row.

        Returns
        -------
        columns : ndarray of int, shape (n, k)
            Most probable first.
        proba : ndarray of float32, shape (n, k)
        """
        check_k(k, len(self.label_names))
        columns, proba = [np.empty((0, k), np.intp)], [np.empty((0, k), np.float32)]
        for _, z in self.chunks(X):
            columns.append(top_columns(z, k))
            proba.append(expit(np.take_along_axis(z, columns[-1], axis=1)))
        return np.concatenate(columns), np.concatenate(proba)

    def chunks(self, X: Any, progress: RowProgress | None = None) -> Iterator[tuple[Rows, Floats32]]:
        """Yield row numbers with their calibrated log-odds, float32 of shape (m, L), one chunk at a time.

        Parameters
        ----------
        X : rows, n of them
        progress : callable, optional
            Called with the rows done and the number of rows.
        """
        self.signature.check(X)
        all_rows = np.arange(n_rows(X))
        done = 0
        if progress is not None:
            # So that the time of the first chunk counts in a rate.
            progress(0, len(all_rows))
        for part, z in raw_chunks(self.estimator, X, all_rows, len(self.label_names)):
            yield part, self.calibration(z)
            done += len(part)
            if progress is not None:
                progress(done, len(all_rows))

    def decode(self, X: Any, rows: Rows, z: Floats32) -> sparse.csr_array:
        """Choose labels of some rows from their calibrated log-odds; return CSR of 0/1, shape (m, L)."""
        if self.decoding.thresholds is not None:
            return self.decoding.thresholds(z)
        if self.decoding.top is not None:
            return most_probable(z, np.full(len(z), self.decoding.top))
        assert self.decoding.cardinality is not None
        return most_probable(z, np.rint(self.decoding.cardinality(X, rows, z)))
