"""A job in its folder: start, resume or start over, commit shard by shard, finish."""

from __future__ import annotations

from typing import Any

from cascade.batch.folder import MONITOR, OF_A_SHARD, REJECTED, clear_temporary, part_name, rejected_name
from cascade.batch.job.identity import difference
from cascade.batch.job.journal import Journal
from cascade.batch.job.lease import Lease, refuse_foreign_objects
from cascade.batch.job.manifest import Manifest, Shard, digest_file, read_job_manifest
from cascade.batch.job.notes import Notes
from cascade.batch.job.shard import Written
from cascade.batch.outputs.monitor import monitored, write_monitor
from cascade.batch.outputs.tally import Tallying
from cascade.batch.outputs.writing import read_rows, write_tables
from cascade.errors import CascadeError, ConfigError, DataError
from cascade.utils.address import Address, Place, each
from cascade.utils.atomic import sync
from cascade.utils.locking import refuse_foreign

State = tuple[int, ...] | None
"""Number, size and modification time of a file; in a store without the number. None where it is missing."""


class Job:
    """One job in a locked folder.

    Parameters
    ----------
    folder : path or address
    identity : dict of dict
        Everything that the output depends on; see `Manifest.job`.
    fresh : bool
        Whether to remove the files of an earlier job instead of resuming it.
    lease : Lease, optional
        Lease on the address.

    Raises
    ------
    ConfigError
        If the folder holds something else, or a job with another identity.
    DataError
        If a file of the job is missing or was changed.
    """

    def __init__(
        self, folder: Place, identity: dict[str, dict[str, Any]], fresh: bool, lease: Lease | None = None
    ) -> None:
        self.folder, self.lease = folder, lease
        self.journal = Notes(folder) if isinstance(folder, Address) else Journal(folder)
        self.place = _place(folder)
        # State of each noted file as this process left or found it, by its name.
        self.noted: dict[str, State] = {}
        clear_temporary(folder)
        earlier = self._earlier()
        if earlier is None:
            _refuse_foreign(folder)
        # Without a shard there is nothing to resume, so another identity needs no --fresh.
        elif fresh or not earlier.shards:
            self._remove(len(earlier.shards))
            earlier = None
        else:
            _refuse_other(folder, earlier.job, identity)
            self._check_files(earlier)
        self.manifest = earlier or Manifest(identity)
        # The next shard may have files but no journal line. Computed again, it may reject nothing and would then leave
        # an old file of rejected rows behind.
        self._remove_shard(len(self.manifest.shards))
        if not self.manifest.finished:
            # The manifest first: if the process ends in between, journal lines of shards in the manifest are skipped.
            self.manifest.write(folder)
            self.journal.begin()

    def _earlier(self) -> Manifest | None:
        """Return the manifest of the job in the folder with the shards of its journal; None if there is no job."""
        earlier = read_job_manifest(self.folder)
        if earlier is not None:
            for shard, tally in self.journal.read(len(earlier.shards)):
                earlier.add(shard, tally)
        return earlier

    def _remove(self, n_shards: int) -> None:
        if isinstance(self.folder, Address):
            # As listed: a job that has lost its lease may have written one shard more.
            for name in filter(OF_A_SHARD.fullmatch, self.folder.stamps()):
                (self.folder / name).unlink(missing_ok=True)
        else:
            # One more than is known: the files of the last shard may exist before it is in the journal.
            for number in range(n_shards + 1):
                self._remove_shard(number)
        for name in (REJECTED, MONITOR):
            (self.folder / name).unlink(missing_ok=True)
        # Before the manifest of another job is written, for which these lines would count.
        self.journal.remove()

    def _remove_shard(self, number: int) -> None:
        for name in (part_name(number), rejected_name(number)):
            (self.folder / name).unlink(missing_ok=True)

    def _check_files(self, manifest: Manifest) -> None:
        # Digests, not only existence: output that was edited or cut would otherwise be mixed with new shards.
        wanted = {REJECTED: manifest.sha256_rejected, MONITOR: manifest.sha256_monitor}
        for number, shard in enumerate(manifest.shards):
            wanted[part_name(number)] = shard.sha256
            # The files per shard are merged into one, and removed, when the job is finished.
            if not manifest.finished:
                wanted[rejected_name(number)] = shard.sha256_rejected
        written = [(self.folder / name, digest) for name, digest in wanted.items() if digest is not None]
        for name, state in each(self.folder, _checked, written):
            self.noted[name] = state

    def commit(self, written: Written) -> None:
        """Append the next shard to the journal; a shard that is not in it when the process ends is computed again."""
        self.check_place()
        # Files first, journal second: a line in the journal promises files that are complete and synced.
        names = self._names(len(self.manifest.shards), written.shard)
        if written.place != self.folder:
            self._move(written, names)
        for name in names:
            self.noted[name] = _state(self.folder / name)
        self.journal.append(len(self.manifest.shards), written.shard, written.tally)
        self.manifest.add(written.shard, written.tally)

    def _names(self, number: int, shard: Shard) -> list[str]:
        return [part_name(number), *([rejected_name(number)] if shard.rejected else [])]

    def _move(self, written: Written, names: list[str]) -> None:
        if isinstance(self.folder, Address):
            for name in names:
                (self.folder / name).put(written.place / name)
                (written.place / name).unlink()
            return
        for name in names:
            (written.place / name).replace(self.folder / name)
        sync(self.folder)

    def check_place(self) -> None:
        """Raise if the folder was removed or replaced since the job started.

        Raises
        ------
        CascadeError
        """
        if self.lease is not None:
            self.lease.check()
        elif _place(self.folder) != self.place:
            raise CascadeError(f"`{self.folder}` was removed or replaced while the job ran; start the job again.")

    def check_noted(self) -> None:
        """Raise unless every file that was noted is still as it was: another program may have removed one.

        Raises
        ------
        CascadeError
        """
        self.check_place()
        found = _states(self.folder, [*self.noted])
        for name in found:
            if found[name] != self.noted.get(name):
                path = self.folder / name
                raise CascadeError(f"`{path}` was removed or changed while the job ran; start over with --fresh.")

    def finish(self, tallying: Tallying | None) -> None:
        """Merge rejected rows into one file, write the monitor file and mark the job as finished; repeatable."""
        temporary = self._temporary()
        # Last, since a finished job promises that all of its rows are on the disk.
        self.check_noted()
        if not self.manifest.finished:
            if temporary:
                write_tables(self.folder / REJECTED, map(read_rows, temporary))
                self.manifest.sha256_rejected = digest_file(self.folder / REJECTED)
            if tallying is not None and self.manifest.tally is not None:
                write_monitor(self.folder, monitored(tallying, self.manifest.tally, self.manifest.n_rejected))
                self.manifest.sha256_monitor = digest_file(self.folder / MONITOR)
            # After its results and before the removals: a process that ends anywhere in between can be repeated.
            self.manifest.finished = True
            self.manifest.write(self.folder)
        for path in temporary:
            path.unlink(missing_ok=True)
        self.journal.remove()

    def _temporary(self) -> list[Place]:
        """Return the files of rejected rows, of the shards that have some."""
        shards = enumerate(self.manifest.shards)
        return [self.folder / rejected_name(number) for number, shard in shards if shard.rejected]


