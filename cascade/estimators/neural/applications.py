"""Networks of keras.applications, with their preprocessing inside, so that they take pixels as they are."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import keras
from keras import layers

from cascade.errors import ConfigError
from cascade.estimators.network_names import APPLICATIONS

BUILTIN = "imagenet"
"""Weights that Keras downloads."""
INCLUDED = ("EfficientNetV2", "MobileNetV3")
"""Beginnings of the names of networks that scale pixels where an option says so."""
SCALED = ("EfficientNetB",)
"""Beginnings of the names of networks that always scale pixels."""
FROM_MINUS_ONE = ("Inception", "MobileNet", "NASNet", "Xception")
"""Beginnings of the names of networks that take values from -1 to 1; so do those of `ResNet` with `V2`."""
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of ImageNet's red, green and blue values from 0 to 1: what DenseNet takes is standardised by them."""
MEAN_OF_BLUE_GREEN_RED = (103.939, 116.779, 123.68)
"""Of ImageNet's pixels, which VGG and the first ResNet take in this order, less the mean."""


def application(
    name: str,
    input_shape: tuple[int, ...],
    dtype: str,
    weights: str | None = None,
    sha256: str | None = None,
) -> tuple[keras.KerasTensor, keras.KerasTensor]:
    """Build the trunk of a network of keras.applications; return its inputs and its mean features.

    Parameters
    ----------
    name : str
        As in `cascade.estimators.network_names.APPLICATIONS`.
    input_shape : tuple of int
        Height, width, and 1 or 3 channels of 0 to 255. Grey images are repeated, since the networks take three.
    dtype : str
    weights : str, optional
        "imagenet", which Keras downloads, or a file of weights without the top. Default: random weights.
    sha256 : str, optional
        Digest of the file, which is required for a file.

    Raises
    ------
    ConfigError
    """
    height, width, channels = input_shape
    if channels not in (1, 3):
        raise ConfigError(f"networks of keras.applications take 1 or 3 channels. Received {channels}.")
    _check_weights(weights, sha256)
    kind = APPLICATIONS[name]
    inputs = keras.Input(input_shape, dtype=dtype)
    # Rescaling by 1 casts uint8 to the type in which the network computes.
    x = layers.Rescaling(1.0)(inputs)
    if channels == 1:
        x = layers.Concatenate()([x, x, x])
    included = {"include_preprocessing": True} if kind.startswith(INCLUDED) else {}
    trunk = getattr(keras.applications, kind)(
        include_top=False, weights=weights, input_shape=(height, width, 3), pooling="avg", **included
    )
    return inputs, trunk(x if included else preprocessed(kind, x))


def preprocessed(kind: str, x: keras.KerasTensor) -> keras.KerasTensor:
    """Return pixels of 0 to 255 as a network of keras.applications without preprocessing takes them."""
    if kind.startswith(SCALED):
        return x
    if kind.startswith(FROM_MINUS_ONE) or kind.endswith("V2"):
        return layers.Rescaling(1 / 127.5, offset=-1.0)(x)
    if kind.startswith("DenseNet"):
        scale = [1 / (255 * deviation) for deviation in DEVIATION]
        return layers.Rescaling(scale, offset=[-mean / d for mean, d in zip(MEAN, DEVIATION, strict=True)])(x)
    return layers.Rescaling(1.0, offset=[-mean for mean in MEAN_OF_BLUE_GREEN_RED])(x[..., ::-1])


def _check_weights(weights: str | None, sha256: str | None) -> None:
    """Refuse a file of weights that is not there, or not the one that is meant."""
    if weights in (None, BUILTIN):
        if sha256 is not None:
            raise ConfigError("`network_options.sha256` is the digest of a file; name it in `network_options.weights`.")
        return
    path = Path(str(weights))
    try:
        with path.open("rb") as handle:
            digest = hashlib.file_digest(handle, "sha256").hexdigest()
    except OSError as error:
        reason = error.strerror or str(error)
        raise ConfigError(f"`network_options.weights` must be {BUILTIN!r} or a file; `{path}`: {reason}.") from error
    if sha256 is None or sha256.lower() != digest:
        raise ConfigError(
            f"`network_options.sha256` must be the digest of `{path}`, which is {digest}. Received {sha256!r}."
        )


def without_weights(options: dict[str, Any]) -> dict[str, Any]:
    """Return the options of a network whose weights are about to be set."""
    return {name: value for name, value in options.items() if name not in ("weights", "sha256")}
