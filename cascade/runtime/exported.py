"""A network in an exported runtime, which answers as the fitted estimator that it was as a Keras network.

It only predicts; so it is no scikit-learn estimator, and a model loads without waiting for scikit-learn.
"""

from __future__ import annotations

from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from cascade.errors import CascadeError, DataError, ModelRefusedError
from cascade.image_size import at_size
from cascade.rows import as_dense, blocks, n_rows
from cascade.runtime.kinds import FLOAT32, RUNTIMES, Session
from cascade.targets import TargetForm

Floats = NDArray[np.float64]


class ExportedNetwork:
    """A converted network, opened at a batch size of its own and, when it is asked for a single row, at one row.

    Float kernels depend on the shape of a batch: a row's answer alone and in a batch may differ in the seventh digit.
    Threads may share it; they take turns.

    Parameters
    ----------
    content : bytes
    runtime : {"litert", "onnx"}
    batch_size : int
        Rows of a batch; the last one is padded.
    threads : int
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
        self._sessions: dict[int, Session] = {}
        self._lock = Lock()

    def answers_like(self, loss: Any, sampling_shift: Floats, form: TargetForm) -> ExportedNetwork:
        """Take over what turns the network's logits into log-odds and classes; return itself."""
        self.loss_, self.sampling_shift_ = loss, sampling_shift
        self.target_form_, self.classes_ = form, form.classes
        return self

    def logits(self, X: Any) -> NDArray[np.float32]:
        """What the network itself says, float32 of shape (n, n_outputs)."""
        X, count = at_size(X, self.image_size), n_rows(X)
        size = 1 if count == 1 else self.batch_size
        answer = np.empty((count, len(self.sampling_shift_)), np.float32)
        for rows, batch in blocks(X, np.arange(count), size):
            answer[rows] = self._run(np.ascontiguousarray(as_dense(batch), self.dtype))[: len(rows)]
        return answer

    def predict_log_odds(self, X: Any) -> Floats:
        """Log-odds, the loss's and the sample's shift taken off; float of shape (n, n_outputs)."""
        z: Floats = self.loss_.log_odds(self.logits(X).astype(np.float64))
        z += self.sampling_shift_
        return z

    def predict_proba(self, X: Any) -> Floats:
        """Probability of each label: float of shape (n, L), or (n, 2) where the target was a vector."""
        return self.target_form_.proba(expit(self.predict_log_odds(X)))

    def _run(self, batch: NDArray[Any]) -> NDArray[np.float32]:
        try:
            # A session keeps its input and output between the calls that make one answer.
            with self._lock:
                answer = self._session(len(batch))(batch)
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

    def _session(self, size: int) -> Session:
        if size not in self._sessions:
            self._sessions[size] = RUNTIMES[self.runtime].open(self.content, size, self.threads)
        return self._sessions[size]
