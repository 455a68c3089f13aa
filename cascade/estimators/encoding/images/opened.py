"""Open a frozen network of images in its runtime."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cascade.errors import ConfigError, MissingExtraError
from cascade.estimators.runtime.runtimes import KERAS, RUNTIMES
from cascade.estimators.runtime.sessions import Sessions
from cascade.utils.threads import usable_cores

NETWORKS = ("onnx", "litert", KERAS)
ONNX_TYPES = {"tensor(float)": "float32", "tensor(uint8)": "uint8"}


@dataclass(frozen=True)
class Opened:
    """An open network.

    Attributes
    ----------
    axes : tuple
        Sizes of the axes of its input; no numbers where they are open.
    dtype : str
        Type of its input.
    run : callable
        From one image to the output; threads may call it at the same time.
    threads : int
        Threads that may call it to advantage.
    """

    axes: tuple[Any, ...]
    dtype: str
    run: Callable[[NDArray[Any]], NDArray[Any]]
    threads: int


def opened(content: bytes, runtime: str) -> Opened:
    """Open the content of a file in its runtime.

    Raises
    ------
    ConfigError
        If the runtime does not open it, or it has several inputs.
    MissingExtraError
        If the runtime is not installed.
    """
    require(runtime)
    with opening(runtime):
        return OPENERS[runtime](content)


@contextmanager
def opening(runtime: str) -> Iterator[None]:
    """Turn the errors of a runtime, which are of many types, into one sentence."""
    try:
        yield
    except ConfigError:
        raise
    except Exception as error:
        reason = (str(error).splitlines() or [""])[0]
        raise ConfigError(f"`model` must be a file that {runtime} opens: {reason[:200]}") from error


def require(runtime: str) -> None:
    """Import a runtime, or raise an error that names the missing extra."""
    if runtime == KERAS:
        # Imports Keras without its log output.
        import cascade.estimators.neural  # noqa: F401
    elif not RUNTIMES[runtime].installed():
        raise MissingExtraError(
            f"an encoder of images needs {RUNTIMES[runtime].package}; install the extra `{runtime}`."
        )


def _onnx(content: bytes) -> Opened:
    from cascade.estimators.runtime.onnx import open_graph

    session = open_graph(content, threads=1)
    taken = _only([(each.name, each.shape, each.type) for each in session.get_inputs()])
    outputs = session.get_outputs()
    # Of a transformer, the vector of the image and not the states of its parts.
    output = next((each for each in outputs if len(each.shape or ()) == 2), outputs[0]).name

    def run(batch: NDArray[Any]) -> NDArray[Any]:
        return np.asarray(session.run([output], {taken[0]: batch})[0])

    return Opened(tuple(taken[1]), ONNX_TYPES.get(taken[2], taken[2]), run, usable_cores())


def _litert(content: bytes) -> Opened:
    from ai_edge_litert.interpreter import Interpreter

    from cascade.utils.stderr import quiet_stderr

    with quiet_stderr():
        described = Interpreter(model_content=content)
        taken = _only(described.get_input_details())
        outputs = described.get_output_details()
    # The converter writes a batch size of 1 for an open one; the signature has -1 there.
    axes = tuple(int(axis) for axis in taken.get("shape_signature", taken["shape"]))
    output = next((each for each in outputs if len(each["shape"]) == 2), outputs[0])["index"]

    def open_session(size: tuple[int, ...]) -> Callable[[NDArray[Any]], NDArray[Any]]:
        with quiet_stderr():
            interpreter = Interpreter(model_content=content, num_threads=1)
            interpreter.resize_tensor_input(taken["index"], size)
            interpreter.allocate_tensors()

        def run(batch: NDArray[Any]) -> NDArray[Any]:
            interpreter.set_tensor(taken["index"], batch)
            interpreter.invoke()
            return np.asarray(interpreter.get_tensor(output))

        return run

    # The size of an open network is known with the first image, and is the same for all others.
    pool = lru_cache(maxsize=1)(lambda size: Sessions(partial(open_session, size), usable_cores()))

    def run(batch: NDArray[Any]) -> NDArray[Any]:
        return pool(batch.shape).run(batch)

    return Opened(axes, np.dtype(taken["dtype"]).name, run, usable_cores())


def _keras(content: bytes) -> Opened:
    from cascade.estimators.encoding.images.archive import read_archive

    network = read_archive(content)
    _only(network.inputs)
    output = next((place for place, each in enumerate(network.outputs) if len(each.shape) == 2), 0)
    several = len(network.outputs) > 1

    def run(batch: NDArray[Any]) -> NDArray[Any]:
        made = network.predict_on_batch(batch)
        return np.asarray(made[output] if several else made)

    taken = network.inputs[0]
    return Opened(tuple(taken.shape), str(taken.dtype), run, 1)


OPENERS: dict[str, Callable[[bytes], Opened]] = {"onnx": _onnx, "litert": _litert, KERAS: _keras}


def _only(inputs: Any) -> Any:
    if len(inputs) != 1:
        raise ConfigError(f"`model` must have one input, the image. Received {len(inputs)}.")
    return inputs[0]
