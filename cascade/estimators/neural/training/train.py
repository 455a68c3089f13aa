"""Train one network: in phases, seeded, resumable, with early stopping, and an error if a number is not finite."""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass
from typing import Any

import keras
import numpy as np

from cascade.errors import ConfigError, DataError, ModelRefusedError
from cascade.estimators.neural.batches import IndexedBatches
from cascade.estimators.neural.networks import HEADS, all_layers
from cascade.estimators.neural.training.epoch_log import BatchCount, EpochLog
from cascade.estimators.neural.training.event_log import event_log
from cascade.estimators.neural.training.options import TrainingOptions
from cascade.estimators.neural.training.precision import mixed
from cascade.estimators.neural.training.stored_training import StoredTraining, training_key
from cascade.estimators.resumption import stored_trainings
from cascade.utils.progress import step

logger = logging.getLogger("cascade.training")

PLAIN = TrainingOptions()


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


@dataclass(frozen=True)
class Phase:
    """Some epochs of a training.

    Attributes
    ----------
    first : int
        Epochs before it, which determine the order of its rows.
    epochs : int
    learning_rate : float
    is_frozen : bool
        Whether only the head is trained.
    """

    first: int
    epochs: int
    learning_rate: float
    is_frozen: bool


@dataclass(frozen=True)
class Plan:
    """What is minimised, and how.

    Attributes
    ----------
    loss : keras.losses.Loss
        Of the logits.
    epochs : int
    learning_rate : float
    made_from : str
        What the network computes with its weights, and the numbers of the loss: it tells a training from others with
        the same weights and batches.
    patience : int
        Epochs without a better validation loss before the training stops.
    options : TrainingOptions
    optimizer : callable or None
        Makes a user's own optimizer from a learning rate.
    callbacks : callable or None
        Returns a user's own callbacks.
    is_mixed : bool
        Whether the training computes in mixed precision.
    """

    loss: keras.losses.Loss
    epochs: int
    learning_rate: float
    made_from: str
    patience: int = 1
    options: TrainingOptions = PLAIN
    optimizer: Callable[[Any], keras.optimizers.Optimizer] | None = None
    callbacks: Callable[[], Sequence[keras.callbacks.Callback]] | None = None
    is_mixed: bool = False

    def phases(self, is_continued: bool) -> list[Phase]:
        """Return the phases of a training; one that continues with a trained network has no frozen epochs."""
        frozen = self.options.frozen_epochs
        rate = self.learning_rate * (self.options.unfrozen_rate if frozen else 1.0)
        first = 0 if is_continued else frozen
        whole = Phase(first, self.epochs, rate, is_frozen=False)
        return [Phase(0, first, self.learning_rate, is_frozen=True), whole] if first else [whole]

    def described(self) -> list[Any]:
        """Return what identifies the plan as plain data."""
        return [self.made_from, type(self.loss).__name__, self.patience, self.is_mixed, _without_logs(self.options)]

    def optimizer_for(self, rate: Any) -> keras.optimizers.Optimizer:
        """Return the optimizer with a learning rate.

        Raises
        ------
        ConfigError
            If the user's function makes none.
        """
        return self.options.optimizer(rate) if self.optimizer is None else _own(self.optimizer, rate)

    def own_callbacks(self) -> list[keras.callbacks.Callback]:
        """Return the user's callbacks for one training.

        Raises
        ------
        ConfigError
            If the user's function makes none.
        """
        found = [] if self.callbacks is None else self.callbacks()
        if not isinstance(found, (list, tuple)) or not all(isinstance(one, keras.callbacks.Callback) for one in found):
            raise ConfigError(f"`callbacks` must return a list of Keras callbacks. Received {found!r}.")
        return list(found)


def _without_logs(options: TrainingOptions) -> dict[str, Any]:
    # Where figures are written changes no weight.
    return {name: value for name, value in asdict(options).items() if name != "tensorboard"}


def _own(function: Callable[[Any], Any], rate: Any) -> keras.optimizers.Optimizer:
    try:
        found = function(rate)
    except TypeError as error:
        raise ConfigError(f"`optimizer` must be a function of the learning rate: {error}.") from error
    if not isinstance(found, keras.optimizers.Optimizer):
        raise ConfigError(f"`optimizer` must return a Keras optimizer. Received {type(found).__name__}.")
    return found


