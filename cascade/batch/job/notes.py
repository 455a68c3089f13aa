"""The journal of a job whose output is in a store: one small object per shard, since an object cannot grow."""

from __future__ import annotations

from cascade.batch.folder import NOTES
from cascade.batch.job.journal import Noted, line_of, read_lines
from cascade.batch.job.manifest import Shard
from cascade.batch.outputs.tally import Tally
from cascade.utils.address import Address, each


class Notes:
    """Objects `_shards/00000.json`, one per shard since the manifest was last written.

    Parameters
    ----------
    folder : Address
        Output of a leased job.
    """

    def __init__(self, folder: Address) -> None:
        self.path = folder / NOTES

    def begin(self) -> None:
        """Remove all notes."""
        self.remove()

    def append(self, number: int, shard: Shard, tally: Tally | None) -> None:
        """Note shard `number` with its tally."""
        (self.path / f"{number:05d}.json").write_bytes(line_of(number, shard, tally).encode())

    def remove(self) -> None:
        """Remove all notes."""
        self.path.remove_folder()

    def read(self, first: int) -> list[Noted]:
        """Return the shards from number `first` on; earlier ones are in a manifest that was written later.

        Raises
        ------
        DataError
            If an object before the last one is not what `append` wrote, or a shard is missing.
        """
        # By number: from shard 100,000 on, names are longer.
        names = sorted(self.path.stamps(), key=lambda name: (len(name), name))
        lines = each(self.path, lambda name: (self.path / name).read_text(errors="replace"), names)
        return read_lines(list(lines), first, self.path)
