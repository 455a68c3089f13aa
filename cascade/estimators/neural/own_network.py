"""Networks of users: built, and checked for one logit per label, before any training."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from cascade.errors import ConfigError

DRAWS = 32
"""Random weights that are tried at most; a network of logits needs one or two."""
SPREAD = 3.0
"""Standard deviation of the sums that random weights give from inputs of variance 1."""


def build_own(function: Callable[..., Any], rows: NDArray[Any], n_outputs: int, options: dict[str, Any]) -> keras.Model:
    """Build a user's network, and refuse one that does not return one logit per label.

    Parameters
    ----------
    function : callable
        ``function(input_shape, n_outputs, **options)``.
    rows : ndarray, shape (m, ...)
        A few training rows.
    n_outputs : int
    options : dict

    Raises
    ------
    ConfigError
        If it returns no Keras model, or one without a single output (m, n_outputs) of unbounded numbers.
    """
    name = getattr(function, "__name__", type(function).__name__)
    network = function(rows.shape[1:], n_outputs, **options)
    if not isinstance(network, keras.Model):
        raise ConfigError(f"`network` function {name!r} must return a Keras model. Received {type(network).__name__}.")
    shape_of_row = tuple(rows.shape[1:])
    # Without an input layer its weights do not exist before it has seen the shape of a row, which an optimizer and a
    # saved file need. A call with rows would fix their number as well.
    if not getattr(network, "inputs", None):
        inputs = keras.Input(shape_of_row, dtype=str(rows.dtype))
        network = keras.Model(inputs, network(inputs))
    # Several inputs have a list of shapes, which differs as well.
    if network.input_shape != (None, *shape_of_row):
        raise ConfigError(
            f"`network` function {name!r} must take rows of shape {shape_of_row}. Received {network.input_shape}."
        )
    output = network(rows, training=False)
    shape = tuple(output.shape) if hasattr(output, "shape") else type(output).__name__
    if shape != (len(rows), n_outputs):
        received = f"shape ({', '.join(['n', *map(str, shape[1:])])})" if isinstance(shape, tuple) else f"a {shape}"
        raise ConfigError(
            f"`network` function {name!r} must return a model with one output of shape (n, {n_outputs}), one logit per "
            f"label. Received {received}."
        )
    _refuse_bounded(network, rows, name)
    return network


def described_network(network: keras.Model) -> str:
    """Return the layers of a network and how they are connected, without the names that Keras numbers in a process."""
    try:
        text: str = network.to_json()
    except NotImplementedError:
        # A layer of the user's own that does not say what it is made from; such a network cannot be saved either.
        return repr([(type(layer).__module__, type(layer).__qualname__) for layer in network.layers])
    for number, name in enumerate([network.name, *_names(network)]):
        text = text.replace(json.dumps(name), json.dumps(f"#{number}"))
    return text


def _names(network: keras.Model) -> Iterator[str]:
    for layer in network.layers:
        yield layer.name
        if isinstance(layer, keras.Model):
            yield from _names(layer)


def _refuse_bounded(network: keras.Model, rows: NDArray[Any], name: str) -> None:
    """Refuse outputs that are not logits, since no weights make them exceed 1 in both directions."""
    # By what the network computes and not by the name of its last layer: an activation can be part of a layer, a
    # layer, an operation or a line in `call`.
    kept, rng = network.get_weights(), np.random.default_rng(0)
    low, high, draws = math.inf, -math.inf, 0
    while network.trainable_variables and draws < DRAWS and not (low < -1 and high > 1):
        for variable in network.trainable_variables:
            variable.assign(_random(tuple(variable.shape), rng))
        output = np.asarray(keras.ops.convert_to_numpy(network(rows, training=False)), dtype=np.float64)
        # An overflow shows that the output is not bounded; NaN shows nothing.
        shown = output[~np.isnan(output)]
        low, high = float(shown.min(initial=low)), float(shown.max(initial=high))
        draws += 1
    network.set_weights(kept)
    # Of outputs that are all NaN or all 0 nothing is known, such as those of rows of zeros.
    if draws == DRAWS and low <= high and (low, high) != (0, 0):
        raise ConfigError(
            f"`network` function {name!r} must return logits, which may have any value; its outputs stay from "
            f"{low:.3g} to {high:.3g}. Remove the last activation, such as a sigmoid."
        )


def _random(shape: tuple[int, ...], rng: np.random.Generator) -> NDArray[np.float64]:
    """Return normal weights, scaled by the number of inputs that a layer adds up, so that deep networks stay finite."""
    return SPREAD / math.sqrt(max(math.prod(shape[:-1]), 1)) * rng.normal(size=shape)
