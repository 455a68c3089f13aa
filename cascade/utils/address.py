"""Addresses of files in object stores, with the methods of a path that batch jobs use."""

from __future__ import annotations

import errno
import io
import os
import re
import secrets
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, BinaryIO, TypeVar

from cascade.errors import ConfigError

if TYPE_CHECKING:
    import pyarrow.fs

SCHEME = re.compile(r"([a-z][a-z0-9+.-]+)://", re.IGNORECASE)
BUFFER = 2**22
"""Bytes of one request: a request takes as long as reading some megabytes."""
WHOLE = ("s3", "gcs", "abfs")
"""File systems in which an object appears when it is complete."""
RENAMES = ("local", "subtree")
"""Those in which a file may be renamed over another one."""
REQUESTS = 16
"""Requests at a time."""
VERSIONS = ("etag", "versionid", "version-id", "generation")
"""Metadata that change with the content of an object."""

Item = TypeVar("Item")
Result = TypeVar("Result")
Stamp = tuple[int, int]
"""Size of a file, and its modification time in seconds: listings of some stores have no fractions."""


class Address:
    """A file or folder in a file system of pyarrow, such as a bucket.

    Its text has neither credentials nor options, so it may be written anywhere.

    Parameters
    ----------
    files : pyarrow.fs.FileSystem
    path : str
        Path in this file system.
    scheme : str

    Examples
    --------
    >>> from pyarrow.fs import LocalFileSystem
    >>> address = Address(LocalFileSystem(), "bucket/rows/", "s3")
    >>> str(address / "a.csv"), (address / "a.csv").suffix, str(address.parent)
    ('s3://bucket/rows/a.csv', '.csv', 's3://bucket')
    """

    def __init__(self, files: pyarrow.fs.FileSystem, path: str, scheme: str) -> None:
        self.files, self.path, self.scheme = files, path.rstrip("/"), scheme

    def __str__(self) -> str:
        return f"{self.scheme}://{self.path}"

    def __repr__(self) -> str:
        return f"Address({str(self)!r})"

    def __eq__(self, other: object) -> bool:
        same = isinstance(other, Address) and str(self) == str(other)
        return same and bool(self.files.equals(other.files))  # type: ignore[attr-defined]

    def __hash__(self) -> int:
        return hash(str(self))

    def __truediv__(self, name: str) -> Address:
        return Address(self.files, f"{self.path}/{name}", self.scheme)

    @property
    def name(self) -> str:
        """Return the last part of the path."""
        return PurePosixPath(self.path).name

    @property
    def suffix(self) -> str:
        """Return the ending of the name with its dot; "" if it has none."""
        return PurePosixPath(self.path).suffix

    @property
    def parent(self) -> Address:
        """Return the folder of this file."""
        return Address(self.files, str(PurePosixPath(self.path).parent), self.scheme)

    def resolve(self) -> Address:
        """Return the address itself, which is the same on every machine."""
        return self

    def exists(self) -> bool:
        """Return whether there is a file or a folder."""
        return bool(self._info().type != _kinds().NotFound)

    def is_dir(self) -> bool:
        """Return whether it is a folder."""
        return bool(self._info().type == _kinds().Directory)

    def stamp(self) -> Stamp | None:
        """Return what changes when the file is written again; None if it is missing."""
        info = self._info()
        return _stamp_of(info) if info.type == _kinds().File else None

    def version(self) -> tuple[int, str] | None:
        """Return the size, and the time with what the store itself says of the content; None if it is missing."""
        info = self._info()
        if info.type != _kinds().File:
            return None
        with _reaching(self), self.files.open_input_stream(self.path) as stream:
            known = {_text(name).lower(): _text(value) for name, value in (stream.metadata() or {}).items()}
        return info.size, repr([info.mtime_ns, *(known.get(name) for name in VERSIONS)])

    def stamps(self) -> dict[str, Stamp]:
        """Return the stamps of all files in the folder, by name."""
        return {info.base_name: _stamp_of(info) for info in self._infos() if info.type == _kinds().File}

    def names(self) -> list[str]:
        """Return the names of all files and folders in the folder."""
        return [info.base_name for info in self._infos()]

    def below(self) -> list[str]:
        """Return the names of all files below the folder, relative to it."""
        infos = self._infos(recursive=True)
        return [info.path.removeprefix(f"{self.path}/") for info in infos if info.type == _kinds().File]

    def iterdir(self) -> Iterator[Address]:
        """Yield the files in the folder."""
        return (self / name for name in self.stamps())

    def open(self, mode: str = "rb") -> io.BufferedReader:
        """Open the file to read bytes, some megabytes per request."""
        return io.BufferedReader(self.raw(), BUFFER)

    def raw(self) -> io.RawIOBase:
        """Open the file to read bytes, with one request per call."""
        with _reaching(self):
            return _Stream(self, self.files.open_input_file(self.path))

    def read_bytes(self) -> bytes:
        """Return the content."""
        with _reaching(self), self.files.open_input_stream(self.path) as stream:
            return bytes(stream.read())

    def read_text(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        """Return the content as text."""
        return self.read_bytes().decode(encoding, errors)

    def write_bytes(self, content: bytes) -> None:
        """Write a small file; it appears when it is complete."""
        with tempfile.TemporaryFile() as local:
            local.write(content)
            local.seek(0)
            self._put(local, len(content))

    def put(self, local: Path) -> None:
        """Copy a file of this machine here; it appears when it is complete."""
        with local.open("rb") as handle:
            self._put(handle, local.stat().st_size)

    def unlink(self, missing_ok: bool = False) -> None:
        """Remove the file."""
        try:
            with _reaching(self):
                self.files.delete_file(self.path)
        except FileNotFoundError:
            if not missing_ok:
                raise

    def check_writable(self) -> None:
        """Raise unless a file here appears when it is complete.

        Raises
        ------
        ConfigError
        """
        if self.files.type_name not in (*WHOLE, *RENAMES):
            raise ConfigError(f"`--output` must be a folder, or in S3, Google or Azure storage. Received `{self}`.")

    def remove_folder(self) -> None:
        """Remove a folder with everything in it, if it exists."""
        if self.is_dir():
            with _reaching(self):
                self.files.delete_dir(self.path)

    def _info(self) -> Any:
        with _reaching(self):
            return self.files.get_file_info(self.path)

    def _infos(self, recursive: bool = False) -> list[Any]:
        from pyarrow.fs import FileSelector

        with _reaching(self):
            selector = FileSelector(self.path, allow_not_found=True, recursive=recursive)
            return list(self.files.get_file_info(selector))

    def _put(self, local: BinaryIO, size: int) -> None:
        # In a thread of its own, which Ctrl-C does not reach: a stream that is cut off still becomes an object.
        with ThreadPoolExecutor(1) as pool:
            pool.submit(self._copy, local).result()
        stamp = self.stamp()
        if stamp is None or stamp[0] != size:
            raise OSError(errno.EIO, "the store did not keep the whole file", str(self))

    def _copy(self, local: BinaryIO) -> None:
        whole = self.files.type_name in WHOLE
        target = self if whole else self.parent / f".{self.name}.{os.getpid()}{secrets.randbelow(10**9):09d}"
        with _reaching(self):
            if not whole:
                self.files.create_dir(self.parent.path, recursive=True)
            with self.files.open_output_stream(target.path) as stream:
                shutil.copyfileobj(local, stream, BUFFER)
            if not whole:
                self.files.move(target.path, self.path)


Place = Path | Address
"""Where a file is: on this machine, or in a store."""


def place_of(text: str | Path | Address) -> Place:
    """Return the path of a text, or its address if it begins with a scheme such as `s3://`.

    Raises
    ------
    ConfigError
        If pyarrow has no file system for the scheme, or cannot read the address.

    Examples
    --------
    >>> place_of("rows/a.csv").name, place_of("file:///tmp/a.csv")
    ('a.csv', PosixPath('/tmp/a.csv'))
    """
    scheme = SCHEME.match(text) if isinstance(text, str) else None
    if not isinstance(text, str) or scheme is None:
        return text if isinstance(text, Address) else Path(text)
    import pyarrow as pa
    from pyarrow.fs import FileSystem, LocalFileSystem

    # Pyarrow's own sentences may repeat the address, which may hold a secret.
    shown = re.sub("//.*@", "//", text).partition("?")[0]
    try:
        files, path = FileSystem.from_uri(text)
    except (pa.ArrowException, ValueError, TypeError):
        raise ConfigError(
            f"`{shown}` must be an address that pyarrow can open, such as s3://bucket/folder; write a blank as %20."
        ) from None
    except OSError:
        raise OSError(errno.EIO, "its store cannot be reached", shown) from None
    if isinstance(files, LocalFileSystem):
        return Path(path)
    return Address(files, path, scheme[1].lower())


def each(place: Place, task: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
    """Yield the result of `task` for each item in order; in threads where each takes requests to a store.

    Examples
    --------
    >>> list(each(Path("rows"), len, ["a", "bc"]))
    [1, 2]
    """
    if not isinstance(place, Address):
        yield from map(task, items)
        return
    with ThreadPoolExecutor(REQUESTS) as pool:
        yield from pool.map(task, items)


class _Stream(io.RawIOBase):
    """A file of a store as Python reads files; what the network does is an error of the machine."""

    def __init__(self, address: Address, file: Any) -> None:
        self.address, self.file = address, file

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        with _reaching(self.address):
            return int(self.file.readinto(buffer))

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        return int(self.file.seek(offset, whence))

    def tell(self) -> int:
        return int(self.file.tell())

    def close(self) -> None:
        if not self.closed:
            self.file.close()
        super().close()


@contextmanager
def _reaching(address: Address) -> Iterator[None]:
    """Give errors of a store the number of an error of the machine, and the address."""
    try:
        yield
    except FileNotFoundError as error:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(address)) from error
    except OSError as error:
        if error.errno is not None:
            raise
        raise OSError(errno.EIO, (str(error).splitlines() or ["no reason given"])[0], str(address)) from error


def _kinds() -> Any:
    # Imported late: most commands read no store.
    from pyarrow.fs import FileType

    return FileType


def _stamp_of(info: Any) -> Stamp:
    return info.size, (info.mtime_ns or 0) // 10**9


def _text(value: str | bytes) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
