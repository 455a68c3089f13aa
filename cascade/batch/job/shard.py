"""One shard: its rows scored and written, by whichever process does it."""

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
    """A shard whose files are whole and synced.

    Attributes
    ----------
    place : path
        Where they lie, under the names that they have in the job's folder.
    shard : Shard
    tally : Tally or None
        What a monitor adds up, where there is one.
    """

    place: Path
    shard: Shard
    tally: Tally | None


def write_shard(
    place: Path,
    number: int,
    chunk: Chunk,
    answers: TablePredictor,
    max_rejected: float,
    progress: StageProgress | None = None,
) -> Written:
    """Score the rows of a shard and write them, and those that were rejected, into `place`.

    Raises
    ------
    DataError
        If the model fails on a larger share of the rows than `max_rejected`.
    """
    answers.signature.check(chunk.X)
    try:
        return _write(place, number, chunk, answers, progress)
    except DataError:
        # One row that a model does not take must not end the job.
        most = max(1, int(max_rejected * chunk.n_read))
        return _write(place, number, reject_unscorable(chunk, answers, most), answers, progress)


def _write(place: Path, number: int, chunk: Chunk, answers: TablePredictor, progress: StageProgress | None) -> Written:
    part, temporary, rejected = place / part_name(number), place / rejected_name(number), chunk.rejected
    if rejected.num_rows:
        write_tables(temporary, iter([rejected]))
    added = write_predictions(part, answers(chunk.X, chunk.ids, chunk.groups, progress))
    digest = digest_file(temporary) if rejected.num_rows else None
    rows = pyarrow.parquet.read_metadata(part).num_rows
    shard = Shard(rows, rejected.num_rows, added.counts, digest_file(part), digest)
    if shard.n_read != chunk.n_read:
        told = f"{chunk.n_read} rows. Received {shard.n_read}"
        raise CascadeError(f"`{part}` must account for {told}; please report this.")
    return Written(place, shard, added.tally)
