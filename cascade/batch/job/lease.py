"""The right of one job to write to a store, which has no locks: a lease.

A lease is an object `_lock.<token>` in the output, and beside it one that the job writes again every minute. A lease
whose objects are older than ten minutes, by the store's own clock, has lapsed.
"""

from __future__ import annotations

import platform
import secrets
import threading
from pathlib import Path

from cascade.batch.folder import LEASE, MANIFEST
from cascade.errors import BusyError, CascadeError, ConfigError
from cascade.utils.address import Address
from cascade.utils.atomic import new_file
from cascade.utils.locking import LOCK

LAPSED = 600
"""Seconds without a sign of life after which another job may take over."""
BEAT = 60.0
"""Seconds between signs of life."""
ALIVE = ".alive"
TOKEN = "token"


class Lease:
    """The lease of one job on an address.

    Parameters
    ----------
    address : Address
    work : path
        Locked folder of this machine, for shards that are not in the store yet.
    """

    def __init__(self, address: Address, work: Path) -> None:
        self.address, self.work = address, work
        self.token = secrets.token_hex(8)
        self.stopped = threading.Event()
        self.beating = threading.Thread(target=self._beat, daemon=True)

    def take(self) -> None:
        """Take the lease.

        Raises
        ------
        BusyError
            If another job has one.
        ConfigError
            If the address is a file or holds something else.
        """
        if self.address.stamp() is not None:
            raise ConfigError(f"`{self.address}` is a file; choose a folder.")
        # Before anything is written: what was named by mistake must stay unchanged.
        refuse_foreign_objects(self.address)
        for path in self.work.iterdir():
            if path.name not in (LOCK, TOKEN):
                path.unlink()
        # This machine's lock is held, so the job that wrote the last token has ended, in whatever way.
        if (self.work / TOKEN).exists():
            self._remove((self.work / TOKEN).read_text(encoding="utf-8"))
        # Kept before the object is made: a process that ends in between leaves no object that nobody knows.
        with new_file(self.work / TOKEN) as temporary:
            temporary.write_text(self.token, encoding="utf-8")
        self._object(self.token).write_bytes(platform.node().encode())
        # Written first and listed second: of two jobs that start at once, at least one sees the other.
        self._refuse_others()
        self.beating.start()

    def check(self) -> None:
        """Raise if the output was removed, or another job has taken it over.

        Raises
        ------
        CascadeError
        """
        if not self._object(self.token).exists():
            raise CascadeError(
                f"`{self.address}` was removed or taken over by another job while the job ran; start the job again."
            )

    def release(self) -> None:
        """Give the lease back; where the store cannot be reached, it lapses by itself."""
        self.stopped.set()
        if self.beating.is_alive():
            self.beating.join()
        # Whatever ended the job is the message that counts.
        try:
            self._remove(self.token)
        except OSError:
            return

    def _refuse_others(self) -> None:
        seen = {name: time for name, (_, time) in self.address.stamps().items() if name.startswith(LEASE)}
        # The time of this lease, which was written last.
        now = max(seen.values(), default=0)
        for token in {name.removeprefix(LEASE).removesuffix(ALIVE) for name in seen} - {self.token}:
            objects = [f"{LEASE}{token}", f"{LEASE}{token}{ALIVE}"]
            # Without its first object a lease was taken away, and only its job has not noticed yet.
            if objects[0] in seen and now - max(seen.get(name, 0) for name in objects) < LAPSED:
                self.release()
                raise BusyError(
                    f"`{self.address}` is being written by another job{self._host(token)}; wait for it, or stop it. "
                    f"A job that was killed on another machine blocks for {LAPSED // 60} minutes."
                )
            self._remove(token)

    def _host(self, token: str) -> str:
        try:
            return f" on {self._object(token).read_text(errors='replace')}"
        except OSError:
            return ""

    def _object(self, token: str) -> Address:
        return self.address / f"{LEASE}{token}"

    def _remove(self, token: str) -> None:
        self._object(token).unlink(missing_ok=True)
        self._object(f"{token}{ALIVE}").unlink(missing_ok=True)

    def _beat(self) -> None:
        while not self.stopped.wait(BEAT):
            # The next sign may come through; the lease itself is never written again, since it may be another's turn.
            try:
                self._object(f"{self.token}{ALIVE}").write_bytes(b"")
            except OSError:
                continue


def refuse_foreign_objects(address: Address) -> None:
    """Raise if a folder of a store has no job but other objects.

    Raises
    ------
    ConfigError
    """
    names = sorted(name for name in address.names() if not name.startswith(LEASE))
    if names and MANIFEST not in names:
        raise ConfigError(f"`{address}` holds {names[0]!r} and is not a job folder; choose a new or an empty one.")
