"""Decode skops files: plain values, arrays and the classes of a fixed list; nothing of a file is imported or called.

skops writes a zip archive with `schema.json`, a tree of nodes, and one `.npy` file per array. Its reader first builds
what a file describes and leaves the content unchecked. This one checks every array before it is allocated, and every
attribute before its object exists, since compiled code follows sizes and node numbers unchecked.
"""

from __future__ import annotations

import io
import json
import math
import zipfile
from collections.abc import Callable
from importlib import import_module
from typing import Any

import numpy as np
from scipy import sparse

from cascade.errors import MissingExtraError, ModelRefusedError
from cascade.store.json_file import parse_json

SCHEMA = "schema.json"
LARGEST_SCHEMA = 256 * 2**20
EXPANDED = 64 * 2**20
"""Bytes that a sparse array may always expand to; skops deflates these arrays only."""
MOST_EXPANDED = 32
"""Times the bytes of its file that it may expand to beyond."""
SPARSE = {
    "scipy.sparse._csr.csr_matrix": sparse.csr_matrix,
    "scipy.sparse._csc.csc_matrix": sparse.csc_matrix,
    "scipy.sparse._csr.csr_array": sparse.csr_array,
    "scipy.sparse._csc.csc_array": sparse.csc_array,
}
PRIMITIVES: dict[str, type] = {"builtins.str": str, "builtins.int": int, "builtins.float": float, "builtins.bool": bool}
TYPES: dict[str, type] = PRIMITIVES | {
    f"numpy.{name}": getattr(np, name)
    for name in (
        *(f"{kind}{bits}" for kind in ("int", "uint") for bits in (8, 16, 32, 64)),
        *("float16", "float32", "float64", "bool", "bool_", "str_", "longlong", "ulonglong"),
    )
}
COLUMN_TYPES: dict[str, type] = {"builtins.object": object, "numpy.number": np.number, "numpy.object_": np.object_}
"""Types by which columns are selected; no value has one of them."""
UFUNCS = (
    *("abs", "absolute", "arcsinh", "arctan", "cbrt", "exp", "expm1", "fabs", "log", "log10", "log1p", "log2"),
    *("negative", "sign", "sqrt", "square", "tanh"),
)
FUNCTIONS = {
    f"{module}.{name}": getattr(np, name) for name in UFUNCS for module in ("numpy", "numpy._core._multiarray_umath")
}
"""Under the names that releases of NumPy give them."""
SCORES = (
    "sklearn.feature_selection._mutual_info.mutual_info_classif",
    "sklearn.feature_selection._univariate_selection.chi2",
    "sklearn.feature_selection._univariate_selection.f_classif",
)
"""Scores of features, which a fit alone calls; imported where a file names one."""

Node = dict[str, Any]
Make = Callable[[str, dict[str, Any]], Any]
"""From the full name of a class and its attributes to a checked object."""


