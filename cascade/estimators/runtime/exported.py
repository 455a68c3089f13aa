"""A network in an exported runtime, with the predictions of the fitted Keras classifier that it was made from.

It only predicts. It is no scikit-learn estimator, so that a model loads without importing scikit-learn.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from cascade.data.images.size import at_size
from cascade.data.rows import as_dense, blocks_to_fetch, n_rows, not_finite
from cascade.data.targets import TargetForm
from cascade.errors import CascadeError, DataError, ModelRefusedError
from cascade.estimators.runtime.runtimes import FLOAT32, RUNTIMES, Session
from cascade.estimators.runtime.sessions import Sessions
from cascade.utils.threads import in_threads
from cascade.utils.types import Floats, Rows

T = TypeVar("T")

WORTH_A_THREAD = 1e-3
"""Seconds per batch below which handing it to a thread costs more than computing it in place."""


class ExportedNetwork:
    """A converted network, opened at a fixed batch size and, for the first single row, at one row.

    Several batches are computed at the same time, each by one thread, since small kernels gain little from more. The
    thread that computes a batch does not change its result. A single row uses all threads. Float kernels depend on the
    shape of a batch, so its result may differ in the seventh digit from that in a batch. Threads may share the network.

    Parameters
    ----------
    content : bytes
    runtime : {"litert", "onnx"}
    batch_size : int
        Rows per batch; the last batch is padded.
    threads : int
        Most batches at the same time.
    row_shape : tuple of int
    dtype : {"uint8", "float32"}
        Type of the rows.
    image_size : int, optional
        Height and width of the images that the network takes; larger images are averaged down.
    precision : {"float32", "int8"}
        Precision of the network.
    """

    makes_batches = True
    one_column_a_label = True

    def __init__(
        self,
        content: bytes,
        runtime: str,
        batch_size: int,
        threads: int,
        row_shape: tuple[int, ...],
        dtype: str,
        image_size: int | None = None,
        precision: str = FLOAT32,
    ) -> None:
        self.content = content
        self.runtime = runtime
        self.batch_size = batch_size
        self.threads = threads
        self.row_shape = row_shape
        self.dtype = np.dtype(dtype)
        self.image_size = image_size
        self.precision = precision
        self._batches = Sessions(partial(self._open, batch_size, 1), threads)
        self._alone = Sessions(partial(self._open, 1, threads), 1)
        # None until the first call with several batches has timed one.
        self._parallel: int | None = 1 if threads == 1 else None

    @property
    def device(self) -> str:
        """What the network is computed on in this process: "cpu" or "cuda"."""
        return RUNTIMES[self.runtime].device()

    def restore_outputs(self, loss: Any, sampling_shift: Floats, form: TargetForm) -> ExportedNetwork:
        """Set what turns the network's logits into log-odds and classes; return self."""
        self.loss_, self.sampling_shift_ = loss, sampling_shift
        self.target_form_, self.classes_ = form, form.classes
        return self

    def logits(self, X: Any) -> NDArray[np.float32]:
        """Return the network's raw outputs, float32 of shape (n, n_outputs); NaN for rows that are not finite."""
        X, count = at_size(X, self.image_size), n_rows(X)
        sessions, size = (self._alone, 1) if count == 1 else (self._batches, self.batch_size)
        logits = np.empty((count, len(self.sampling_shift_)), np.float32)

        def compute(block: tuple[Rows, Callable[[], Any]]) -> None:
            # Fetched in the thread that computes: rows in memory may still have to be averaged down.
            rows, fetch = block
            batch = np.ascontiguousarray(as_dense(fetch()), self.dtype)
            # Batches have different rows, so threads never write to the same entries.
            logits[rows] = self._run(sessions, batch)[: len(rows)]
            # Kernels of some processors take NaN for 0, so the output does not show it.
            logits[rows[not_finite(batch)[: len(rows)]]] = np.nan

        batches = blocks_to_fetch(X, np.arange(count), size)
        if count > size and self._parallel is None:
            self._parallel = self.threads if _seconds_per_batch(compute, batches) > WORTH_A_THREAD else 1
        in_threads(compute, batches, (self._parallel or 1) if count > size else 1)
        return logits

    def predict_log_odds(self, X: Any) -> Floats:
        """Return log-odds, corrected for the loss and for sampling; float of shape (n, n_outputs)."""
        z: Floats = self.loss_.log_odds(self.logits(X).astype(np.float64))
        z += self.sampling_shift_
        return z

    def predict_proba(self, X: Any) -> Floats:
        """Return the probability of each label: float of shape (n, L), or (n, 2) where the target was a vector."""
        return self.target_form_.proba(expit(self.predict_log_odds(X)))

    def _run(self, sessions: Sessions, batch: NDArray[Any]) -> NDArray[np.float32]:
        try:
            logits = sessions.run(batch)
        except CascadeError:
            raise
        except Exception as error:
            # The runtimes raise types that have no base class in common.
            reason = (str(error).splitlines() or [""])[0]
            raise DataError(f"`X` holds rows that the network does not take in {self.runtime}: {reason}") from error
        # The file may be from elsewhere, and assigning a column to several would broadcast silently.
        shape = (len(batch), len(self.sampling_shift_))
        if logits.shape != shape:
            raise ModelRefusedError(f"the {self.runtime} network must give logits {shape}. Received {logits.shape}.")
        return logits

    def _open(self, size: int, threads: int) -> Session:
        return RUNTIMES[self.runtime].open(self.content, size, threads)


def exported_from(
    estimator: Any, content: bytes, runtime: str, batch_size: int, threads: int, rows: NDArray[Any]
) -> ExportedNetwork:
    """Open a converted network with the predictions of the estimator it was made from, for rows like `rows`."""
    exported = ExportedNetwork(content, runtime, batch_size, threads, rows.shape[1:], str(rows.dtype))
    return exported.restore_outputs(estimator.loss_, estimator.sampling_shift_, estimator.target_form_)


def _seconds_per_batch(compute: Callable[[T], object], batches: Iterator[T]) -> float:
    """Compute two batches and return the seconds of the second."""
    # The first batch opens a session, which takes far longer than a batch.
    compute(next(batches))
    batch = next(batches)
    started = time.perf_counter()
    compute(batch)
    return time.perf_counter() - started
