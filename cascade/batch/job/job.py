"""A job in its folder: begun, gone on with, or begun anew; a shard at a time; finished."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow.parquet

from cascade.batch.folder import MONITOR, REJECTED, clear_temporary, part_name, rejected_name
from cascade.batch.job.identity import difference
from cascade.batch.job.journal import Journal
from cascade.batch.job.manifest import Manifest, digest_file, read_job_manifest
from cascade.batch.job.shard import Written
from cascade.batch.outputs.monitor import monitored, write_monitor
from cascade.batch.outputs.tally import Tallying
from cascade.batch.outputs.writing import write_tables
from cascade.errors import ConfigError, DataError
from cascade.utils.atomic import sync
from cascade.utils.locking import refuse_foreign


class Job:
    """One job in a folder that is claimed.

    Parameters
    ----------
    folder : path
    identity : dict of dict
        What the output depends on; see `Manifest.job`.
    fresh : bool
        Whether to remove what an earlier job wrote, instead of going on with it.

    Raises
    ------
    ConfigError
        If the folder holds something else, or a job with another identity.
    DataError
        If a file of the job is not as it was written.
    """

    def __init__(self, folder: Path, identity: dict[str, dict[str, Any]], fresh: bool) -> None:
        self.folder, self.journal = folder, Journal(folder)
        clear_temporary(folder)
        found = self._found()
        if found is None:
            refuse_foreign(folder)
        elif fresh or not found.shards:
            self._remove(len(found.shards))
            found = None
        else:
            _refuse_other(folder, found.job, identity)
            self._check_files(found)
        self.manifest = found or Manifest(identity)
        # A shard that was written and not noted may come out otherwise: a file can be read again.
        self._remove_shard(len(self.manifest.shards))
        if not self.manifest.finished:
            # In this order: what the journal holds besides is passed over.
            self.manifest.write(folder)
            self.journal.begin()

    def _found(self) -> Manifest | None:
        """What is known of the job that the folder holds, None where it holds none."""
        found = read_job_manifest(self.folder)
        if found is not None:
            for shard, tally in self.journal.read(len(found.shards)):
                found.add(shard, tally)
        return found

    def _remove(self, n_shards: int) -> None:
        for number in range(n_shards + 1):
            self._remove_shard(number)
        for name in (REJECTED, MONITOR):
            (self.folder / name).unlink(missing_ok=True)
        # Before there is another job's manifest: its lines would count for that.
        self.journal.remove()

    def _remove_shard(self, number: int) -> None:
        for name in (part_name(number), rejected_name(number)):
            (self.folder / name).unlink(missing_ok=True)

    def _check_files(self, manifest: Manifest) -> None:
        for name, digest in ((REJECTED, manifest.sha256_rejected), (MONITOR, manifest.sha256_monitor)):
            if digest is not None:
                self._check_file(name, digest)
        for number, shard in enumerate(manifest.shards):
            self._check_file(part_name(number), shard.sha256)
            if shard.sha256_rejected is not None and not manifest.finished:
                self._check_file(rejected_name(number), shard.sha256_rejected)

    def _check_file(self, name: str, wanted: str) -> None:
        path = self.folder / name
        if not path.exists() or digest_file(path) != wanted:
            state = "changed after it was written" if path.exists() else "missing"
            raise DataError(f"`{path}` is {state}; put it back, or start over with --fresh.")

    def commit(self, written: Written) -> None:
        """Note the next shard; one that is not noted when the process ends is made again."""
        if written.place != self.folder:
            self._take_in(written)
        self.journal.append(len(self.manifest.shards), written.shard, written.tally)
        self.manifest.add(written.shard, written.tally)

    def _take_in(self, written: Written) -> None:
        number = len(self.manifest.shards)
        names = [part_name(number), *([rejected_name(number)] if written.shard.rejected else [])]
        for name in names:
            (written.place / name).replace(self.folder / name)
        sync(self.folder)

    def finish(self, tallying: Tallying | None) -> None:
        """Put rejected rows into one file, write the monitor's, mark the job as finished; may be called again."""
        temporary = self._temporary()
        if not self.manifest.finished:
            if temporary:
                write_tables(self.folder / REJECTED, map(pyarrow.parquet.read_table, temporary))
                self.manifest.sha256_rejected = digest_file(self.folder / REJECTED)
            if tallying is not None and self.manifest.tally is not None:
                write_monitor(self.folder, monitored(tallying, self.manifest.tally, self.manifest.n_rejected))
                self.manifest.sha256_monitor = digest_file(self.folder / MONITOR)
            self.manifest.finished = True
            self.manifest.write(self.folder)
        for path in temporary:
            path.unlink(missing_ok=True)
        self.journal.remove()

    def _temporary(self) -> list[Path]:
        """Rejected rows of each shard that has some."""
        shards = enumerate(self.manifest.shards)
        return [self.folder / rejected_name(number) for number, shard in shards if shard.rejected]


def _refuse_other(folder: Path, begun: dict[str, Any], wanted: dict[str, Any]) -> None:
    change = difference(begun, wanted)
    if change is not None:
        raise ConfigError(f"`{folder}` was begun otherwise: {change}; go back, or use --fresh.")
