"""`cascade.json`: the content of a model folder, with the digests of all files and of itself."""

from __future__ import annotations

import hashlib
import json
import re
import stat
from pathlib import Path
from typing import Any

from cascade.errors import ModelRefusedError
from cascade.store.json_file import parse_json
from cascade.store.plain_file import LARGEST as LARGEST_FILE
from cascade.store.plain_file import LARGEST_FOLDER, ModelFiles, describe, read

PROTOCOL = 6
READABLE = (3, 4, 5, 6)
"""Protocol 3 has no exported networks, 3 and 4 no prior shift, 3 to 5 no label outputs of the gate and no stack."""
NAME = "cascade.json"
LARGEST = 32 * 2**20

# Without separators and leading dots, a name from a manifest cannot leave its folder.
FILE_NAME = re.compile(r"[a-z0-9_]{1,100}\.(keras|skops|tflite|onnx)")


def write_manifest(folder: Path, content: dict[str, Any]) -> None:
    """Write the manifest with the digests of all files; call it last, when they are complete."""
    files = {path.name: describe(path) for path in sorted(folder.iterdir())}
    body = {"protocol": PROTOCOL, **content, "files": files}
    body["sha256"] = _digest_of(body)
    (folder / NAME).write_text(json.dumps(body, indent=2, allow_nan=False) + "\n", encoding="utf-8")


def read_manifest(folder: Path) -> dict[str, Any]:
    """Check the folder and all its files against its manifest; return the manifest.

    A digest detects damage, not forgery: anyone who can write the folder can write a matching digest. A forged folder
    cannot run code because none of its files is ever parsed by a loader that runs code.

    Raises
    ------
    ModelRefusedError
        If a file is changed, missing, extra or a link, or the protocol is not readable.
    """
    body, files = open_manifest(folder)
    files.check_rest()
    return body


def open_manifest(folder: Path) -> tuple[dict[str, Any], ModelFiles]:
    """Check the folder against its manifest; return the manifest, and the files, whose digests are checked when read.

    Callers that do not read all files check the others with `ModelFiles.check_rest`.

    Raises
    ------
    ModelRefusedError
        If a file is missing, extra, a link or of another size, or the protocol is not readable.
    """
    _refuse_other_entries(folder)
    body = _parse(folder / NAME)
    # The protocol before the digest: a newer version may compute the digest differently.
    protocol = body.get("protocol")
    if type(protocol) is not int or protocol not in READABLE:
        raise ModelRefusedError(
            f"`{folder}` has protocol {protocol!r}; this version reads {READABLE[0]} to {READABLE[-1]}."
        )
    if body.get("sha256") != _digest_of(body):
        raise ModelRefusedError(f"`{folder / NAME}` was changed after it was written; fetch the model again.")
    _check_files(folder, body.get("files"))
    return body, ModelFiles(folder, body["files"])


def peek_manifest(folder: Path) -> dict[str, Any]:
    """Read the manifest of a folder without checking its files, for callers that load it before or after."""
    return _parse(folder / NAME)


def _refuse_other_entries(folder: Path) -> None:
    # Users may give a version, or a folder of versions, by mistake: both errors name the folder to load instead.
    if (folder / "model" / NAME).exists():
        raise ModelRefusedError(f"`{folder}` is a version, which holds its model in `{folder / 'model'}`; load that.")
    versions = sorted(folder.glob(f"[!.]*/model/{NAME}"))
    if versions and not (folder / NAME).exists():
        raise ModelRefusedError(f"`{folder}` holds versions, not a model; load one, such as `{versions[-1].parent}`.")
    if not folder.is_dir() or not (folder / NAME).exists():
        raise ModelRefusedError(f"`{folder}` is not a model folder: it has no {NAME}.")
    # A link may lead out of the folder, to a file that changes after its digest was checked.
    for path in folder.iterdir():
        if not stat.S_ISREG(path.lstat().st_mode):
            raise ModelRefusedError(f"`{path}` must be a plain file; links and folders are refused in a model.")


def _parse(path: Path) -> dict[str, Any]:
    content = read(path, LARGEST)
    try:
        body = parse_json(content)
    except (ValueError, RecursionError) as error:
        raise ModelRefusedError(f"`{path}` is not readable JSON ({type(error).__name__}: {error}).") from error
    if not isinstance(body, dict):
        raise ModelRefusedError(f"`{path}` must hold one JSON object. Received {type(body).__name__}.")
    return body


def _check_files(folder: Path, files: Any) -> None:
    """Check the names and the sizes of the files, before any of them is read."""
    if not isinstance(files, dict) or not all(FILE_NAME.fullmatch(name) for name in files):
        raise ModelRefusedError(f"`{folder / NAME}` names a file that is not a plain model file of its own folder.")
    present = {path.name for path in folder.iterdir()} - {NAME}
    for name in sorted(present ^ set(files)):
        kind = "an extra" if name in present else "a missing"
        raise ModelRefusedError(f"`{folder / name}` is {kind} file; the folder is not what was saved.")
    total = 0
    for name, wanted in sorted(files.items()):
        size = (folder / name).lstat().st_size
        total += size
        if not isinstance(wanted, dict) or wanted.get("bytes") != size:
            raise ModelRefusedError(f"`{folder / name}` was changed after it was written; its size differs.")
        if size > LARGEST_FILE or total > LARGEST_FOLDER:
            raise ModelRefusedError(f"`{folder / name}` is larger than any file of a model, or makes the folder so.")


def _digest_of(body: dict[str, Any]) -> str:
    # Sorted keys: the digest depends on the content, not on the order in which it was written.
    content = {key: value for key, value in body.items() if key != "sha256"}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
