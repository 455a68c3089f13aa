"""Read the operators of an exported network from its bytes, without the native parser of its runtime."""

from __future__ import annotations

import struct
from collections.abc import Iterator

Field = tuple[int, int | bytes]

MOST_FIELDS = 2**21
"""Fields of a graph; the largest networks of keras.applications have a tenth of it. More would take minutes."""
MOST_OPERATORS = 4096
"""Kinds of operators, or subgraphs, of a LiteRT network."""


def onnx_operators(content: bytes) -> set[str]:
    """Return the names of the operators of an ONNX graph, with their domain if it is not the standard one.

    Raises
    ------
    ValueError
        If it is no ONNX file, or has functions, graphs inside of operators or weights in other files.

    References
    ----------
    onnx.proto: ModelProto (graph 7, training_info 20, functions 25), GraphProto (node 1, initializer 5,
    sparse_initializer 15), NodeProto (op_type 4, attribute 5, domain 7), AttributeProto (g 6, graphs 11, t 5),
    TensorProto (external_data 13, data_location 14).
    """
    graphs, budget = [], iter(range(MOST_FIELDS))
    for number, value in _fields(content, budget):
        if number in (20, 25):
            raise ValueError("functions or training of its own")
        if number == 7:
            graphs.append(_bytes(value))
    if len(graphs) != 1:
        raise ValueError(f"{len(graphs)} graphs in place of one")
    found = set()
    for number, value in _fields(graphs[0], budget):
        if number == 1:
            found.add(_operator(_bytes(value), budget))
        elif number == 5:
            _check_tensor(_bytes(value), budget)
        elif number == 15:
            raise ValueError("sparse weights")
    return found


def _operator(node: bytes, budget: Iterator[int]) -> str:
    name, domain = "", ""
    for number, value in _fields(node, budget):
        if number == 4:
            name = _bytes(value).decode()
        elif number == 7:
            domain = _bytes(value).decode()
        elif number == 5:
            _check_attribute(_bytes(value), budget)
    return f"{domain}.{name}" if domain else name


def _check_attribute(attribute: bytes, budget: Iterator[int]) -> None:
    for number, value in _fields(attribute, budget):
        if number in (6, 11):
            raise ValueError("a graph inside of an operator")
        if number == 5:
            _check_tensor(_bytes(value), budget)


def _check_tensor(tensor: bytes, budget: Iterator[int]) -> None:
    if any(number in (13, 14) and value not in (0, b"") for number, value in _fields(tensor, budget)):
        raise ValueError("weights in another file")


def _bytes(value: int | bytes) -> bytes:
    if isinstance(value, int):
        raise ValueError("a number in the place of a part")
    return value


def _fields(content: bytes, budget: Iterator[int]) -> Iterator[Field]:
    """Yield the fields of a protocol buffer: number, and bytes or a number."""
    position, view = 0, memoryview(content)
    while position < len(content):
        if next(budget, None) is None:
            raise ValueError("more fields than any network")
        tag, position = _varint(content, position)
        kind = tag & 7
        if kind == 0:
            value, position = _varint(content, position)
            yield tag >> 3, value
            continue
        size, position = {1: (8, position), 5: (4, position)}.get(kind) or (
            _varint(content, position) if kind == 2 else (-1, position)
        )
        if size < 0 or position + size > len(content):
            raise ValueError("a field that is longer than the file")
        yield tag >> 3, bytes(view[position : position + size])
        position += size


def _varint(content: bytes, position: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if position >= len(content):
            break
        byte = content[position]
        position += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, position
    raise ValueError("a number that does not end")


def litert_operators(content: bytes) -> set[int]:
    """Return the numbers of the operators of a LiteRT network.

    Raises
    ------
    ValueError
        If it is no LiteRT file, has another number of subgraphs than one, or operators from elsewhere.

    References
    ----------
    schema.fbs of TensorFlow Lite: Model (operator_codes 1, subgraphs 2), OperatorCode (deprecated_builtin_code 0,
    custom_code 1, builtin_code 3).
    """
    if content[4:8] != b"TFL3":
        raise ValueError("no LiteRT network")
    try:
        model = _Table(content, *struct.unpack_from("<I", content, 0))
        codes, subgraphs = model.tables(1), model.tables(2)
        if len(subgraphs) != 1:
            raise ValueError(f"{len(subgraphs)} subgraphs in place of one, which operators may call")
        # Numbers above 127 are in the newer field only, and the older one then holds 127.
        return {max(code.number(0, "<b"), code.number(3, "<i")) for code in codes}
    except struct.error as error:
        raise ValueError("a place outside of the file") from error


class _Table:
    """A table of a flat buffer."""

    def __init__(self, content: bytes, position: int) -> None:
        self.content, self.position = content, position
        (back,) = struct.unpack_from("<i", content, position)
        self.layout = position - back

    def _place(self, field: int) -> int | None:
        (size,) = struct.unpack_from("<H", self.content, self.layout)
        if 4 + 2 * field >= size:
            return None
        (offset,) = struct.unpack_from("<H", self.content, self.layout + 4 + 2 * field)
        return self.position + offset if offset else None

    def number(self, field: int, form: str) -> int:
        place = self._place(field)
        return 0 if place is None else int(struct.unpack_from(form, self.content, place)[0])

    def tables(self, field: int) -> list[_Table]:
        place = self._place(field)
        if place is None:
            return []
        start = place + struct.unpack_from("<I", self.content, place)[0]
        (count,) = struct.unpack_from("<I", self.content, start)
        if count > min(len(self.content) // 4, MOST_OPERATORS):
            raise ValueError("a list that is longer than the file")
        places = (start + 4 * (1 + number) for number in range(count))
        return [_Table(self.content, at + struct.unpack_from("<I", self.content, at)[0]) for at in places]