def _place(folder: Place) -> tuple[int, int] | None:
    """Return what identifies a folder, whatever its name; None if there is none, or it is in a store."""
    if isinstance(folder, Address):
        return None
    try:
        status = folder.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _state(path: Place) -> State:
    """Return what changes when a file is written again; None if it is missing."""
    if isinstance(path, Address):
        return path.stamp()
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns


def _checked(written: tuple[Place, str]) -> tuple[str, State]:
    """Return name and state of a file whose digest must be the given one."""
    path, digest = written
    if not path.exists() or digest_file(path) != digest:
        state = "changed after it was written" if path.exists() else "missing"
        raise DataError(f"`{path}` is {state}; put it back, or start over with --fresh.")
    return path.name, _state(path)


def _states(folder: Place, names: list[str]) -> dict[str, State]:
    """Return the states of some files; in a store also of every other part, which another job wrote."""
    if not isinstance(folder, Address):
        return {name: _state(folder / name) for name in names}
    found: dict[str, State] = dict(folder.stamps())
    others = [name for name in found if OF_A_SHARD.fullmatch(name) and not name.startswith("_")]
    return {name: found.get(name) for name in dict.fromkeys([*names, *others])}


def _refuse_foreign(folder: Place) -> None:
    if isinstance(folder, Address):
        refuse_foreign_objects(folder)
    else:
        refuse_foreign(folder)


def _refuse_other(folder: Place, begun: dict[str, Any], wanted: dict[str, Any]) -> None:
    change = difference(begun, wanted)
    if change is not None:
        raise ConfigError(f"`{folder}` holds a job that began differently: {change}; change it back, or use --fresh.")
