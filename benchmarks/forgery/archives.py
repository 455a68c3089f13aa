"""Forge skops files and Keras archives: their trees, arrays, weights and directories."""

from __future__ import annotations

import copy
import io
import json
import random
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from forgery.graphs import forged
from forgery.manifest import forge_value, holder, places

NUMBERS = (0, 1, -1, 2, 7, 10**4, 10**6, 10**9, 2**31, 2**62, -(2**31), 1e308, -1e308, 1e-320, np.nan, np.inf, -np.inf)
ATTRIBUTES = ("_in_fit", "n_jobs", "_y", "tree_", "_fit_X", "_tree", "n_features_in_", "classes_", "_preprocessor", "x")
CLASSES = (
    ("builtins", "eval"),
    ("os", "system"),
    ("sklearn.neighbors._classification", "KNeighborsClassifier"),
    ("sklearn.svm._classes", "SVC"),
    ("sklearn.ensemble._gb", "GradientBoostingClassifier"),
    ("sklearn.preprocessing._data", "StandardScaler"),
    ("sklearn.tree._classes", "DecisionTreeClassifier"),
    ("sklearn.neighbors._kd_tree", "KDTree"),
    ("numpy", "ndarray"),
    ("sklearn.linear_model._logistic", "LogisticRegression"),
)
ACTIVATIONS = (
    "relu",
    "keras.config.enable_unsafe_deserialization",
    "eval",
    "get",
    "deserialize",
    "softmax",
    1,
    ["relu"],
)


