"""What a killed job leaves in its folder is removed when it starts again, and nothing else."""

from __future__ import annotations

from pathlib import Path

from cascade.batch.folder import JOURNAL, part_name
from cascade.batch.job.folder_output import FolderOutput


def test_temporary_files_and_folders_of_workers_are_removed(tmp_path: Path) -> None:
    worker = tmp_path / ".worker-a1b2c3d4"
    worker.mkdir()
    for kept in (tmp_path / part_name(0), tmp_path / JOURNAL, tmp_path / ".part-0.parquet.backup"):
        kept.touch()
    for left in (tmp_path / f".{part_name(1)}.123", tmp_path / f".{JOURNAL}.45", worker / part_name(2)):
        left.touch()
    FolderOutput(tmp_path).clear()
    assert sorted(path.name for path in tmp_path.iterdir()) == [".part-0.parquet.backup", JOURNAL, part_name(0)]
