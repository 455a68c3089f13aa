"""Check the operators of an exported network before a native parser reads it."""

from __future__ import annotations

from collections.abc import Set
from pathlib import Path

from cascade.errors import ModelRefusedError
from cascade.store.networks.listed import LITERT, ONNX
from cascade.store.networks.wire import litert_operators, onnx_operators


def check_operators(path: Path, content: bytes, runtime: str, onnx: Set[str] = ONNX) -> None:
    """Refuse a network with control flow, subgraphs or an operator that is not listed.

    Parameters
    ----------
    path : path
        For errors.
    content : bytes
    runtime : {"litert", "onnx"}
    onnx : set of str, default=ONNX
        Listed operators of ONNX.

    Raises
    ------
    ModelRefusedError
    """
    try:
        found = onnx_operators(content) if runtime == "onnx" else litert_operators(content)
    except ValueError as error:
        raise ModelRefusedError(f"`{path}` holds {error}; the network is not loaded.") from error
    unknown = sorted(map(str, found - (onnx if runtime == "onnx" else set(LITERT.values()))))
    if unknown:
        raise ModelRefusedError(f"`{path}` has the operator {unknown[0]}, which is not listed; it is not loaded.")
