"""Forge manifests, and redo the digests of a folder."""

from __future__ import annotations

import copy
import hashlib
import json
import random
from pathlib import Path
from typing import Any

NAME = "cascade.json"
VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 2, 10**9, 10**30, -(10**9), 0.5, -0.5, 1e308, -1e308, 1e-320, 1.5),
    *(
        "",
        "x",
        "../x",
        "/etc/passwd",
        "\u202eabc",
        "a\nb",
        "a\x00b",
        "\ud800",
        [],
        {},
        [0],
        [[]],
        [1e308],
        {"kind": "keras"},
    ),
)
RAW = ("1e999", "-1e999", "NaN", "Infinity", "9" * 5000, "[" * 50_000, '{"a": 1, "a": 2}')
"""Texts that are no JSON, or that Python reads as other things than they are."""


def redo(folder: Path, body: dict[str, Any] | None = None, described: bool = True) -> None:
    """Write the manifest with the digests of the files as they are now."""
    body = json.loads((folder / NAME).read_text(encoding="utf-8")) if body is None else body
    if described:
        files = (path for path in sorted(folder.iterdir()) if path.is_file() and path.name != NAME)
        body["files"] = {path.name: describe(path) for path in files}
    body["sha256"] = digest(body)
    (folder / NAME).write_text(json.dumps(body), encoding="utf-8")


def describe(path: Path) -> dict[str, Any]:
    with path.open("rb") as handle:
        return {"sha256": hashlib.file_digest(handle, "sha256").hexdigest(), "bytes": path.stat().st_size}


def digest(body: dict[str, Any]) -> str:
    content = {key: value for key, value in body.items() if key != "sha256"}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the paths of everything inside a JSON value."""
    found, items = [], value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        found += [(*path, key), *places(inner, (*path, key))]
    return found


def holder(body: Any, path: tuple[Any, ...]) -> Any:
    for key in path[:-1]:
        body = body[key]
    return body


def forge_value(body: Any, rng: random.Random) -> str:
    """Change, remove, repeat or rename one place of a JSON value; return what was done."""
    path = rng.choice(places(body))
    inside, key = holder(body, path), path[-1]
    how = rng.choice(["value", "value", "value", "scale", "remove", "repeat", "rename", "swap"])
    if how == "scale" and isinstance(inside[key], (int, float)) and not isinstance(inside[key], bool):
        inside[key] *= rng.choice([-1, 0, 2, 10, 1e6, 1e300])
    elif how == "remove":
        del inside[key]
    elif how == "repeat" and isinstance(inside, list):
        inside[key:key] = [copy.deepcopy(inside[key])] * rng.choice([1, 2, 1000])
    elif how == "rename" and isinstance(inside, dict):
        inside[rng.choice(["x", key + "_", "_in_fit"])] = inside.pop(key)
    elif how == "swap":
        other = rng.choice(places(body))
        inside[key] = copy.deepcopy(holder(body, other)[other[-1]])
    else:
        inside[key] = copy.deepcopy(rng.choice(VALUES))
    return f"{how} {'/'.join(map(str, path[-4:]))}"


def forge_manifest(folder: Path, rng: random.Random) -> str:
    """Forge one or two places of the manifest."""
    body = json.loads((folder / NAME).read_text(encoding="utf-8"))
    # Not of `files` and digests, which are redone.
    inner = {key: value for key, value in body.items() if key not in ("files", "sha256")}
    done = "; ".join(forge_value(inner, rng) for _ in range(rng.choice([1, 1, 1, 2])))
    if "files" in body:
        inner["files"] = body["files"]
    try:
        redo(folder, inner)
    except (UnicodeEncodeError, OverflowError):
        done += " (as it was)"
    return f"manifest: {done}"


def forge_text(folder: Path, rng: random.Random) -> str:
    """Put a text that is no JSON in the place of a value, with the digest that Python computes of what it reads."""
    body = json.loads((folder / NAME).read_text(encoding="utf-8"))
    path = rng.choice([one for one in places(body) if one[0] not in ("files", "sha256")])
    raw = rng.choice(RAW)
    inside = holder(body, path)
    inside[path[-1]] = "@here@"
    text = json.dumps(body).replace('"@here@"', raw)
    try:
        body = json.loads(text)
        text = text.replace(body["sha256"], digest(body))
    except (ValueError, RecursionError):
        pass
    (folder / NAME).write_text(text, encoding="utf-8")
    return f"text: {raw[:20]} at {'/'.join(map(str, path[-4:]))}"
