"""`_shards.jsonl`: the shards that are done since the manifest was last written, a line each.

A manifest that is written whole with each shard takes the longer the more shards there are; a line does not.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from cascade.batch.folder import JOURNAL
from cascade.batch.job.manifest import Shard
from cascade.batch.outputs.tally import Tally
from cascade.errors import DataError
from cascade.utils.atomic import new_file, sync

Noted = tuple[Shard, Tally | None]


class Journal:
    """Lines that are appended and synced one by one, so that only the last one can be torn.

    Parameters
    ----------
    folder : path
        Of a job that is claimed.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / JOURNAL

    def begin(self) -> None:
        """Leave it without a line."""
        with new_file(self.path) as temporary:
            temporary.touch()

    def append(self, number: int, shard: Shard, tally: Tally | None) -> None:
        """Note shard `number` for good, with what a monitor counted in it."""
        counted = None if tally is None else tally.to_json()
        with self.path.open("a", encoding="utf-8") as handle:
            handle.write(json.dumps({"number": number, "tally": counted, **asdict(shard)}) + "\n")
        sync(self.path)

    def remove(self) -> None:
        """Remove it, if it is there."""
        self.path.unlink(missing_ok=True)

    def read(self, first: int) -> list[Noted]:
        """Shards from number `first` on; earlier ones are in a manifest that was written since.

        Raises
        ------
        DataError
            If a line before the last one is not as `append` wrote it, or a shard is left out.
        """
        noted = [(number, shard) for number, shard in self._lines() if number >= first]
        if [number for number, _ in noted] != list(range(first, first + len(noted))):
            raise self._changed()
        return [shard for _, shard in noted]

    def _lines(self) -> Iterator[tuple[int, Noted]]:
        lines = self.path.read_text(encoding="utf-8", errors="replace").splitlines() if self.path.exists() else []
        for place, line in enumerate(lines, 1):
            try:
                body = json.loads(line)
                number, tally = int(body.pop("number")), body.pop("tally")
                yield number, (Shard(**body), None if tally is None else Tally.from_json(tally))
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                if place < len(lines):
                    raise self._changed() from error

    def _changed(self) -> DataError:
        return DataError(f"`{self.path}` changed after it was written; put it back, or choose another folder.")
