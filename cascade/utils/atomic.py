"""Atomic writes: temporary file or folder, fsync, rename."""

from __future__ import annotations

import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cascade.errors import ConfigError
from cascade.utils.address import Address


@contextmanager
def new_folder(target: str | Path) -> Iterator[Path]:
    """Yield a folder beside `target` that becomes `target` when the block ends without an error.

    Raises
    ------
    ConfigError
        If `target` exists: nothing is ever overwritten.
    """
    target = Path(target)
    # `exists` is false for a dangling link, on which the rename would fail after all the work.
    if target.exists() or target.is_symlink():
        raise ConfigError(f"`{target}` exists already; choose another folder or remove it first.")
    target.parent.mkdir(parents=True, exist_ok=True)
    # In the same folder, since a rename is atomic only within one file system.
    temporary = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    try:
        yield temporary
        # `mkdtemp` makes a folder that only its owner can open.
        temporary.chmod(0o755)
        # The content first: after a power failure the final name must not lead to incomplete files.
        sync_tree(temporary)
        temporary.rename(target)
        # A rename is an entry of the parent folder, which has to be synced as well.
        sync(target.parent)
    finally:
        # After the rename this path no longer exists, so only failed attempts are removed.
        shutil.rmtree(temporary, ignore_errors=True)


@contextmanager
def new_file(target: str | Path | Address, make_folder: bool = True) -> Iterator[Path]:
    """Yield a path beside `target` that replaces `target` when the block ends without an error.

    Parameters
    ----------
    target : path or address
        For an address, the path is one of this machine.
    make_folder : bool, default=True
        Whether to make the folder of `target` where it does not exist.
    """
    if isinstance(target, Address):
        with tempfile.TemporaryDirectory() as local:
            yield Path(local) / target.name
            target.put(Path(local) / target.name)
        return
    target = Path(target)
    if make_folder:
        target.parent.mkdir(parents=True, exist_ok=True)
    # Random digits keep the files of two threads apart, and of two machines that share the folder.
    temporary = target.with_name(f".{target.name}.{os.getpid()}{secrets.randbelow(10**9):09d}")
    try:
        yield temporary
        sync(temporary)
        temporary.replace(target)
        sync(target.parent)
    finally:
        temporary.unlink(missing_ok=True)


def sync_tree(folder: Path) -> None:
    """Wait until a folder and everything in it are on the disk."""
    # In reverse order, entries come before the folder that lists them.
    for path in sorted(folder.rglob("*"), reverse=True):
        sync(path)
    sync(folder)


def sync(path: Path) -> None:
    """Wait until a file or folder is on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
