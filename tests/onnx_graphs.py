"""Changes of ONNX graphs that a model folder must not hold."""

from __future__ import annotations


def with_weights_outside(content: bytes) -> bytes:
    """Return a graph with weights in another file."""
    import onnx

    held = onnx.load_model_from_string(content)
    tensor = held.graph.initializer[0]
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="/etc/passwd")
    return bytes(held.SerializeToString())
