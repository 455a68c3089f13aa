"""Networks by name. Each ends in logits; everything before the layer `head` is its trunk."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import keras
from keras import layers

from cascade.errors import ConfigError
from cascade.estimators.neural.augmentation import augmentation

Shape = tuple[int, ...]
Builder = Callable[..., keras.Model]

HEAD = "head"
NORMALIZATION = "normalization"


def mlp(input_shape: Shape, n_outputs: int, dtype: str, width: int = 64, depth: int = 2) -> keras.Model:
    """Fully connected network on standardised features."""
    inputs = keras.Input(input_shape, dtype=dtype)
    x = layers.Normalization(name=NORMALIZATION)(inputs)
    for _ in range(depth):
        x = layers.Dense(width, activation="relu")(x)
    return keras.Model(inputs, layers.Dense(n_outputs, name=HEAD)(x))


def cnn(
    input_shape: Shape,
    n_outputs: int,
    dtype: str,
    width: int = 24,
    reduce: int = 1,
    flip: bool = False,
    augment: Mapping[str, float] | None = None,
) -> keras.Model:
    """Small convolutional network: a stem of stride 4, then 3x3 convolutions; 2.8 MFLOP at 64 px and width 24.

    `reduce` averages squares of so many pixels first, so that a gate looks at a smaller image than the labeler.
    `flip` mirrors training images at random, `augment` changes them as `cascade.estimators.neural.augmentation` says.
    """
    inputs = keras.Input(input_shape, dtype=dtype)
    x = layers.Rescaling(1 / 127.5, offset=-1.0)(inputs)
    if reduce > 1:
        x = layers.AveragePooling2D(reduce)(x)
    if flip:
        x = layers.RandomFlip("horizontal")(x)
    for layer in augmentation(augment):
        x = layer(x)
    x = layers.Conv2D(width, 7, strides=4, padding="same", activation="relu")(x)
    x = layers.Conv2D(2 * width, 3, strides=2, padding="same", activation="relu")(x)
    x = layers.Conv2D(8 * width // 3, 3, padding="same", activation="relu")(x)
    # A bleed is a small bright spot: the mean over the image loses it, the maximum keeps it.
    x = layers.Concatenate()([layers.GlobalAveragePooling2D()(x), layers.GlobalMaxPooling2D()(x)])
    return keras.Model(inputs, layers.Dense(n_outputs, name=HEAD)(x))


def mobilenet_v3_small(input_shape: Shape, n_outputs: int, dtype: str, weights: str | None = None) -> keras.Model:
    """MobileNetV3Small of keras.applications with its own preprocessing inside."""
    return _application(keras.applications.MobileNetV3Small, input_shape, n_outputs, dtype, weights)


def efficientnet_v2_b0(input_shape: Shape, n_outputs: int, dtype: str, weights: str | None = None) -> keras.Model:
    """EfficientNetV2B0 of keras.applications with its own preprocessing inside."""
    return _application(keras.applications.EfficientNetV2B0, input_shape, n_outputs, dtype, weights)


def _application(
    application: Callable[..., keras.Model], input_shape: Shape, n_outputs: int, dtype: str, weights: str | None
) -> keras.Model:
    """Put a trunk of three channels (grey images are repeated) under a head; `weights` as in keras.applications."""
    height, width, channels = input_shape
    if channels not in (1, 3):
        raise ConfigError(f"networks of keras.applications take 1 or 3 channels. Received {channels}.")
    inputs = keras.Input(input_shape, dtype=dtype)
    x = layers.Rescaling(1.0)(inputs)
    if channels == 1:
        x = layers.Concatenate()([x, x, x])
    trunk = application(
        include_top=False, weights=weights, input_shape=(height, width, 3), pooling="avg", include_preprocessing=True
    )
    return keras.Model(inputs, layers.Dense(n_outputs, name=HEAD)(trunk(x)))


NETWORKS: dict[str, Builder] = {
    "mlp": mlp,
    "cnn": cnn,
    "mobilenet_v3_small": mobilenet_v3_small,
    "efficientnet_v2_b0": efficientnet_v2_b0,
}


def build_network(
    network: str | Builder, input_shape: Shape, n_outputs: int, dtype: str, options: dict[str, Any]
) -> keras.Model:
    """Build by name, or by a user's `network(input_shape, n_outputs, **options)` that returns logits."""
    if callable(network):
        return network(input_shape, n_outputs, **options)
    if network not in NETWORKS:
        raise ConfigError(f"`network` must be a function or one of {sorted(NETWORKS)}. Received {network!r}.")
    if len(input_shape) != (1 if network == "mlp" else 3):
        rows = "vectors" if network == "mlp" else "images of height, width and channels"
        raise ConfigError(f"`network` {network!r} takes {rows}. Received rows of shape {input_shape}.")
    try:
        return NETWORKS[network](input_shape, n_outputs, dtype, **options)
    except TypeError as error:
        raise ConfigError(f"`network_options` do not suit network {network!r}: {error}.") from error


def copy_trunk(source: keras.Model, target: keras.Model) -> None:
    """Give `target` the weights of every layer of `source` before the head."""
    held, wanted = ([layer for layer in network.layers[:-1] if layer.weights] for network in (source, target))
    if [_shapes(layer) for layer in held] != [_shapes(layer) for layer in wanted]:
        raise ConfigError("`share_trunk` needs gate and labeler networks that differ in nothing but the head.")
    for layer, other in zip(held, wanted, strict=True):
        other.set_weights(layer.get_weights())
        if isinstance(other, layers.Normalization):
            # What it computes with is derived from its weights, and only then.
            other.finalize_state()


def _shapes(layer: keras.Layer) -> list[Shape]:
    return [tuple(weight.shape) for weight in layer.weights]
