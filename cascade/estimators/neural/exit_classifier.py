"""A gate that is an exit of the labeler's own network."""

from __future__ import annotations

from typing import Any, Self

import keras
from numpy.typing import ArrayLike

from cascade.data.rows import as_dense, makes_batches, take
from cascade.errors import ConfigError
from cascade.estimators.neural.classifier import TRIED_ROWS, KerasClassifier
from cascade.estimators.neural.networks import EXIT, HEAD, WITH_EXIT, mean_network, until
from cascade.utils.types import Rows


class ExitClassifier(KerasClassifier):
    """An exit of a network, trained together with the whole network in one training.

    Its predictions are those of the exit: a small branch after the first convolution [1]_. Both losses are added. The
    parameters are those of the labeler.

    Attributes
    ----------
    labeler_ : KerasClassifier
        The whole network, whose predictions are those of its head. It shares no weights with `network_`, so it can be
        trained further.

    References
    ----------
    .. [1] Teerapittayanon, McDanel & Kung (2016), BranchyNet: fast inference via early exiting from deep neural
       networks, ICPR.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.random.default_rng(0).integers(0, 256, size=(64, 16, 16, 1), dtype="uint8")
    >>> Y = np.random.default_rng(1).integers(0, 2, size=(64, 3))
    >>> gate = ExitClassifier("cnn", {"width": 6}, epochs=1).fit(X, np.hstack([Y.max(axis=1, keepdims=True), Y]))
    >>> gate.predict_proba(X).shape, gate.labeler_.predict_proba(X).shape
    ((64, 2), (64, 3))
    """

    is_exit = True

    def fit(
        self,
        X: Any,
        y: Any,
        groups: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
        trunk: Any = None,
        n_gate_outputs: int = 1,
    ) -> Self:
        """Train network and exit.

        Parameters
        ----------
        X, groups, sample_weight, trunk
            As in `KerasClassifier.fit`.
        y : array-like of 0/1, shape (n, G + K)
            Targets of the exit, then those of the head.
        n_gate_outputs : int, default=1
            G, at least 1.
        """
        self.n_gate_outputs_ = n_gate_outputs
        super().fit(X, y, groups, sample_weight, trunk)
        networks, head = self.networks_, mean_network([until(each, HEAD) for each in self.networks_])
        self.labeler_ = KerasClassifier(**self.get_params(deep=False)).set_network(head)
        # Several networks make a better labeler; a gate has to be cheap, so it is an exit of the first alone.
        early = until(networks[0], EXIT)
        alone = keras.models.clone_model(early)
        alone.set_weights(early.get_weights())
        return self.set_network(alone)

    def _build(self, X: Any, n_outputs: int, training: Rows) -> keras.Model:
        rows = as_dense(take(X, training[:TRIED_ROWS]))
        build, options = WITH_EXIT[str(self.network)], self.network_options or {}
        return build(rows.shape[1:], n_outputs, str(rows.dtype), exit_outputs=self.n_gate_outputs_, **options)

    def _name(self, number: int) -> str:
        return f"{super()._name(number)} with exit"


def exit_of(labeler: Any) -> ExitClassifier:
    """Return the unfitted gate that is an exit of a labeler.

    Raises
    ------
    ConfigError
        If the labeler cannot have one.
    """
    if not getattr(labeler, "can_have_exit", False):
        is_encoded = hasattr(labeler, "steps") and makes_batches(labeler.steps[-1][1])
        kind = "a network behind an encoder" if is_encoded else type(labeler).__name__
        received = f"{kind} with the network {labeler.network!r}" if isinstance(labeler, KerasClassifier) else kind
        raise ConfigError(
            f"`gate` 'exit' needs a labeler that is one network among {sorted(WITH_EXIT)}, with the loss 'bce' and "
            f"without `sampling` or `top_k`. Received {received}."
        )
    return ExitClassifier(**labeler.get_params(deep=False))