class Decoder:
    """Decode one file.

    Parameters
    ----------
    content : bytes
        The whole file.
    name : str
        Path of the file, for errors.
    is_listed : callable
        Returns whether the class of a name may be made.
    make : callable
        Makes objects from the names of their classes and their attributes, which it checks.
    """

    def __init__(self, content: bytes, name: str, is_listed: Callable[[str], bool], make: Make) -> None:
        self.name = name
        self.is_listed = is_listed
        self.make = make
        self._objects: dict[Any, Any] = {}
        # An array belongs to one object, so that a file cannot name one array many times.
        self._unused: set[str] = set()
        self._archive = self._open(content)

    def decode(self) -> Any:
        """Return what the file holds.

        Raises
        ------
        ModelRefusedError
            If a part of it is not what skops writes, or has a class or an attribute that is not listed.
        """
        try:
            return self._value(parse_json(self._archive.read(SCHEMA)))
        except (ModelRefusedError, MissingExtraError):
            raise
        # Damage can show in any way, from a missing key to brackets that nest too deeply.
        except Exception as error:
            raise self._refused(f"a part that skops did not write ({type(error).__name__}: {error})") from error

    def _open(self, content: bytes) -> zipfile.ZipFile:
        try:
            archive = zipfile.ZipFile(io.BytesIO(content))
            members = archive.infolist()
        except (zipfile.BadZipFile, ValueError, NotImplementedError, RecursionError) as error:
            raise ModelRefusedError(f"`{self.name}` is not a skops file.") from error
        for member in members:
            if member.compress_type != zipfile.ZIP_STORED or member.file_size != member.compress_size:
                raise self._refused(f"a compressed member {member.filename!r}, which skops never writes")
            if member.filename == SCHEMA and member.file_size > LARGEST_SCHEMA:
                raise self._refused(f"a {SCHEMA} of {member.file_size} bytes, which no estimator needs")
        self._unused = {member.filename for member in members} - {SCHEMA}
        if len(self._unused) != len(members) - 1:
            raise self._refused(f"two members of one name, or no {SCHEMA}")
        return archive

    def _refused(self, what: str) -> ModelRefusedError:
        return ModelRefusedError(f"`{self.name}` holds {what}; it was not loaded.")

    def _value(self, node: Any) -> Any:
        key = node.get("__id__")
        if key is not None and key in self._objects:
            return self._objects[key]
        loader = LOADERS.get(node["__loader__"])
        if loader is None:
            raise self._refused(f"{_class_of(node)}, a type that is not trusted")
        value = loader(self, node)
        if key is not None:
            self._objects[key] = value
        return value

    def _json(self, node: Node) -> Any:
        value = json.loads(node["content"])
        if not isinstance(value, (bool, int, float, str, type(None))):
            raise self._refused(f"a value of type {type(value).__name__} in the place of a number or a text")
        return value

    def _dict(self, node: Node) -> dict[Any, Any]:
        self._expect(node, "builtins.dict", "collections.OrderedDict", "sklearn.utils._bunch.Bunch")
        kinds, content = self._value(node["key_types"]), node["content"]
        if len(kinds) != len(content):
            raise self._refused("a dictionary with another number of types than keys")
        return {kind(key): self._value(value) for kind, (key, value) in zip(kinds, content.items(), strict=True)}

    def _items(self, node: Node) -> list[Any]:
        self._expect(node, "builtins.list", "builtins.tuple", "builtins.set")
        return [self._value(item) for item in node["content"]]

    def _slice(self, node: Node) -> slice:
        content = node["content"]
        sides = [content[side] for side in ("start", "stop", "step")]
        if not all(side is None or type(side) is int for side in sides):
            raise self._refused("a slice that is not of whole numbers")
        return slice(*sides)

    def _type(self, node: Node) -> type:
        self._expect(node, *TYPES, *COLUMN_TYPES)
        kind = _class_of(node)
        return TYPES[kind] if kind in TYPES else COLUMN_TYPES[kind]

    def _function(self, node: Node) -> Any:
        self._expect(node, *FUNCTIONS, *SCORES)
        name = _class_of(node)
        if name in FUNCTIONS:
            return FUNCTIONS[name]
        module, _, function = name.rpartition(".")
        return getattr(import_module(module), function)

    def _dtype(self, node: Node) -> Any:
        return self._value(node["content"]).dtype

    def _array(self, node: Node) -> Any:
        kind = _class_of(node)
        self._expect(node, "numpy.ndarray", *(set(TYPES) - set(PRIMITIVES)))
        if node["type"] == "json":
            return self._array_of_objects(node)
        array = read_array(self._member(node["file"]))
        if kind == "numpy.ndarray":
            return array
        if array.ndim or array.dtype.kind not in "biufU":
            raise self._refused(f"a {kind} that is not one number")
        return array[()]

    def _array_of_objects(self, node: Node) -> Any:
        items, shape = [self._value(item) for item in node["content"]], self._value(node["shape"])
        if isinstance(shape, tuple) and len(shape) == 2:
            # A table is written as a list of rows.
            if [len(row) if isinstance(row, list) else -1 for row in items] != [shape[1]] * shape[0]:
                raise self._refused(f"a table of objects of shape {shape} with other rows")
            items = [item for row in items for item in row]
        elif shape != (len(items),):
            raise self._refused(f"an array of objects of shape {shape}, of which {len(items)} are there")
        array = np.empty(len(items), dtype=object)
        # One by one: assigned at once, items that are arrays would become rows.
        for number, item in enumerate(items):
            array[number] = item
        return array.reshape(shape)

    def _sparse(self, node: Node) -> Any:
        self._expect(node, *SPARSE)
        content = self._member(node["file"])
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            # The sizes of the directory are limits: a member is never expanded beyond its own.
            if sum(member.file_size for member in archive.infolist()) > EXPANDED + MOST_EXPANDED * len(content):
                raise self._refused("a sparse array that would expand")
            data, indices, indptr, shape = (
                read_array(archive.read(f"{part}.npy")) for part in ("data", "indices", "indptr", "shape")
            )
        if data.dtype.kind not in "biuf" or {indices.dtype.kind, indptr.dtype.kind, shape.dtype.kind} != {"i"}:
            raise self._refused("a sparse array of other things than numbers")
        # The check below passes over starts of rows where the last one is below 0.
        if len(indptr) == 0 or indptr[0] != 0 or (indptr[1:] < indptr[:-1]).any():
            raise self._refused("a sparse array whose rows do not follow one another")
        # The constructor does not look at the column numbers, which compiled code follows.
        value = SPARSE[_class_of(node)]((data, indices, indptr), shape=tuple(shape.tolist()))
        value.check_format(full_check=True)
        return value

    def _object(self, node: Node) -> Any:
        # Before its parts, so that the class is named that the user knows.
        if not self.is_listed(_class_of(node)):
            raise self._refused(f"{_class_of(node)}, a type that is not trusted")
        content = node.get("content")
        attributes = {} if content is None else self._value(content)
        if attributes is None:
            attributes = {}
        return self.make(_class_of(node), attributes)

    def _constructed(self, node: Node) -> Any:
        """Make an object that skops would make by calling its constructor, from its arguments and its state."""
        state = self._value(node["content"])
        return self.make(_class_of(node), {"arguments": self._value(node["__reduce__"]["args"]), "state": state})

    def _nothing(self, node: Node) -> None:
        """Decode a source of random numbers or the like as None: no prediction reads it."""

    def _member(self, name: str) -> bytes:
        if name not in self._unused:
            raise self._refused(f"an array {name!r} that is missing, or is named twice")
        self._unused.discard(name)
        return self._archive.read(name)

    def _expect(self, node: Node, *known: str) -> None:
        if _class_of(node) not in known:
            raise self._refused(f"{_class_of(node)}, a type that is not trusted")


