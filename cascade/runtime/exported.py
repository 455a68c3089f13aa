"""A network in an exported runtime, which answers as the fitted estimator that it was as a Keras network.

It only predicts; so it is no scikit-learn estimator, and a model loads without waiting for scikit-learn.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from cascade.data.image_size import at_size
from cascade.data.rows import as_dense, blocks_to_fetch, n_rows, not_finite
from cascade.data.targets import TargetForm
from cascade.errors import CascadeError, DataError, ModelRefusedError
from cascade.runtime.runtimes import FLOAT32, RUNTIMES, Session
from cascade.runtime.sessions import Sessions
from cascade.utils.threads import in_threads
from cascade.utils.types import Floats, Rows

T = TypeVar("T")

WORTH_A_THREAD = 1e-3
"""Seconds of a batch below which it costs more to hand it to a thread than to compute it at once."""


class ExportedNetwork:
    """A converted network, opened at a batch size of its own and, when it is asked for a single row, at one row.

    Batches are computed several at a time, each by one thread: small kernels gain little from more. Who computes a
    batch does not change its answer. A single row has all threads; as float kernels depend on the shape of a batch, its
    answer may differ from that in a batch in the seventh digit. Threads may share the network.

    Parameters
    ----------
    content : bytes
    runtime : {"litert", "onnx"}
    batch_size : int
        Rows of a batch; the last one is padded.
    threads : int
        Batches at the same time.
    row_shape : tuple of int
    dtype : {"uint8", "float32"}
        Of the rows.
    image_size : int, optional
        Size at which the network looks at images; larger ones are made so.
    precision : {"float32", "int8"}
        Of the network.
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
        self._at_a_time: int | None = 1 if threads == 1 else None

    def restore_outputs(self, loss: Any, sampling_shift: Floats, form: TargetForm) -> ExportedNetwork:
        """Take over what turns the network's logits into log-odds and classes; return itself."""
        self.loss_, self.sampling_shift_ = loss, sampling_shift
        self.target_form_, self.classes_ = form, form.classes
        return self

    def logits(self, X: Any) -> NDArray[np.float32]:
        """What the network itself says, float32 of shape (n, n_outputs)."""
        X, count = at_size(X, self.image_size), n_rows(X)
        sessions, size = (self._alone, 1) if count == 1 else (self._batches, self.batch_size)
        answer = np.empty((count, len(self.sampling_shift_)), np.float32)

        def compute(block: tuple[Rows, Callable[[], Any]]) -> None:
            rows, fetch = block
            batch = np.ascontiguousarray(as_dense(fetch()), self.dtype)
            answer[rows] = self._run(sessions, batch)[: len(rows)]
            answer[rows[not_finite(batch)[: len(rows)]]] = np.nan

        batches = blocks_to_fetch(X, np.arange(count), size)
        if count > size and self._at_a_time is None:
            self._at_a_time = self.threads if _second_takes(compute, batches) > WORTH_A_THREAD else 1
        in_threads(compute, batches, (self._at_a_time or 1) if count > size else 1)
        return answer

    def predict_log_odds(self, X: Any) -> Floats:
        """Log-odds, the loss's and the sample's shift taken off; float of shape (n, n_outputs)."""
        z: Floats = self.loss_.log_odds(self.logits(X).astype(np.float64))
        z += self.sampling_shift_
        return z

    def predict_proba(self, X: Any) -> Floats:
        """Probability of each label: float of shape (n, L), or (n, 2) where the target was a vector."""
        return self.target_form_.proba(expit(self.predict_log_odds(X)))

    def _run(self, sessions: Sessions, batch: NDArray[Any]) -> NDArray[np.float32]:
        try:
            answer = sessions.run(batch)
        except CascadeError:
            raise
        except Exception as error:
            # Runtimes share no error of their own.
            reason = (str(error).splitlines() or [""])[0]
            raise DataError(f"`X` holds rows that the network does not take in {self.runtime}: {reason}") from error
        wanted = (len(batch), len(self.sampling_shift_))
        if answer.shape != wanted:
            raise ModelRefusedError(f"the {self.runtime} network must give logits {wanted}. Received {answer.shape}.")
        return answer

    def _open(self, size: int, threads: int) -> Session:
        return RUNTIMES[self.runtime].open(self.content, size, threads)


def exported_from(
    estimator: Any, content: bytes, runtime: str, batch_size: int, threads: int, rows: NDArray[Any]
) -> ExportedNetwork:
    """Open a converted network that answers as the fitted estimator it was made of, for rows like the given ones."""
    exported = ExportedNetwork(content, runtime, batch_size, threads, rows.shape[1:], str(rows.dtype))
    return exported.restore_outputs(estimator.loss_, estimator.sampling_shift_, estimator.target_form_)


def _second_takes(compute: Callable[[T], object], batches: Iterator[T]) -> float:
    """Compute two batches and return the seconds of the second; with the first one, sessions are opened."""
    compute(next(batches))
    batch = next(batches)
    started = time.perf_counter()
    compute(batch)
    return time.perf_counter() - started
