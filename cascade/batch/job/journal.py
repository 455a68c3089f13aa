"""`_shards.jsonl`: the shards that are done since the manifest was last written, one line per shard.

Writing the whole manifest after each shard would take time in proportion to all shards so far; appending a line does
not.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

from cascade.batch.folder import JOURNAL
from cascade.batch.job.manifest import Shard
from cascade.batch.outputs.tally import Tally
from cascade.errors import DataError
from cascade.utils.address import Place
from cascade.utils.atomic import new_file, sync

Noted = tuple[Shard, Tally | None]


class Journal:
    """Lines that are appended and synced one by one, so that only the last line can be incomplete.

    Parameters
    ----------
    folder : path
        Folder of a locked job.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / JOURNAL

    def begin(self) -> None:
        """Replace the journal by an empty one."""
        with new_file(self.path, make_folder=False) as temporary:
            temporary.touch()

    def append(self, number: int, shard: Shard, tally: Tally | None) -> None:
        """Append shard `number` with its tally, and wait until the line is on the disk."""
        with self.path.open("a", encoding="utf-8") as handle:
            handle.write(line_of(number, shard, tally) + "\n")
        sync(self.path)

    def remove(self) -> None:
        """Remove the journal if it exists."""
        self.path.unlink(missing_ok=True)

    def read(self, first: int) -> list[Noted]:
        """Return the shards from number `first` on; earlier ones are in a manifest that was written later.

        Raises
        ------
        DataError
            If a line before the last one is not what `append` wrote, or a shard is missing.
        """
        lines = self.path.read_text(encoding="utf-8", errors="replace").splitlines() if self.path.exists() else []
        return read_lines(lines, first, self.path)


def line_of(number: int, shard: Shard, tally: Tally | None) -> str:
    """Return the line of shard `number`."""
    counted = None if tally is None else tally.to_json()
    return json.dumps({"number": number, "tally": counted, **asdict(shard)})


def read_lines(lines: Sequence[str], first: int, path: Place) -> list[Noted]:
    """Return the shards of lines, from number `first` on.

    Raises
    ------
    DataError
        If a line before the last one is not what `line_of` returned, or a shard is missing.
    """
    noted = [(number, shard) for number, shard in _numbered(lines, path) if number >= first]
    # Shards are committed in order, so a gap or a repetition means that another program changed the file.
    if [number for number, _ in noted] != list(range(first, first + len(noted))):
        raise _changed(path)
    return [shard for _, shard in noted]


def _numbered(lines: Sequence[str], path: Place) -> Iterator[tuple[int, Noted]]:
    for place, line in enumerate(lines, 1):
        try:
            body = json.loads(line)
            number, tally = int(body.pop("number")), body.pop("tally")
            yield number, (Shard(**body), None if tally is None else Tally.from_json(tally))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            # Only the last line can be torn by a crash; its shard was not committed and is computed again.
            if place < len(lines):
                raise _changed(path) from error


def _changed(path: Place) -> DataError:
    return DataError(f"`{path}` changed after it was written; put it back, or choose another folder.")