def _class_of(node: Node) -> str:
    return f"{node['__module__']}.{node['__class__']}"


def read_array(content: bytes) -> Any:
    """Return the array of a `.npy` file; its type and size are checked before memory is taken.

    Raises
    ------
    ValueError
        If it has other bytes than it declares, or is of objects.
    """
    held = io.BytesIO(content)
    version = np.lib.format.read_magic(held)
    readers = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    shape, in_columns, dtype = readers[version](held)
    if dtype.hasobject or dtype.itemsize == 0 or dtype.subdtype is not None or dtype.kind not in "biufUV":
        raise ValueError(f"an array of type {dtype}")
    # Python's whole numbers, which do not overflow.
    if math.prod(shape) * dtype.itemsize != len(content) - held.tell() or len(shape) > 8:
        raise ValueError(f"an array of shape {shape} and type {dtype} in a file of {len(content)} bytes")
    # A copy, so that the array can be written to and starts at an aligned address.
    array = np.frombuffer(content, dtype, offset=held.tell()).copy()
    return array.reshape(shape, order="F" if in_columns else "C")


LOADERS: dict[str, Callable[[Decoder, Node], Any]] = {
    "JsonNode": Decoder._json,
    "DictNode": Decoder._dict,
    "ListNode": lambda decoder, node: decoder._items(node),
    "TupleNode": lambda decoder, node: tuple(decoder._items(node)),
    "SetNode": lambda decoder, node: set(decoder._items(node)),
    "SliceNode": Decoder._slice,
    "TypeNode": Decoder._type,
    "FunctionNode": Decoder._function,
    "DTypeNode": Decoder._dtype,
    "NdArrayNode": Decoder._array,
    "SparseMatrixNode": Decoder._sparse,
    "ObjectNode": Decoder._object,
    "TreeNode": Decoder._constructed,
    "LossNode": Decoder._nothing,
    "RandomStateNode": Decoder._nothing,
    "RandomGeneratorNode": Decoder._nothing,
}
"""By the names that skops gives to the parts of its tree."""
