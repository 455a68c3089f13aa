"""A Keras network as a scikit-learn classifier, binary or multi-label by the shape of Y."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self

import keras
import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import check_is_fitted

from cascade.data.images.size import at_size, check_image_size
from cascade.data.label_matrix import LabelMatrix
from cascade.data.rows import as_dense, blocks, n_rows, not_finite, take
from cascade.data.sample_weight import check_weight
from cascade.data.targets import TargetForm, read_target_as_given
from cascade.errors import ConfigError, DataError
from cascade.estimators.base import LogOddsClassifier
from cascade.estimators.early_stopping import AUTO, check_validation_size, split_validation
from cascade.estimators.loss_options import LossOption, check_loss, make_loss
from cascade.estimators.losses import Loss, WeightedLoss, loss_to_json
from cascade.estimators.neural.batches import IndexedBatches, SampledBatches, TiltedBatches, refuse_unsampled
from cascade.estimators.neural.losses import LogitLoss, refuse_softmax_of_one, training_loss
from cascade.estimators.neural.networks import (
    WITH_EXIT,
    build_network,
    copy_trunk,
    mean_network,
    members,
    with_outputs,
)
from cascade.estimators.neural.own_network import build_own, described_network
from cascade.estimators.neural.standardisation import adapt
from cascade.estimators.neural.top_k import KINDS, AtK
from cascade.estimators.neural.training.options import TrainingOptions
from cascade.estimators.neural.training.precision import MIXED, is_mixed
from cascade.estimators.neural.training.train import Plan, seeded, train_network
from cascade.estimators.sampling import SamplingOption, check_sampling, resampling_shift
from cascade.estimators.validation import validate_rows
from cascade.utils.types import Floats, Rows

TRIED_ROWS = 4
"""Training rows that a user's network is tried on before it is trained."""


