"""The output of a job in a folder of a store, which a lease protects."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from cascade.batch.folder import OF_A_SHARD, clear_temporary
from cascade.batch.job.lease import Lease, refuse_foreign_objects
from cascade.batch.job.notes import Notes
from cascade.batch.job.output import State
from cascade.errors import BusyError, ConfigError
from cascade.utils.address import Address
from cascade.utils.locking import claimed


class StoreOutput:
    """A leased address; its methods are those of `Output`.

    Parameters
    ----------
    lease : Lease
        Lease that was taken.
    """

    def __init__(self, lease: Lease) -> None:
        self.lease = lease
        self.place, self.work = lease.address, lease.work
        self.journal = Notes(lease.address)

    def clear(self) -> None:
        """Remove the temporary files of a killed job."""
        clear_temporary(self.place)

    def refuse_foreign(self) -> None:
        """Raise if the address holds anything but leases."""
        refuse_foreign_objects(self.place)

    def check(self) -> None:
        """Raise if the output was removed, or another job has taken it over."""
        self.lease.check()

    def names_of_shards(self, n_known: int) -> Iterator[str]:
        """Yield names as listed: a job that has lost its lease may have written one shard more."""
        return filter(OF_A_SHARD.fullmatch, self.place.stamps())

    def take(self, folder: Path, names: list[str]) -> None:
        """Copy files into the store, then remove them from this machine."""
        for name in names:
            (self.place / name).put(folder / name)
            (folder / name).unlink()

    def state(self, name: str) -> State:
        """Return size and modification time of an object."""
        return (self.place / name).stamp()

    def states(self, names: list[str]) -> dict[str, State]:
        """Return the states of objects, and of every other part: only a job that took over can have written it."""
        found: dict[str, State] = dict(self.place.stamps())
        others = [name for name in found if OF_A_SHARD.fullmatch(name) and not name.startswith("_")]
        return {name: found.get(name) for name in dict.fromkeys([*names, *others])}


@contextmanager
def leased(address: Address) -> Iterator[StoreOutput]:
    """Lease an address for one job, which makes its shards in a locked folder of this machine.

    Raises
    ------
    BusyError, ConfigError
    """
    with ExitStack() as stack:
        work = _working_folder(address)
        try:
            stack.enter_context(claimed(work))
        except BusyError as error:
            raise BusyError(f"`{address}` is being written by another job; wait for it, or stop it.") from error
        lease = Lease(address, work)
        stack.callback(lease.release)
        lease.take()
        yield StoreOutput(lease)


def _working_folder(address: Address) -> Path:
    """Return the folder of this machine for the jobs of an address; only its user can open it."""
    base = Path(tempfile.gettempdir()) / f"cascade-{os.getuid()}"
    base.mkdir(mode=0o700, exist_ok=True)
    status = base.lstat()
    if base.is_symlink() or status.st_uid != os.getuid() or status.st_mode & 0o077:
        raise ConfigError(f"`{base}` must be a folder that only its user can open; remove it, or set TMPDIR.")
    return base / hashlib.sha256(str(address).encode()).hexdigest()[:32]
