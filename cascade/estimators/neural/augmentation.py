"""Random changes to an image that keep its labels, by layers of Keras that do nothing at inference."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
from keras import layers

from cascade.errors import ConfigError
from cascade.utils.checks import is_number

LARGEST = 0.5

LAYERS: dict[str, Any] = {
    "translation": lambda most: layers.RandomTranslation(most, most, fill_mode="nearest"),
    "rotation": lambda most: layers.RandomRotation(most, fill_mode="nearest"),
    "zoom": lambda most: layers.RandomZoom(most, fill_mode="nearest"),
    "contrast": lambda most: layers.RandomContrast(most, value_range=(-1.0, 1.0)),
}
"""Layers by their largest change: a share of the width and height, of a full turn, of the size, of the contrast."""


def augmentation(augment: Mapping[str, float] | None) -> list[keras.Layer]:
    """Make the layers that `augment` names, in a fixed order, for grey values from -1 to 1.

    Parameters
    ----------
    augment : mapping from "translation", "rotation", "zoom" or "contrast" to a float in (0, 0.5], or None

    Raises
    ------
    ConfigError

    Examples
    --------
    >>> [layer.name.rstrip("_0123456789") for layer in augmentation({"zoom": 0.1, "rotation": 0.03})]
    ['random_rotation', 'random_zoom']
    """
    if not isinstance(augment, Mapping | None):
        raise ConfigError(f"`augment` must be a mapping of {sorted(LAYERS)} to numbers. Received {augment!r}.")
    chosen = augment or {}
    for name, most in chosen.items():
        if name not in LAYERS:
            raise ConfigError(f"`augment` must name some of {sorted(LAYERS)}. Received {name!r}.")
        if not (is_number(most) and 0 < most <= LARGEST):
            raise ConfigError(f"`augment.{name}` must be more than 0 and at most {LARGEST:g}. Received {most!r}.")
    # The order of LAYERS, not of the user's mapping: the same options make the same network.
    return [make(chosen[name]) for name, make in LAYERS.items() if name in chosen]
