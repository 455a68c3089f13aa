"""Precision, recall and nDCG of the k labels ranked first, as Keras metrics during training."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops

from cascade.errors import ConfigError

KINDS = ("precision", "recall", "ndcg")


class AtK(keras.metrics.Mean):  # type: ignore[misc]
    """Mean of one figure of each row's first k labels, over the rows with a label; logits rank as probabilities do.

    Parameters
    ----------
    kind : {"precision", "recall", "ndcg"}
    k : int

    See Also
    --------
    cascade.metrics.top_k.at_k : the same figures from sparse labels.

    Examples
    --------
    >>> metric = AtK("recall", 1)
    >>> metric.update_state(np.array([[1.0, 1.0], [0.0, 0.0]]), np.array([[3.0, 2.0], [1.0, 0.0]]))
    >>> float(metric.result())
    0.5
    """

    def __init__(self, kind: str, k: int) -> None:
        if kind not in KINDS:
            raise ConfigError(f"`kind` must be one of {list(KINDS)}. Received {kind!r}.")
        super().__init__(name=f"{kind}_at_{k}")
        self.kind, self.k = kind, k

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Add a batch: 0/1 and logits of shape (batch, L); row weights are ignored."""
        y = ops.cast(y_true, "float32")
        columns = ops.top_k(ops.cast(y_pred, "float32"), self.k)[1]
        hits = ops.take_along_axis(y, columns, axis=1)
        number = ops.sum(y, axis=1)
        # A row without a label has weight 0: none of its first k labels could be right.
        super().update_state(self._figure(hits, number), ops.cast(number > 0, "float32"))

    def _figure(self, hits: Any, number: Any) -> Any:
        some = ops.maximum(number, 1.0)
        if self.kind == "precision":
            return ops.sum(hits, axis=1) / self.k
        if self.kind == "recall":
            return ops.sum(hits, axis=1) / some
        discount = 1 / np.log2(np.arange(2, self.k + 2))
        # The best ranking has the row's labels first, up to k of them.
        best = ops.take(
            ops.convert_to_tensor(np.cumsum(discount), "float32"), ops.cast(ops.minimum(some, self.k), "int32") - 1
        )
        return ops.sum(hits * ops.convert_to_tensor(discount, "float32"), axis=1) / best
