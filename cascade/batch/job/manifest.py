"""`_manifest.json`: the identity of a job, its finished shards, and whether the job is finished.

It is written when a job starts and ends; shards that are done in between are in the journal.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from typing import Any

from cascade.batch.folder import MANIFEST
from cascade.batch.outputs.tally import Tally
from cascade.errors import DataError
from cascade.utils.address import Place
from cascade.utils.atomic import new_file

PROTOCOL = 2


@dataclass(frozen=True)
class Shard:
    """A finished shard.

    Attributes
    ----------
    rows : int
        Rows predicted.
    rejected : int
    counts : dict
        Counts that the summary adds up, such as rows past the gate.
    sha256 : str
        Digest of the predictions.
    sha256_rejected : str or None
        Digest of the rejected rows; None if there are none.
    """

    rows: int
    rejected: int
    counts: dict[str, int]
    sha256: str
    sha256_rejected: str | None

    @property
    def n_read(self) -> int:
        """Number of input rows, predicted and rejected."""
        return self.rows + self.rejected


@dataclass
class Manifest:
    """The state of a job.

    Attributes
    ----------
    job : dict of dict
        Identity of the job: `model`, `input`, `settings` and `versions`, on which its output depends.
    shards : list of Shard
    finished : bool
    sha256_rejected : str or None
        Digest of the rejected rows of a finished job; None if there are none.
    tally : Tally or None
        Sum of the tallies of all shards so far; None without a monitor.
    sha256_monitor : str or None
        Digest of the monitor file of a finished job.
    n_read, n_rejected : int
        Input rows that are done, and rejected rows among them.
    """

    job: dict[str, dict[str, Any]]
    shards: list[Shard] = field(default_factory=list)
    finished: bool = False
    sha256_rejected: str | None = None
    tally: Tally | None = None
    sha256_monitor: str | None = None
    n_read: int = field(init=False)
    n_rejected: int = field(init=False)

    def __post_init__(self) -> None:
        # Running sums: they are needed after each shard, and summing over thousands of shards each time is quadratic.
        self.n_read = sum(shard.n_read for shard in self.shards)
        self.n_rejected = sum(shard.rejected for shard in self.shards)

    def add(self, shard: Shard, tally: Tally | None) -> None:
        """Count one more shard."""
        self.shards.append(shard)
        self.n_read += shard.n_read
        self.n_rejected += shard.rejected
        if tally is not None:
            self.tally = tally if self.tally is None else self.tally + tally

    def totals(self) -> dict[str, int]:
        """Return the sum of each count over all shards."""
        names = self.shards[0].counts if self.shards else {}
        return {name: sum(shard.counts[name] for shard in self.shards) for name in names}

    def write(self, folder: Place) -> None:
        """Write the manifest atomically in place of the last one."""
        # Rows and totals repeat what the shards say, for people and scripts; they are not read back.
        body = {
            "protocol": PROTOCOL,
            "finished": self.finished,
            "rows": self.n_read,
            "rejected": self.n_rejected,
            "sha256_rejected": self.sha256_rejected,
            "sha256_monitor": self.sha256_monitor,
            **self.totals(),
            "job": self.job,
            "shards": [asdict(shard) for shard in self.shards],
            "tally": None if self.tally is None else self.tally.to_json(),
        }
        with new_file(folder / MANIFEST, make_folder=False) as temporary:
            temporary.write_text(json.dumps(body, indent=1, allow_nan=False) + "\n", encoding="utf-8")


def read_job_manifest(folder: Place) -> Manifest | None:
    """Read the manifest of a folder; None if there is none.

    Raises
    ------
    DataError
        If the file is not what `write` wrote.
    """
    path = folder / MANIFEST
    if not path.exists():
        return None
    try:
        body = json.loads(path.read_text(encoding="utf-8"))
        if body["protocol"] != PROTOCOL:
            raise ValueError(f"protocol {body['protocol']!r}")
        shards = [Shard(**shard) for shard in body["shards"]]
        tally = None if body["tally"] is None else Tally.from_json(body["tally"])
        return Manifest(body["job"], shards, body["finished"], body["sha256_rejected"], tally, body["sha256_monitor"])
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"`{path}` was not written by a job of this version ({error}); choose another folder."
        ) from error


def digest_file(path: Place) -> str:
    """Return the SHA-256 of a file."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()
