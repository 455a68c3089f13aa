"""Predict the number of labels of a row by a head on the trunk of a trained network, fitted as a Poisson rate."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np
from keras import layers, ops
from numpy.typing import NDArray

from cascade.data.label_matrix import LabelMatrix
from cascade.data.rows import as_dense, n_rows, take
from cascade.data.targets import TargetForm
from cascade.estimators.loss_options import make_loss
from cascade.estimators.neural.batches import IndexedBatches
from cascade.estimators.neural.classifier import KerasClassifier
from cascade.estimators.neural.networks import HEAD
from cascade.estimators.neural.training.train import Plan, seeded, train_network

EPOCHS = 10
LEARNING_RATE = 3e-3
SCALE_ROWS = 1024


class PoissonOfLog(keras.losses.Loss):  # type: ignore[misc]
    """Negative log-likelihood of a count, given the logarithm of its rate: exp(z) - y z plus a constant."""

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Return losses of shape (batch,)."""
        return ops.sum(ops.exp(y_pred) - y_true * y_pred, axis=-1)


def fit_counter(model: KerasClassifier, X: Any, number: NDArray[Any]) -> KerasClassifier:
    """Train a head on the trunk of a fitted network, which stays unchanged.

    Parameters
    ----------
    model : fitted KerasClassifier
    X : rows, n of them
        The rows that the network was trained on, or others.
    number : array-like of int >= 0, shape (n,)
        Number of labels per row.

    Returns
    -------
    KerasClassifier
        Its `predict_log_odds` of shape (n, 1) returns the logarithm of the expected number.
    """
    counter = KerasClassifier(batch_size=model.batch_size, random_state=model.random_state)
    seed = model.random_state or 0
    # Of several networks the first one's trunk is enough: the mean of their logits has no trunk of its own.
    network = model.networks_[0]
    with seeded(seed), _frozen(network):
        counter.network_ = _with_head(network, X, float(np.mean(number)))
        batches = IndexedBatches(
            X, np.asarray(number, np.float32)[:, None], None, np.arange(n_rows(X)), model.batch_size, seed
        )
        name = "number of labels"
        plan = Plan(PoissonOfLog(), EPOCHS, LEARNING_RATE, made_from=name)
        train_network(counter.network_, batches, None, plan, name, seed)
    # A one-column classifier with plain cross-entropy returns logits unchanged, so the head is saved and loaded as one.
    counter.target_form_ = TargetForm(np.arange(2), is_vector=True)
    counter.classes_ = counter.target_form_.classes
    counter.loss_, counter.sampling_shift_ = make_loss("bce", LabelMatrix(np.zeros((1, 1), np.uint8))), np.zeros(1)
    return counter


def _with_head(network: keras.Model, X: Any, mean: float) -> keras.Model:
    """Return a network that shares every layer of `network` but the last."""
    output = network.layers[-2].output
    trunk = keras.Model(network.inputs, output)
    # Trunks differ in the scale of their outputs; divided by it, one learning rate suits them all.
    spread = float(np.std(trunk.predict_on_batch(as_dense(take(X, np.arange(min(n_rows(X), SCALE_ROWS)))))))
    scaled = layers.Rescaling(1 / max(spread, 1e-6), name="scale")(output)
    # Starting at the mean saves the epochs that would only move the bias.
    start = keras.initializers.Constant(np.log(max(mean, 1e-3)))
    return keras.Model(network.inputs, layers.Dense(1, bias_initializer=start, name=HEAD)(scaled))


@contextmanager
def _frozen(network: keras.Model) -> Iterator[None]:
    trainable = network.trainable
    network.trainable = False
    try:
        yield
    finally:
        network.trainable = trainable
