"""Score the rows of one shard and write its files, in any process."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet

from cascade.batch.folder import part_name, rejected_name
from cascade.batch.inputs.chunk import Chunk
from cascade.batch.job.manifest import Shard, digest_file
from cascade.batch.job.unscorable import reject_unscorable
from cascade.batch.outputs.predictions import TablePredictor
from cascade.batch.outputs.tally import Tally
from cascade.batch.outputs.writing import write_predictions, write_tables
from cascade.errors import CascadeError, DataError
from cascade.utils.types import StageProgress


@dataclass(frozen=True)
class Written:
    """A shard whose files are complete and synced.

    Attributes
    ----------
    place : path
        Folder of the files, which have the same names as in the folder of the job.
    shard : Shard
    tally : Tally or None
        Counts for the monitor; None without one.
    """

    place: Path
    shard: Shard
    tally: Tally | None


def write_shard(
    place: Path,
    number: int,
    chunk: Chunk,
    predictor: TablePredictor,
    max_rejected: float,
    progress: StageProgress | None = None,
) -> Written:
    """Score the rows of a shard; write predictions and rejected rows into `place`.

    Raises
    ------
    DataError
        If the model fails on a larger share of the rows than `max_rejected`.
    """
    # A wrong shape concerns the whole input: raise before the search below takes it for single bad rows.
    predictor.signature.check(chunk.X)
    try:
        return _write(place, number, chunk, predictor, progress)
    except DataError:
        # A single row that the model cannot score must not end the job: find such rows, reject them, score the rest.
        most = max(1, int(max_rejected * chunk.n_read))
        return _write(place, number, reject_unscorable(chunk, predictor, most), predictor, progress)


def _write(
    place: Path, number: int, chunk: Chunk, predictor: TablePredictor, progress: StageProgress | None
) -> Written:
    part, temporary, rejected = place / part_name(number), place / rejected_name(number), chunk.rejected
    # A folder that was removed is not made anew: it would lack the shards that are done.
    if rejected.num_rows:
        write_tables(temporary, iter([rejected]), make_folder=False)
    added = write_predictions(part, predictor(chunk.X, chunk.ids, chunk.groups, progress), make_folder=False)
    digest = digest_file(temporary) if rejected.num_rows else None
    rows = pyarrow.parquet.read_metadata(part).num_rows
    shard = Shard(rows, rejected.num_rows, added.counts, digest_file(part), digest)
    # Counted from the file on the disk: the promise is that no row gets lost, whatever the code above does.
    if shard.n_read != chunk.n_read:
        rows_read = f"{chunk.n_read} rows. Received {shard.n_read}"
        raise CascadeError(f"`{part}` must account for {rows_read}; please report this.")
    return Written(place, shard, added.tally)
