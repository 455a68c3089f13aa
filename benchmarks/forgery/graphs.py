"""Forge exported networks: graphs that do not end, that grow, or that are damaged."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any


def forge_graph(path: Path, rng: random.Random) -> str:
    """Put a graph that does not end or grows in the place of an ONNX network, or damage one of either kind."""
    content, how = forged(path.read_bytes(), path.suffix == ".onnx", rng)
    path.write_bytes(content)
    return f"{path.name}: {how}"


def forged(content: bytes, is_onnx: bool, rng: random.Random) -> tuple[bytes, str]:
    """Return the forged content of a network, and what was done."""
    how = rng.choice([*MAKERS, "bytes"]) if is_onnx else "bytes"
    if how != "bytes":
        return MAKERS[how](content), how
    damaged = bytearray(content)
    for _ in range(rng.choice([1, 3, 20])):
        damaged[rng.randrange(len(damaged))] = rng.randrange(256)
    return bytes(damaged[: rng.choice([len(damaged), len(damaged), len(damaged) // 2])]), how


def _loop(content: bytes) -> bytes:
    """Return a network that repeats without an end before it gives its logits."""
    from onnx import TensorProto, helper, load_from_string

    model = load_from_string(content)
    body = helper.make_graph(
        [helper.make_node("Identity", ["go"], ["still"])],
        "body",
        [
            helper.make_tensor_value_info("number", TensorProto.INT64, []),
            helper.make_tensor_value_info("go", TensorProto.BOOL, []),
        ],
        [helper.make_tensor_value_info("still", TensorProto.BOOL, [])],
    )
    true = helper.make_tensor("true", TensorProto.BOOL, [], [True])
    most = helper.make_tensor("most", TensorProto.INT64, [], [2**62])
    model.graph.initializer.extend([true, most])
    model.graph.node.insert(0, helper.make_node("Loop", ["most", "true"], [], body=body))
    return bytes(model.SerializeToString())


def _doubled(content: bytes) -> bytes:
    """Return a network that doubles its rows' width forty times before it gives its logits."""
    from onnx import helper, load_from_string

    model = load_from_string(content)
    name = model.graph.input[0].name
    nodes, last = [], name
    for number in range(40):
        nodes.append(helper.make_node("Concat", [last, last], [f"double{number}"], axis=1))
        last = f"double{number}"
    return _before(model, nodes, last)


def _pad(content: bytes) -> bytes:
    """Return a network that pads its rows to a billion columns."""
    from onnx import TensorProto, helper, load_from_string

    model = load_from_string(content)
    axes = len(model.graph.input[0].type.tensor_type.shape.dim)
    pads = [0] * (2 * axes - 1) + [10**9]
    model.graph.initializer.append(helper.make_tensor("pads", TensorProto.INT64, [2 * axes], pads))
    return _before(model, [helper.make_node("Pad", [model.graph.input[0].name, "pads"], ["padded"])], "padded")


def _before(model: Any, nodes: list[Any], last: str) -> bytes:
    """Compute `nodes`, and add the mean of `last` to the logits."""
    from onnx import helper

    output = model.graph.output[0].name
    for node in model.graph.node:
        node.output[:] = ["inner" if name == output else name for name in node.output]
    nodes.append(helper.make_node("ReduceMax", [last], ["most"], keepdims=1))
    nodes.append(helper.make_node("Add", ["inner", "most"], [output]))
    model.graph.node.extend(nodes)
    return bytes(model.SerializeToString())


def _unknown(content: bytes) -> bytes:
    """Return a network with an operator of random numbers."""
    from onnx import helper, load_from_string

    model = load_from_string(content)
    return _before(model, [helper.make_node("RandomNormal", [], ["noise"], shape=[1, 1])], "noise")


MAKERS = {"loop": _loop, "doubled": _doubled, "pad": _pad, "unknown": _unknown}