def members(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def write(path: Path, content: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> None:
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, value in content.items():
            archive.writestr(name, value)


def array_bytes(array: Any) -> bytes:
    held = io.BytesIO()
    np.save(held, array, allow_pickle=False)
    return held.getvalue()


def forge_array(array: Any, rng: random.Random) -> Any:
    """Return an array with other numbers, another shape, type or order."""
    array = array.copy()
    how = rng.choice(["number", "number", "number", "shape", "type", "order", "cut", "grow"])
    if how == "number" and array.size:
        name = rng.choice(array.dtype.names) if array.dtype.names else None
        values = array if name is None else array[name]
        with np.errstate(all="ignore"):
            values.reshape(-1)[rng.randrange(array.size) if values.ndim else 0] = _as(rng.choice(NUMBERS), values.dtype)
    elif how == "shape":
        array = array.reshape(rng.choice([(-1,), (1, -1), (-1, 1), (array.size, 1, 1)]))
    elif how == "type" and not array.dtype.names:
        with np.errstate(all="ignore"):
            array = array.astype(rng.choice(["f4", "f8", "i1", "i4", "i8", "u8", "?", ">f8", "c16", "U3", "f2"]))
    elif how == "order":
        array = np.asfortranarray(array)
    elif how == "cut":
        array = array[: len(array) // 2] if array.ndim else array
    elif how == "grow" and array.ndim:
        array = np.concatenate([array] * rng.choice([2, 3, 50]))
    return array


def _as(number: Any, dtype: Any) -> Any:
    if dtype.kind in "iu":
        limits = np.iinfo(dtype)
        return int(min(max(number if np.isfinite(number) else -1, limits.min), limits.max))
    return number if dtype.kind in "fc" else bool(number)


def forge_header(content: bytes, rng: random.Random) -> bytes:
    """Return a `.npy` file whose header declares another shape or type than it has."""
    start = content.index(b"\n")
    shape = rng.choice([b"(1000000000,)", b"(100000000000000000,)", b"(0,)", b"(-1,)", b"(2, 2, 2, 2, 2, 2, 2, 2, 2)"])
    header = b"{'descr': '%s', 'fortran_order': False, 'shape': %s, }" % (rng.choice([b"<f8", b"|O", b"<i8"]), shape)
    return content[:10] + header.ljust(start - 10)[: start - 10] + content[start:]


def forge_skops(path: Path, rng: random.Random) -> str:
    """Forge one thing of a skops file."""
    content = members(path)
    ways = ["array", "array", "array", "tree", "tree", "attribute", "class", "file", "header", "inner"]
    arrays = [name for name in content if name.endswith(".npy")]
    networks = {name: runtime for name in arrays if (runtime := runtime_of(content[name])) is not None}
    how = rng.choice([*ways, *["network"] * (len(ways) if networks else 0)])
    inner = [name for name in content if name.endswith(".npz")]
    if how == "network":
        name = rng.choice([*networks])
        content[name], done = forge_content(content[name], networks[name], rng)
        how += f" {done}"
    elif how == "inner" and inner:
        name = rng.choice(inner)
        content[name] = forge_sparse(content[name], rng)
    elif how in ("array", "inner") and arrays:
        name = rng.choice(arrays)
        content[name] = array_bytes(forge_array(np.load(io.BytesIO(content[name])), rng))
    elif how == "header" and arrays:
        name = rng.choice(arrays)
        content[name] = forge_header(content[name], rng)
    else:
        schema = json.loads(content["schema.json"])
        how = _forge_schema(schema, how, rng)
        content["schema.json"] = json.dumps(schema).encode("utf-8", "surrogatepass")
    write(path, content)
    return f"{path.name}: {how}"


def runtime_of(content: bytes) -> str | None:
    """Return what an array holds the network of, by its first bytes; None if it holds none."""
    array = np.load(io.BytesIO(content))
    if array.dtype != np.uint8 or array.ndim != 1 or len(array) < 300:
        return None
    start = array[:8].tobytes()
    return "keras" if start.startswith(b"PK") else "litert" if start.endswith(b"TFL3") else "onnx"


def forge_content(content: bytes, runtime: str, rng: random.Random) -> tuple[bytes, str]:
    """Return the array of a forged network, and what was done."""
    network = np.load(io.BytesIO(content)).tobytes()
    if runtime == "keras":
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "network.keras"
            path.write_bytes(network)
            done = forge_keras(path, rng)
            network = path.read_bytes()
    else:
        network, done = forged(network, runtime == "onnx", rng)
    return array_bytes(np.frombuffer(network, np.uint8)), done


def _forge_schema(schema: Any, how: str, rng: random.Random) -> str:
    nodes = [(path, holder(schema, path)[path[-1]]) for path in places(schema)]
    nodes = [(path, node) for path, node in nodes if isinstance(node, dict) and "__loader__" in node]
    objects = [schema, *(node for _, node in nodes if node["__loader__"] == "ObjectNode")]
    if how == "attribute":
        stateful = [node for node in objects if isinstance(node.get("content", {}).get("content"), dict)]
        attributes = rng.choice(stateful)["content"]
        name, value = rng.choice(ATTRIBUTES), rng.choice([node for _, node in nodes])
        attributes["content"][name] = copy.deepcopy(value)
        kinds = attributes.setdefault("key_types", {"content": []})["content"]
        kinds.append({"__class__": "str", "__module__": "builtins", "__loader__": "TypeNode", "__id__": rng.random()})
        return f"attribute {name}"
    if how == "class":
        node = rng.choice(objects)
        node["__module__"], node["__class__"] = rng.choice(CLASSES)
        return f"class {node['__class__']}"
    if how == "file":
        held = [node for _, node in nodes if "file" in node]
        if held:
            rng.choice(held)["file"] = rng.choice(held)["file"]
            return "file"
    numbers = [node for _, node in nodes if node["__loader__"] == "JsonNode"]
    if rng.random() < 0.6:
        values = ["0", "-1", "1", "1000000000", "1e308", "NaN", "null", "true", '"x"', "[1]", "9" * 30, "Infinity"]
        rng.choice(numbers)["content"] = rng.choice(values)
        return "number"
    return forge_value(schema, rng)


def forge_sparse(content: bytes, rng: random.Random) -> bytes:
    """Return a sparse array with columns, rows or sizes that are out of bounds, or that expands."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        parts = {name: np.load(io.BytesIO(archive.read(name))) for name in archive.namelist()}
    how = rng.choice(["indices", "indices", "indptr", "shape", "data", "bomb"])
    if how == "bomb":
        parts["data.npy"] = np.zeros(10**7)
    else:
        parts[f"{how}.npy"] = forge_array(parts[f"{how}.npy"], rng)
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, array in parts.items():
            archive.writestr(name, array_bytes(array))
    return held.getvalue()


def forge_keras(path: Path, rng: random.Random) -> str:
    """Forge one thing of a Keras archive."""
    content = members(path)
    how = rng.choice(["config", "config", "config", "activation", "weights", "deflated", "twice", "lambda"])
    if how in ("config", "activation", "lambda"):
        config = json.loads(content["config.json"])
        layers = config["config"]["layers"]
        if how == "config":
            how += " " + forge_value(config, rng)
        elif how == "activation":
            rng.choice(layers)["config"]["activation"] = rng.choice(ACTIVATIONS)
        else:
            rng.choice(layers)["class_name"] = rng.choice(["Lambda", "TFSMLayer", "StringLookup", "Dense", "Repeat"])
        content["config.json"] = json.dumps(config).encode("utf-8", "surrogatepass")
    elif how == "weights":
        content["model.weights.h5"] = forge_weights(content["model.weights.h5"], rng)
    write(path, content, zipfile.ZIP_DEFLATED if how == "deflated" else zipfile.ZIP_STORED)
    if how == "twice":
        with zipfile.ZipFile(path, "a") as archive:
            archive.writestr("extra.json", b"{}")
    return f"{path.name}: {how}"


def forge_weights(content: bytes, rng: random.Random) -> bytes:
    """Return weights with other numbers or shapes, links, or a size that they do not have."""
    import h5py

    held = io.BytesIO(content)
    with h5py.File(held, "a") as weights:
        sets: list[Any] = []
        weights.visititems(lambda name, item: sets.append(name) if isinstance(item, h5py.Dataset) else None)
        name = rng.choice(sets)
        how = rng.choice(["number", "shape", "link", "huge", "missing"])
        array = weights[name][...]
        if how == "number" and array.size:
            array.reshape(-1)[0] = rng.choice([np.nan, np.inf, 1e38, 0])
            weights[name][...] = array
            return held.getvalue()
        del weights[name]
        if how == "shape":
            weights[name] = array.reshape(-1)
        elif how == "link":
            weights[name] = h5py.ExternalLink("/etc/passwd", "x")
        elif how == "huge":
            weights.create_dataset(name, shape=(10**10,), dtype="f4", chunks=(1000,))
    return held.getvalue()
