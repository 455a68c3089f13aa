"""Forge exported networks: graphs that do not end, that grow, or that are damaged."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any


def forge_graph(path: Path, rng: random.Random) -> str:
    """Put a graph that does not end or grows in the place of an ONNX network, or damage one of either kind."""
    how = rng.choice(["loop", "doubled", "pad", "unknown", "bytes"]) if path.suffix == ".onnx" else "bytes"
    if how == "bytes":
        content = bytearray(path.read_bytes())
        for _ in range(rng.choice([1, 3, 20])):
            content[rng.randrange(len(content))] = rng.randrange(256)
        path.write_bytes(bytes(content[: rng.choice([len(content), len(content), len(content) // 2])]))
        return f"{path.name}: bytes"
    path.write_bytes(MAKERS[how](path.read_bytes()))
    return f"{path.name}: {how}"


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
    model.graph.initializer.append(helper.make_tensor("pads", TensorProto.INT64, [4], [0, 0, 0, 10**9]))
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
