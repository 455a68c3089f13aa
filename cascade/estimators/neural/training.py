"""Train one network: seeded, resumable, with early stopping, and an error if a number is not finite."""

from __future__ import annotations

import logging
import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np

from cascade.errors import DataError, ModelRefusedError
from cascade.estimators.neural.batches import IndexedBatches
from cascade.estimators.neural.stored_training import StoredTraining, training_key
from cascade.estimators.resumption import stored_trainings

logger = logging.getLogger("cascade.training")


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed Keras in the block, and restore the global generators of Python and NumPy."""
    kept_python, kept_numpy = random.getstate(), np.random.get_state()  # noqa: NPY002
    # Keras seeds these as well, but other code of the process may depend on them.
    keras.utils.set_random_seed(seed)
    try:
        yield
    finally:
        random.setstate(kept_python)
        np.random.set_state(kept_numpy)  # noqa: NPY002


class EpochLog(keras.callbacks.Callback):  # type: ignore[misc]
    """Log one line of progress per epoch."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Log the losses."""
        shown = ", ".join(f"{key} {value:.4f}" for key, value in (logs or {}).items())
        logger.info("%s: epoch %d/%d, %s", self.name, epoch + 1, self.params["epochs"], shown)


def train_network(
    network: keras.Model,
    batches: IndexedBatches,
    validation: IndexedBatches | None,
    loss: keras.losses.Loss,
    epochs: int,
    learning_rate: float,
    patience: int,
    name: str,
    made_from: str,
    metrics: Sequence[keras.metrics.Metric] = (),
) -> None:
    """Minimise a loss of the logits, with a learning rate that falls to zero along a cosine.

    `name` is shown in the log. `made_from` tells this training from others with the same weights and batches: what the
    network computes with its weights, and the numbers of the loss.
    """
    steps = epochs * len(batches)
    network.compile(
        optimizer=keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(learning_rate, steps)),
        loss=loss,
        metrics=list(metrics),
        jit_compile=False,
    )
    # A step that creates variables is traced twice, and a trace takes longer than training a small network.
    network.optimizer.build(network.trainable_variables)
    callbacks: list[Any] = [keras.callbacks.TerminateOnNaN(raise_error=True), EpochLog(name)]
    stop = None
    if validation is not None:
        stop = keras.callbacks.EarlyStopping("val_loss", patience=patience, restore_best_weights=True)
        callbacks.append(stop)
    options = [made_from, epochs, learning_rate, patience, type(loss).__name__]
    stored = _stored(network, batches, validation, stop, options)
    if stored is None:
        _fit(network, batches, validation, callbacks, 0, epochs)
    elif stored.is_finished:
        logger.info("%s: was trained before this start", name)
        stored.restore(network)
    else:
        if stored.epoch:
            logger.info("%s: goes on after epoch %d/%d", name, stored.epoch, epochs)
            batches.go_to(stored.epoch)
        last = stored.epoch if stored.needs_no_epoch else epochs
        _fit(network, batches, validation, [*callbacks, stored], stored.epoch, last)
    check_finite(network)
    if stored is not None and not stored.is_finished:
        stored.finish(network)
    # Inference needs neither optimiser nor loss. The optimiser's moments would triple the saved file, and a loss of
    # this package would be code to load.
    network.optimizer, network.compiled = None, False


def _stored(
    network: keras.Model,
    batches: IndexedBatches,
    validation: IndexedBatches | None,
    stop: keras.callbacks.EarlyStopping | None,
    options: list[Any],
) -> StoredTraining | None:
    """Return the state of this training in the run's folder; None where no run keeps states."""
    trainings = stored_trainings()
    if trainings is None:
        return None
    key = training_key(network, batches, validation, options=options)
    return StoredTraining(trainings.path(key), key, stop)


def _fit(
    network: keras.Model,
    batches: IndexedBatches,
    validation: IndexedBatches | None,
    callbacks: list[Any],
    first: int,
    last: int,
) -> None:
    """Train from one epoch to another."""
    try:
        network.fit(
            batches, validation_data=validation, initial_epoch=first, epochs=last, callbacks=callbacks, verbose=0
        )
    except Exception as error:
        _raise_cause(batches, validation)
        if not (isinstance(error, RuntimeError) and any(word in str(error).lower() for word in ("nan", "inf"))):
            raise
        raise DataError("the training loss is not finite; look for NaN in `X` or lower `learning_rate`.") from error


def _raise_cause(*fetched: IndexedBatches | None) -> None:
    for batches in fetched:
        if batches is not None and batches.error is not None:
            raise batches.error from None


def check_finite(network: keras.Model) -> None:
    """Refuse a network with a weight that is NaN or infinite."""
    for weight in network.weights:
        if not np.isfinite(np.asarray(weight)).all():
            raise ModelRefusedError(
                f"weight {weight.path!r} is not finite; such a network is neither saved nor loaded."
            )