class KerasClassifier(LogOddsClassifier):
    """A Keras network as a scikit-learn classifier.

    Parameters
    ----------
    network : str or callable, default="cnn"
        "mlp", "embedding_bag" for encoded text, "cnn", a network of `keras.applications` such as "resnet50" (see
        `cascade.estimators.network_names`), or a function ``network(input_shape, n_outputs, **network_options)`` that
        returns a model of logits, without a final activation. It is checked before training.
    network_options : dict, optional
        Options of the network, such as ``{"width": 32}`` or ``{"weights": "imagenet"}``.
    epochs : int, default=10
    batch_size : int, default=128
        Rows per step. Prediction uses batches of exactly this many rows, padded.
    learning_rate : float, default=0.002
        Initial rate; it falls to zero along a cosine.
    validation_size : float or "auto", default="auto"
        Share of the groups held out for early stopping; with 0, all epochs use all rows. "auto" is 0.1 where that share
        holds 100 positives of every label, and 0 otherwise: a loss on fewer of them is too noisy to stop by.
    patience : int, default=3
        Epochs without a better validation loss before training stops.
    loss : str or mapping, default="bce"
        "bce", "weighted", "focal", "asymmetric", "logit_adjusted", "smoothed", "distribution_balanced" or "softmax", or
        a mapping with the `kind` and options, such as ``{"kind": "weighted", "temper": 0.5}``; see
        `cascade.estimators.loss_options.DEFAULTS`. Predictions are corrected for the loss.
    top_k : int, optional
        Also report precision, recall and nDCG of the k labels ranked first, after each epoch.
    sampling : str or mapping, optional
        Sample the training rows anew per epoch: "rare", "ml_ros", "ml_rus", "lp_ros" or "lp_rus", or a mapping with the
        `kind` and options, such as ``{"kind": "rare", "gamma": 0.5}``; see
        `cascade.estimators.sampling.options.DEFAULTS`. Predictions are corrected for the shift that the sample of the
        first epoch causes, which is right on average, but not for each row.
    image_size : int, optional
        Height and width of the images that the network takes, so that a gate may take smaller ones than the labeler.
        Files are decoded at this size, arrays are averaged down to it.
    n_networks : int, default=1
        Networks that are trained from different initial weights and orders of the rows. Their mean logits are the
        prediction, which is better than that of one network, at `n_networks` times its cost [1]_. They are saved and
        exported as one network.
    training : mapping, optional
        Options of the optimisation: ``weight_decay``, ``warm_up``, ``averaging``, ``frozen_epochs``, ``unfrozen_rate``,
        ``precision`` and ``tensorboard``; see `cascade.estimators.neural.training.options.TrainingOptions`.
    optimizer : callable, optional
        Own optimizer: a function of the learning rate, a Keras schedule, that returns a Keras optimizer.
    callbacks : callable, optional
        Own callbacks: a function without parameters that returns a list of Keras callbacks for one training.
    warm_start : bool, default=False
        Let `fit` continue from the weights of the previous fit where rows and outputs have the same shape.
    random_state : int, optional
        None means 0: the same data gives the same network.

    Attributes
    ----------
    network_ : keras.Model
        Its outputs are the logits of the loss.
    loss_ : Loss
        With the numbers computed from the labels; `proper` is False where probabilities also need calibration.
    sampling_shift_ : ndarray of float, shape (L,)
        Log-odds added at predict time to correct each label's prevalence in the sample.
    classes_ : ndarray
        The two classes of a binary target, 0 to L - 1 for a multi-label one.

    References
    ----------
    .. [1] Lakshminarayanan, Pritzel & Blundell (2017), Simple and scalable predictive uncertainty estimation using deep
       ensembles, NeurIPS 30.

    Examples
    --------
    >>> X = np.random.default_rng(0).normal(size=(400, 2)).astype("float32")
    >>> model = KerasClassifier("mlp", epochs=2).fit(X, (X > 0).astype(int))
    >>> model.predict_proba(X).shape
    (400, 2)
    """

    makes_batches = True
    takes_missing_labels = True

    def __init__(
        self,
        network: str | Callable[..., keras.Model] = "cnn",
        network_options: dict[str, Any] | None = None,
        epochs: int = 10,
        batch_size: int = 128,
        learning_rate: float = 2e-3,
        validation_size: float | str = AUTO,
        patience: int = 3,
        loss: LossOption = "bce",
        top_k: int | None = None,
        sampling: SamplingOption | None = None,
        image_size: int | None = None,
        n_networks: int = 1,
        training: Mapping[str, Any] | None = None,
        optimizer: Callable[[Any], keras.optimizers.Optimizer] | None = None,
        callbacks: Callable[[], Sequence[keras.callbacks.Callback]] | None = None,
        warm_start: bool = False,
        random_state: int | None = None,
    ) -> None:
        self.network = network
        self.network_options = network_options
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.validation_size = validation_size
        self.patience = patience
        self.loss = loss
        self.top_k = top_k
        self.sampling = sampling
        self.image_size = image_size
        self.n_networks = n_networks
        self.training = training
        self.optimizer = optimizer
        self.callbacks = callbacks
        self.warm_start = warm_start
        self.random_state = random_state

    def fit(
        self,
        X: Any,
        y: Any,
        groups: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
        trunk: Any = None,
    ) -> Self:
        """Train the network.

        Parameters
        ----------
        X : rows, n of them, each of one shape
        y : array-like of two classes, shape (n,), or array-like or sparse matrix of 0/1, shape (n, L)
            A sparse matrix stays sparse; only one batch at a time becomes dense. A label that is NaN or masked does not
            count in the loss.
        groups : array-like, shape (n,), optional
            The validation rows for early stopping are whole groups.
        sample_weight : array-like of float >= 0, shape (n,) or (n, L), optional
            One weight per row, or per row and label. A weight of 0 has the effect of a missing label in the loss.
        trunk : fitted KerasClassifier, optional
            Start from its weights in every layer but the head.

        Raises
        ------
        ConfigError, DataError
        """
        self._check_parameters()
        X = at_size(validate_rows(self, X, reset=True), self.image_size)
        labels, self.target_form_ = read_target_as_given(y, n_rows(X))
        shape = getattr(X, "shape", None) or np.shape(X)
        if len(shape) < 2:
            raise DataError(f"`X` must hold rows of numbers for a network. Received shape {shape}.")
        self.classes_ = self.target_form_.classes
        # Batches come before the network: options that do not fit the labels are refused before anything is built.
        training, validation = self._split(labels, groups)
        weight = _loss_weight(sample_weight, labels)
        rows = tuple(shape[1:])
        networks = []
        for number, network in enumerate(self._former(rows, labels.shape[1])):
            seed = _member_seed(self.random_state or 0, number)
            batches, validating = self._batches(X, labels, weight, training, validation, seed)
            with seeded(seed):
                is_continued = network is not None
                if not is_continued:
                    network = self._build(X, labels.shape[1], training)
                    if trunk is not None:
                        copy_trunk(trunk.network_, network)
                train_network(
                    network,
                    batches,
                    validating if len(validation) else None,
                    self._plan(weight, network),
                    self._name(number),
                    seed,
                    self._metrics(labels.shape[1]),
                    is_continued,
                )
            networks.append(network)
        self.network_ = mean_network(networks)
        return self

    @property
    def networks_(self) -> list[keras.Model]:
        """The trained networks, of length `n_networks`, whose mean is `network_`."""
        # From the mean, since a saved model has this alone: a warm start must continue from it as well.
        return members(self.network_)

    @property
    def outputs_are_separate(self) -> bool:
        """Whether outputs can be taken from the network: those of a named network, each with a loss of its own."""
        # A subclass may build and train otherwise, and figures of the first k labels are those of all outputs.
        options = type(self) is KerasClassifier, check_loss(self.loss)[0] == "bce", self.sampling is None
        return all(options) and self.top_k is None and isinstance(self.network, str)

    @property
    def can_have_exit(self) -> bool:
        """Whether an exit of the network can be trained together with it."""
        # Other losses and samples depend on counts of labels, and here each label has two outputs.
        return self.outputs_are_separate and self.network in WITH_EXIT

    def take_outputs(self, other: KerasClassifier, first: int) -> Self:
        """Predict the outputs from number `first` on of a fitted classifier with the same parameters.

        The networks are copies, which can be trained further. The outputs of both must be separate.
        """
        options, networks = self.network_options or {}, []
        for number, each in enumerate(other.networks_):
            # Layers that draw at random, such as augmentation, are seeded where they are built.
            with seeded(_member_seed(self.random_state or 0, number)):
                networks.append(with_outputs(each, slice(first, None), str(self.network), options))
        for name in ("n_features_in_", "feature_names_in_"):
            if hasattr(other, name):
                setattr(self, name, getattr(other, name))
        return self.set_network(mean_network(networks))

    def set_network(self, network: keras.Model) -> Self:
        """Predict with a trained network, each of whose outputs is the log-odds of a label."""
        n_outputs = network.output_shape[1]
        self.network_ = network
        self.target_form_ = TargetForm(np.arange(2), is_vector=True) if n_outputs == 1 else TargetForm.matrix(n_outputs)
        self.classes_ = self.target_form_.classes
        loss: Loss = WeightedLoss(np.ones((n_outputs, 2)))
        self.loss_, self.sampling_shift_ = loss, np.zeros(n_outputs)
        return self

    def rehearse(self, X: Any, labels: LabelMatrix) -> Self | None:
        """Check the options for these rows and labels, of all rows or of some, and build the network untrained.

        Returns
        -------
        KerasClassifier or None
            This classifier with untrained networks if they are a user's own, which may not be possible to save.

        Raises
        ------
        ConfigError, DataError
        """
        self._check_parameters()
        X = at_size(X, self.image_size)
        rows = np.arange(len(labels))
        shape = getattr(X, "shape", None) or np.shape(X)
        if len(shape) < 2:
            raise DataError(f"`X` must hold rows of numbers for a network. Received shape {shape}.")
        # Sets the loss, for which options such as weights must suit the labels.
        self._batches(X, labels, None, rows, rows[:0], 0)
        sample = as_dense(take(X, rows[:2]))
        options = self.network_options or {}
        n_outputs = labels.shape[1]
        if isinstance(self.network, str):
            build_network(self.network, tuple(shape[1:]), n_outputs, str(sample.dtype), options)
            return None
        self.network_ = build_own(self.network, sample, n_outputs, options)
        self.target_form_ = TargetForm(np.arange(2), is_vector=True) if n_outputs == 1 else TargetForm.matrix(n_outputs)
        self.classes_ = self.target_form_.classes
        return self

    def _plan(self, weight: NDArray[np.float32] | None, network: keras.Model) -> Plan:
        return Plan(
            self._training_loss(weight),
            self.epochs,
            self.learning_rate,
            self._made_from(network),
            self.patience,
            TrainingOptions.of(self.training),
            self.optimizer,
            self.callbacks,
            isinstance(self.network, str) and is_mixed(TrainingOptions.of(self.training).precision),
        )

    def _name(self, number: int) -> str:
        name = self.network if isinstance(self.network, str) else "network"
        return name if self.n_networks == 1 else f"{name} {number + 1}/{self.n_networks}"

    def _made_from(self, network: keras.Model) -> str:
        """Describe what, besides weights and rows, a network and its loss are made from."""
        # Of a function, what it has built: the same function may build another network once its code is edited.
        what = self.network if isinstance(self.network, str) else described_network(network)
        return repr([what, self.network_options, loss_to_json(self.loss_), self.sampling])

    def _former(self, shape: tuple[int, ...], n_outputs: int) -> list[Any]:
        """Return the networks of the previous fit, to be trained further, or None for each that is to be built."""
        former: list[Any] = self.networks_ if self.warm_start and hasattr(self, "network_") else []
        # Networks can only be continued with rows and outputs of the same shape.
        if len(former) == self.n_networks:
            shapes = former[0].input_shape[1:], former[0].output_shape[1:]
            if shapes == (shape, (n_outputs,)):
                return former
        return [None] * self.n_networks

    def _metrics(self, n_labels: int) -> list[keras.metrics.Metric]:
        k = self.top_k
        return [] if k is None else [AtK(kind, min(k, n_labels)) for kind in KINDS]

    def _check_parameters(self) -> None:
        for name in ("epochs", "batch_size", "patience", "top_k", "n_networks"):
            value = getattr(self, name)
            is_integer = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
            if not (is_integer and value >= 1) and not (name == "top_k" and value is None):
                raise ConfigError(f"`{name}` must be a whole number of 1 or more. Received {value!r}.")
        check_loss(self.loss)
        check_image_size(self.image_size)
        if self.sampling is not None:
            check_sampling(self.sampling)
        if not self.learning_rate > 0:
            raise ConfigError(f"`learning_rate` must be positive. Received {self.learning_rate}.")
        check_validation_size(self.validation_size)
        options = TrainingOptions.of(self.training)
        averaging = options.averaging
        if self.optimizer is not None and (averaging or options.weight_decay):
            raise ConfigError(
                "`optimizer` must be left out with `weight_decay` or `averaging` of `training`, which are options of "
                "the optimizer; give them to yours."
            )
        if averaging and self.validation_size not in (AUTO, 0):
            raise ConfigError(
                "`validation_size` must be 0 with `training.averaging`, since the validation loss is that of the last "
                f"weights and not of their average. Received {self.validation_size}."
            )
        if options.precision == MIXED and not isinstance(self.network, str):
            raise ConfigError(
                "`training.precision` 'mixed' needs a network by name; an own function gives its layers a `dtype`."
            )
        for name in ("optimizer", "callbacks"):
            value = getattr(self, name)
            if value is not None and not callable(value):
                raise ConfigError(
                    f"`{name}` must be a function, since each training needs its own {name}. Received {value!r}."
                )

    def _split(self, labels: LabelMatrix, groups: ArrayLike | None) -> tuple[Rows, Rows]:
        size = 0 if TrainingOptions.of(self.training).averaging else self.validation_size
        return split_validation(labels, groups, size, self.random_state or 0)

    def _training_loss(self, weight: NDArray[np.float32] | None) -> keras.losses.Loss:
        # `TiltedBatches` has one weight per row and label, which Keras' own cross-entropy does not take.
        if self.sampling is not None:
            return LogitLoss(self.loss_)
        return training_loss(self.loss, self.loss_, label_weights=weight is not None and weight.ndim == 2)

    def _batches(
        self,
        X: Any,
        labels: LabelMatrix,
        weight: NDArray[np.float32] | None,
        training: Rows,
        validation: Rows,
        seed: int,
    ) -> tuple[IndexedBatches, IndexedBatches]:
        """Return training and validation batches; set the loss and the shift that sampling causes."""
        target, n_labels = labels.values.astype(np.float32), labels.shape[1]
        size = self.batch_size
        if self.sampling is None:
            self.loss_ = make_loss(self.loss, labels.part(training))
            self.sampling_shift_ = np.zeros(n_labels)
            refuse_softmax_of_one(self.loss_, n_labels)
            batches = IndexedBatches(X, target, weight, training, size, seed)
            return batches, IndexedBatches(X, target, weight, validation, size)
        if weight is not None and weight.ndim == 2:
            raise ConfigError("`sampling` needs every label known and one weight per row; leave `sampling` out.")
        sampled = SampledBatches(X, target, weight, training, size, seed, self.sampling)
        # The loss counts the labels that training sees; `sampling_shift_` corrects the sampling itself.
        self.loss_ = make_loss(self.loss, LabelMatrix(sampled.target[sampled.order]))
        refuse_unsampled(self.loss_, n_labels)
        ratios = sampled.ratios()
        self.sampling_shift_ = resampling_shift(ratios)
        return sampled, TiltedBatches(X, target, weight, validation, size, ratios)

    def _build(self, X: Any, n_outputs: int, training: Rows) -> keras.Model:
        rows = as_dense(take(X, training[:TRIED_ROWS]))
        options = self.network_options or {}
        if callable(self.network):
            network = build_own(self.network, rows, n_outputs, options)
        else:
            network = build_network(self.network, rows.shape[1:], n_outputs, str(rows.dtype), options)
        adapt(network, X, training)
        return network

    def predict_log_odds(self, X: Any) -> Floats:
        """Return log-odds, corrected for the loss and for sampling; float of shape (n, n_outputs)."""
        check_is_fitted(self)
        X = at_size(validate_rows(self, X, reset=False), self.image_size)
        n_outputs = 1 if self.target_form_.is_vector else len(self.classes_)
        z = np.empty((n_rows(X), n_outputs))
        for rows, batch in blocks(X, np.arange(n_rows(X)), self.batch_size):
            # Corrected batch by batch, while its numbers are in the processor's cache.
            values = as_dense(batch)
            z[rows] = self.loss_.log_odds(self.network_.predict_on_batch(values)[: len(rows)])
            # Kernels of some processors take NaN for 0, so the output does not show it.
            z[rows[not_finite(values)[: len(rows)]]] = np.nan
        z += self.sampling_shift_
        return z


def _member_seed(seed: int, number: int) -> int:
    """Return the seed of a network of several; the first one's is that of a single network."""
    return seed if number == 0 else int(np.random.SeedSequence([seed, number]).generate_state(1)[0])


def _loss_weight(sample_weight: ArrayLike | None, labels: LabelMatrix) -> NDArray[np.float32] | None:
    """Return the weight in the loss per row, or per row and label, which is 0 for a missing label."""
    known = labels.known
    if sample_weight is None:
        return None if known is None else known.astype(np.float32)
    weight = check_weight(sample_weight, *labels.shape).astype(np.float32)
    if known is None:
        return weight
    return (weight[:, None] if weight.ndim == 1 else weight) * known
