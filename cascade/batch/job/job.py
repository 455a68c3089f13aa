"""A job in its output: start, resume or start over, commit shard by shard, finish."""

from __future__ import annotations

from typing import Any

from cascade.batch.folder import MONITOR, REJECTED, names_of_shard, part_name, rejected_name
from cascade.batch.job.identity import difference
from cascade.batch.job.manifest import Manifest, digest_file, read_job_manifest
from cascade.batch.job.output import Output, State
from cascade.batch.job.shard import Written
from cascade.batch.outputs.monitor import monitored, write_monitor
from cascade.batch.outputs.tally import Tallying
from cascade.batch.outputs.writing import read_rows, write_tables
from cascade.errors import CascadeError, ConfigError, DataError
from cascade.utils.address import Place, each


class Job:
    """One job in an output that no other job may write.

    Parameters
    ----------
    output : Output
    identity : dict of dict
        Everything that the output depends on; see `Manifest.job`.
    fresh : bool
        Whether to remove the files of an earlier job instead of resuming it.

    Raises
    ------
    ConfigError
        If the output holds something else, or a job with another identity.
    DataError
        If a file of the job is missing or was changed.
    """

    def __init__(self, output: Output, identity: dict[str, dict[str, Any]], fresh: bool) -> None:
        self.output, self.journal = output, output.journal
        self.folder = output.place
        # State of each noted file as this process left or found it, by its name.
        self.noted: dict[str, State] = {}
        output.clear()
        earlier = self._earlier()
        if earlier is None:
            output.refuse_foreign()
        # Without a shard there is nothing to resume, so another identity needs no --fresh.
        elif fresh or not earlier.shards:
            self._remove(len(earlier.shards))
            earlier = None
        else:
            _refuse_other(self.folder, earlier.job, identity)
            self._check_files(earlier)
        self.manifest = earlier or Manifest(identity)
        # The next shard may have files but no journal line. Computed again, it may reject nothing and would then leave
        # an old file of rejected rows behind.
        self._remove_shard(len(self.manifest.shards))
        if not self.manifest.finished:
            # The manifest first: if the process ends in between, journal lines of shards in the manifest are skipped.
            self.manifest.write(self.folder)
            self.journal.begin()

    def _earlier(self) -> Manifest | None:
        """Return the manifest of the job in the folder with the shards of its journal; None if there is no job."""
        earlier = read_job_manifest(self.folder)
        if earlier is not None:
            for shard, tally in self.journal.read(len(earlier.shards)):
                earlier.add(shard, tally)
        return earlier

    def _remove(self, n_shards: int) -> None:
        for name in (*self.output.names_of_shards(n_shards), REJECTED, MONITOR):
            (self.folder / name).unlink(missing_ok=True)
        # Before the manifest of another job is written, for which these lines would count.
        self.journal.remove()

    def _remove_shard(self, number: int) -> None:
        for name in names_of_shard(number):
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
        for name, state in each(self.folder, self._checked, written):
            self.noted[name] = state

    def _checked(self, written: tuple[Place, str]) -> tuple[str, State]:
        """Return name and state of a file whose digest must be the given one."""
        path, digest = written
        if not path.exists() or digest_file(path) != digest:
            state = "changed after it was written" if path.exists() else "missing"
            raise DataError(f"`{path}` is {state}; put it back, or start over with --fresh.")
        return path.name, self.output.state(path.name)

    def commit(self, written: Written) -> None:
        """Append the next shard to the journal; a shard that is not in it when the process ends is computed again."""
        self.output.check()
        # Files first, journal second: a line in the journal promises files that are complete and synced.
        number = len(self.manifest.shards)
        names = [part_name(number), *([rejected_name(number)] if written.shard.rejected else [])]
        self.output.take(written.place, names)
        for name in names:
            self.noted[name] = self.output.state(name)
        self.journal.append(number, written.shard, written.tally)
        self.manifest.add(written.shard, written.tally)

    def check_noted(self) -> None:
        """Raise unless every file that was noted is still as it was: another program may have removed one.

        Raises
        ------
        CascadeError
        """
        self.output.check()
        found = self.output.states([*self.noted])
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


def _refuse_other(place: Place, begun: dict[str, Any], wanted: dict[str, Any]) -> None:
    change = difference(begun, wanted)
    if change is not None:
        raise ConfigError(f"`{place}` holds a job that began differently: {change}; change it back, or use --fresh.")