def train_network(
    network: keras.Model,
    batches: IndexedBatches,
    validation: IndexedBatches | None,
    plan: Plan,
    name: str,
    seed: int,
    metrics: Sequence[keras.metrics.Metric] = (),
    is_continued: bool = False,
) -> None:
    """Minimise the loss of a plan; `name` is shown in the log.

    `is_continued` says that the network was trained before.
    """
    for number, phase in enumerate(plan.phases(is_continued)):
        # Seeded again for each phase: in a later start, phases that had been finished draw no numbers.
        with seeded(_phase_seed(seed, number)) if number else nullcontext():
            if batches.epoch != phase.first:
                batches.go_to(phase.first)
            _train_phase(network, batches, None if phase.is_frozen else validation, plan, phase, name, metrics)


def _phase_seed(seed: int, number: int) -> int:
    return int(np.random.SeedSequence([seed, number, 1]).generate_state(1)[0])


def _train_phase(
    network: keras.Model,
    batches: IndexedBatches,
    validation: IndexedBatches | None,
    plan: Plan,
    phase: Phase,
    name: str,
    metrics: Sequence[keras.metrics.Metric],
) -> None:
    if phase.is_frozen:
        name = f"{name}, head alone"
    # The precision first, since it depends on which layers have weights to train.
    with mixed(network) if plan.is_mixed else nullcontext(), _frozen(network) if phase.is_frozen else nullcontext():
        rate = plan.options.schedule(phase.learning_rate, phase.epochs, len(batches))
        network.compile(
            optimizer=plan.optimizer_for(rate),
            loss=plan.loss,
            metrics=list(metrics),
            jit_compile=False,
        )
        # A step that creates variables is traced twice, and a trace takes longer than training a small network.
        network.optimizer.build(network.trainable_variables)
        callbacks: list[Any] = [keras.callbacks.TerminateOnNaN(raise_error=True), EpochLog(name)]
        callbacks += [*event_log(plan.options.tensorboard, name), *plan.own_callbacks()]
        stop = None
        if validation is not None:
            stop = keras.callbacks.EarlyStopping("val_loss", patience=plan.patience, restore_best_weights=True)
            callbacks.append(stop)
        # What callbacks of a user do, and what they remember, is not known, so such a training begins again.
        # Keras numbers the names of optimizers within a process.
        optimizer = {key: value for key, value in network.optimizer.get_config().items() if key != "name"}
        described = [*plan.described(), asdict(phase), repr(optimizer)]
        stored = None if plan.callbacks else _stored(network, batches, validation, stop, described)
        _train_from(network, batches, validation, callbacks, phase, stored, name)
    # Inference needs neither optimiser nor loss. The optimiser's moments would triple the saved file, and a loss of
    # this package would be code to load.
    network.optimizer, network.compiled = None, False


def _train_from(
    network: keras.Model,
    batches: IndexedBatches,
    validation: IndexedBatches | None,
    callbacks: list[Any],
    phase: Phase,
    stored: StoredTraining | None,
    name: str,
) -> None:
    """Train the epochs of a phase that are not stored."""
    if stored is None:
        _fit(network, batches, validation, callbacks, (0, phase.epochs), name)
    elif stored.is_finished:
        logger.info("%s: was trained before this start", name)
        stored.restore(network)
    else:
        if stored.epoch:
            logger.info("%s: goes on after epoch %d/%d", name, stored.epoch, phase.epochs)
            batches.go_to(phase.first + stored.epoch)
        last = stored.epoch if stored.needs_no_epoch else phase.epochs
        _fit(network, batches, validation, [*callbacks, stored], (stored.epoch, last), name)
    check_finite(network)
    if stored is not None and not stored.is_finished:
        stored.finish(network)


@contextmanager
def _frozen(network: keras.Model) -> Iterator[None]:
    """Train only the head in the block."""
    layers = list(all_layers(network))
    flags = [layer.trainable for layer in layers]
    heads = [layer for layer in layers if layer.name in HEADS] or [layer for layer in layers if layer.weights][-1:]
    for layer in layers:
        layer.trainable = any(layer is head for head in heads)
    try:
        yield
    finally:
        for layer, flag in zip(layers, flags, strict=True):
            layer.trainable = flag


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
    epochs: tuple[int, int],
    name: str,
) -> None:
    """Train from one epoch to another."""
    first, last = epochs
    try:
        with step(name, (last - first) * len(batches), "batches") as advance:
            network.fit(
                batches,
                validation_data=validation,
                initial_epoch=first,
                epochs=last,
                callbacks=[*callbacks, BatchCount(advance)],
                verbose=0,
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
