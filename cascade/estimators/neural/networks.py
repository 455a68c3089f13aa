"""Networks by name. Each ends in logits; all layers before `head` are its trunk."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import keras
from keras import layers

from cascade.errors import ConfigError
from cascade.estimators.network_names import APPLICATIONS, NAMES
from cascade.estimators.neural.applications import application, without_weights
from cascade.estimators.neural.augmentation import augmentation
from cascade.estimators.neural.standardisation import standardised

Shape = tuple[int, ...]
Builder = Callable[..., keras.Model]

HEAD = "head"
EXIT = "exit"
HEADS = (HEAD, EXIT)
"""Names of the layers that give outputs."""
EXIT_WIDTHS = (2 / 3, 4 / 3)
"""Widths of an exit's own convolutions, as shares of the network's."""


def mlp(input_shape: Shape, n_outputs: int, dtype: str, width: int = 64, depth: int = 2) -> keras.Model:
    """Build a fully connected network on standardised features, clipped to `BOUND` standard deviations."""
    inputs = keras.Input(input_shape, dtype=dtype)
    x = standardised(inputs)
    for _ in range(depth):
        x = layers.Dense(width, activation="relu")(x)
    return keras.Model(inputs, layers.Dense(n_outputs, name=HEAD)(x))


def embedding_bag(
    input_shape: Shape, n_outputs: int, dtype: str, width: int = 64, penalty: float = 1e-5
) -> keras.Model:
    """Build a network of encoded text, which adds up one vector per word.

    A row has one number per word of a vocabulary or per hash, most of them 0, so that the first layer is a weighted sum
    of the vectors of its words [1]_. Numbers and categories beside the text enter in the same way. Columns are not
    standardised, since that would give the rarest words the largest values. `penalty` is that of the squared weights of
    words: without it, the network learns the words of each training row by heart.

    References
    ----------
    .. [1] Joulin, Grave, Bojanowski & Mikolov (2017), Bag of tricks for efficient text classification, EACL.
    """
    inputs = keras.Input(input_shape, dtype=dtype)
    x = layers.Dense(width, activation="relu", kernel_regularizer=keras.regularizers.L2(penalty))(inputs)
    return keras.Model(inputs, layers.Dense(n_outputs, name=HEAD)(x))


def cnn(
    input_shape: Shape,
    n_outputs: int,
    dtype: str,
    width: int = 24,
    reduce: int = 1,
    last_stride: int = 1,
    flip: bool = False,
    augment: Mapping[str, float] | None = None,
) -> keras.Model:
    """Build a small convolutional network: a stem of stride 4, then 3x3 convolutions.

    It takes 2.8 MFLOP at 64 px and width 24.

    `reduce` averages squares of this side first, so that a gate may take smaller images than the labeler. A
    `last_stride` of 2 makes the last convolution four times as cheap, for gates that see the whole image. `flip`
    mirrors training images at random; `augment` is described in `cascade.estimators.neural.augmentation`.
    """
    inputs = keras.Input(input_shape, dtype=dtype)
    # The scale is part of the network, so that every runtime and server takes raw pixels.
    x = layers.Rescaling(1 / 127.5, offset=-1.0)(inputs)
    if reduce > 1:
        x = layers.AveragePooling2D(reduce)(x)
    if flip:
        x = layers.RandomFlip("horizontal")(x)
    for layer in augmentation(augment):
        x = layer(x)
    x = layers.Conv2D(width, 7, strides=4, padding="same", activation="relu")(x)
    x = layers.Conv2D(2 * width, 3, strides=2, padding="same", activation="relu")(x)
    x = layers.Conv2D(8 * width // 3, 3, strides=last_stride, padding="same", activation="relu")(x)
    return keras.Model(inputs, layers.Dense(n_outputs, name=HEAD)(_mean_and_maximum(x)))


def cnn_with_exit(input_shape: Shape, n_outputs: int, dtype: str, exit_outputs: int, **options: Any) -> keras.Model:
    """Build `cnn` with an exit after its first convolution; of the outputs the first `exit_outputs` are the exit's.

    The exit has two narrow convolutions of its own, since early features are local. It takes a fifth of the network's
    arithmetic.
    """
    network = cnn(input_shape, n_outputs - exit_outputs, dtype, **options)
    stem = next(layer for layer in network.layers if isinstance(layer, layers.Conv2D))
    x = stem.output
    for share in EXIT_WIDTHS:
        x = layers.Conv2D(round(share * stem.filters), 3, strides=2, padding="same", activation="relu")(x)
    early = layers.Dense(exit_outputs, name=EXIT)(_mean_and_maximum(x))
    return keras.Model(network.inputs, layers.Concatenate()([early, network.output]))


def _mean_and_maximum(x: Any) -> Any:
    # A bleed is a small bright spot, which the mean over the image loses and the maximum keeps.
    return layers.Concatenate()([layers.GlobalAveragePooling2D()(x), layers.GlobalMaxPooling2D()(x)])


def of_applications(name: str, input_shape: Shape, n_outputs: int, dtype: str, **options: Any) -> keras.Model:
    """Build a network of keras.applications and a head; see `application` for the options."""
    inputs, features = application(name, input_shape, dtype, **options)
    return keras.Model(inputs, layers.Dense(n_outputs, name=HEAD)(features))


NETWORKS: dict[str, Builder] = {
    "mlp": mlp,
    "embedding_bag": embedding_bag,
    "cnn": cnn,
    **{name: partial(of_applications, name) for name in APPLICATIONS},
}
OF_VECTORS = ("mlp", "embedding_bag")
WITH_EXIT: dict[str, Builder] = {"cnn": cnn_with_exit}
"""Networks that can have an exit, with outputs of it and of the head."""


def build_network(network: str, input_shape: Shape, n_outputs: int, dtype: str, options: dict[str, Any]) -> keras.Model:
    """Build a network by name; those of users are built in `cascade.estimators.neural.own_network`."""
    if network not in NETWORKS:
        raise ConfigError(f"`network` must be a function or one of {', '.join(NAMES)}. Received {network!r}.")
    takes_vectors = network in OF_VECTORS
    if len(input_shape) != (1 if takes_vectors else 3):
        rows = "vectors" if takes_vectors else "images of height, width and channels"
        raise ConfigError(f"`network` {network!r} takes {rows}. Received rows of shape {input_shape}.")
    try:
        return NETWORKS[network](input_shape, n_outputs, dtype, **options)
    except (TypeError, ValueError, OSError) as error:
        # The message of the call names the unknown option, that of Keras the invalid value or the damaged file.
        reason = str(error).splitlines()[0].rstrip(".")
        raise ConfigError(f"`network_options` do not suit network {network!r}: {reason}.") from error


def all_layers(network: keras.Model) -> Iterator[keras.Layer]:
    """Yield the layers of a network without those that consist of layers themselves."""
    for layer in network.layers:
        if isinstance(layer, keras.Model):
            yield from all_layers(layer)
        else:
            yield layer


def until(network: keras.Model, name: str) -> keras.Model:
    """Return the part of a network that computes the layer `name`, with the same weights."""
    return keras.Model(network.inputs, network.get_layer(name).output)


def mean_network(networks: Sequence[keras.Model]) -> keras.Model:
    """Return the network whose logits are the mean of those of `networks`; a single one is returned unchanged."""
    if len(networks) == 1:
        return networks[0]
    inputs = keras.Input(networks[0].input_shape[1:], dtype=networks[0].inputs[0].dtype)
    for number, network in enumerate(networks, 1):
        network.name = f"network_{number}"
    return keras.Model(inputs, layers.Average(name=HEAD)([network(inputs) for network in networks]))


def members(network: keras.Model) -> list[keras.Model]:
    """Return the networks of which `mean_network` made this one, also after it was saved and loaded."""
    inner = [layer for layer in network.layers if isinstance(layer, keras.Model)]
    is_mean = isinstance(network.layers[-1], layers.Average) and network.layers[-1].name == HEAD
    return inner if is_mean and len(inner) == len(network.layers) - 2 else [network]


def with_outputs(network: keras.Model, columns: slice, name: str, options: dict[str, Any]) -> keras.Model:
    """Return a network of some outputs of another one, which was built by `name` and `options`, with its weights."""
    kernel, bias = (weights[..., columns] for weights in network.layers[-1].get_weights())
    inputs = network.inputs[0]
    part = build_network(name, tuple(inputs.shape[1:]), len(bias), str(inputs.dtype), without_weights(options))
    copy_trunk(network, part)
    part.layers[-1].set_weights([kernel, bias])
    return part


def copy_trunk(source: keras.Model, target: keras.Model) -> None:
    """Copy the weights of every layer of `source` before the head to `target`."""
    source_layers, target_layers = (
        [layer for layer in network.layers[:-1] if layer.weights] for network in (source, target)
    )
    # Shapes, not names: Keras numbers the names of layers within a process.
    if list(map(_shapes, source_layers)) != list(map(_shapes, target_layers)):
        raise ConfigError("`share_trunk` needs gate and labeler networks that differ only in the head.")
    for layer, other in zip(source_layers, target_layers, strict=True):
        other.set_weights(layer.get_weights())
        if isinstance(other, layers.Normalization):
            # It computes with constants derived from its weights, which `set_weights` does not update.
            other.finalize_state()


def _shapes(layer: keras.Layer) -> list[Shape]:
    return [tuple(weight.shape) for weight in layer.weights]
