"""Damage the files of a folder: bytes, lengths, links, pipes, holes and files of other models."""

from __future__ import annotations

import os
import random
import shutil
from pathlib import Path

from forgery.manifest import NAME, redo

HOLE = 20 * 10**9


def damage_bytes(folder: Path, rng: random.Random) -> str:
    """Change bytes of one file, or cut it, and redo the digests or not."""
    path = rng.choice(sorted(folder.iterdir()))
    content = bytearray(path.read_bytes())
    for _ in range(rng.choice([1, 1, 5, 50])):
        content[rng.randrange(len(content))] = rng.randrange(256)
    path.write_bytes(bytes(content[: rng.choice([len(content), len(content), len(content) // 2, 0])]))
    redone = path.name != NAME and rng.random() < 0.7
    if redone:
        redo(folder)
    return f"{path.name}: bytes{', digest redone' if redone else ''}"


def damage_file(folder: Path, rng: random.Random) -> str:
    """Put something that is no file of this model in the place of one."""
    path = rng.choice(sorted(folder.iterdir()))
    how = rng.choice(["pipe", "link", "device", "folder", "hole", "hard hole", "missing", "extra", "loop"])
    if how == "extra":
        shutil.copy(path, folder / "extra.skops")
        return "an extra file"
    held = path.read_bytes()
    path.unlink()
    if how == "pipe":
        os.mkfifo(path)
    elif how == "link":
        (folder.parent / "elsewhere").write_bytes(held)
        path.symlink_to(folder.parent / "elsewhere")
    elif how == "device":
        path.symlink_to("/dev/zero")
    elif how == "folder":
        path.mkdir()
    elif how == "loop":
        path.symlink_to(path)
    elif "hole" in how:
        with path.open("wb") as handle:
            handle.write(held)
            handle.truncate(HOLE if how == "hole" else 10**9)
        # The digest of so many zeros is not redone: the size alone must be refused.
        if path.name != NAME:
            _declare(folder, path)
    return f"{path.name}: {how}"


def _declare(folder: Path, path: Path) -> None:
    import json

    from forgery.manifest import digest

    body = json.loads((folder / NAME).read_text(encoding="utf-8"))
    body["files"][path.name]["bytes"] = path.stat().st_size
    body["sha256"] = digest(body)
    (folder / NAME).write_text(json.dumps(body), encoding="utf-8")


def exchange(folder: Path, others: list[Path], rng: random.Random) -> str:
    """Put a part of another model, or of the other stage, in the place of one."""
    own = [path for path in sorted(folder.iterdir()) if path.suffix == ".skops"]
    if not own:
        return damage_file(folder, rng)
    path, other = rng.choice(own), rng.choice(others)
    source = rng.choice([one for one in sorted(other.iterdir()) if one.suffix == ".skops"])
    shutil.copy(source, path)
    redo(folder)
    return f"{path.name}: {source.name} of {other.name}"
