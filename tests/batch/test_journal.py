"""Shards of a job noted line by line: none is lost or counted twice, wherever the writing was cut."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cascade.batch.folder import part_name
from cascade.batch.job.folder_output import FolderOutput
from cascade.batch.job.job import Job
from cascade.batch.job.journal import Journal
from cascade.batch.job.manifest import Manifest, Shard, digest_file, read_job_manifest
from cascade.batch.job.shard import Written
from cascade.errors import DataError

IDENTITY = {"model": {"sha256": "m"}}
N_SHARDS = 5


def commit(job: Job) -> None:
    """Write a shard as a file, and note it."""
    number = len(job.manifest.shards)
    path = job.folder / part_name(number)
    path.write_bytes(b"%d" % number)
    job.commit(Written(job.folder, Shard(10 + number, 0, {"rows_with_label": number}, digest_file(path), None), None))


@pytest.fixture
def begun(tmp_path: Path) -> Path:
    """A job that was killed after some shards."""
    job = Job(FolderOutput(tmp_path), IDENTITY, fresh=False)
    for _ in range(N_SHARDS):
        commit(job)
    return job.folder


def text_of(folder: Path, n_lines: int) -> str:
    journal = Journal(folder)
    journal.begin()
    for number in range(n_lines):
        journal.append(number, Shard(number, 1, {"labels": number}, "a" * 64, None), None)
    return journal.path.read_text()


@settings(max_examples=30)
@given(share=st.floats(0, 1), n_lines=st.integers(1, 4), damaged=st.booleans())
def test_a_line_that_was_cut_is_passed_over_and_no_other(
    share: float, n_lines: int, damaged: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("journal")
    text = text_of(folder, n_lines)
    kept = text[: round(share * len(text))]
    # A page that never reached the disk reads as zeros.
    Journal(folder).path.write_text(kept + "\0" * 7 * damaged)
    whole = kept.count("\n") + (kept.endswith("}") and not damaged)
    assert [shard.rows for shard, _ in Journal(folder).read(0)] == list(range(whole))


@pytest.mark.parametrize("damage", ["{\n", '{"number": 1}\n', "[]\n", ""])
def test_a_line_that_was_changed_is_refused(damage: str, begun: Path) -> None:
    lines = Journal(begun).path.read_text().splitlines(keepends=True)
    Journal(begun).path.write_text("".join([lines[0], damage, *lines[2:]]))
    with pytest.raises(DataError, match=r"_shards\.jsonl` changed"):
        Job(FolderOutput(begun), IDENTITY, fresh=False)


def test_a_job_goes_on_and_ends_with_every_shard_in_its_manifest(begun: Path) -> None:
    found = read_job_manifest(begun)
    assert found is not None
    assert found.shards == []
    job = Job(FolderOutput(begun), IDENTITY, fresh=False)
    assert job.manifest.n_read == sum(10 + number for number in range(N_SHARDS))
    assert Journal(begun).path.read_text() == ""
    commit(job)
    job.finish(None)
    body = json.loads((begun / "_manifest.json").read_text())
    assert [shard["rows"] for shard in body["shards"]] == list(range(10, 11 + N_SHARDS))
    assert not Journal(begun).path.exists()


def test_shards_that_stand_in_manifest_and_journal_count_once(begun: Path) -> None:
    text = Journal(begun).path.read_text()
    manifest = Job(FolderOutput(begun), IDENTITY, fresh=False).manifest
    Journal(begun).path.write_text(text)  # killed before it was emptied
    assert Job(FolderOutput(begun), IDENTITY, fresh=False).manifest.shards == manifest.shards


def test_a_new_job_never_takes_over_lines_of_the_old_one(begun: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Manifest, "write", killed)
        with pytest.raises(KeyboardInterrupt):
            Job(FolderOutput(begun), IDENTITY, fresh=True)
    assert Job(FolderOutput(begun), {"model": {"sha256": "other"}}, fresh=False).manifest.shards == []
