"""Batch jobs on real files: equal to an answer in memory, resumable after anything, refused when something changed."""

from __future__ import annotations

import errno
import fcntl
import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier
from sklearn.multioutput import MultiOutputClassifier

from cascade import CascadeClassifier, CascadePredictor, ManyLabelClassifier, ManyLabelPredictor
from cascade.batch.runner import Settings
from cascade.data.readers.table.columns import Roles
from cascade.errors import BusyError, CascadeError, ConfigError, DataError
from cascade_pipelines import predict
from cascade_pipelines.predict_batch import settings_for

CASCADE = str(Path(sys.executable).with_name("cascade"))
ROOT = Path(__file__).parents[2]
FEATURES = ("f0", "f1", "f2", "f3")
N = 3000
SHARD = 700


def learn(seed: int) -> CascadeClassifier:
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(4000, 4))
    Y = (X[:, :2] + rng.normal(size=(4000, 2)) > 2).astype(int)
    labeler = MultiOutputClassifier(LogisticRegression())
    return CascadeClassifier(LogisticRegression(), labeler, label_names=["a", "b"]).fit(X, Y)


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model, and rows of which five are bad."""
    folder = tmp_path_factory.mktemp("batch")
    learn(0).predictor_.described(FEATURES, {"group": "site", "id": "key"}).save(folder / "model")
    X = np.random.default_rng(1).normal(size=(N, 4))
    X[[3, 700, 1500, 1501, N - 1], [0, 1, 2, 3, 0]] = [np.nan, np.inf, -np.inf, np.nan, np.nan]
    np.save(folder / "X.npy", X)
    columns = {"key": [f"k{row}" for row in range(N)], "site": np.arange(N) // 10}
    table = pa.table({**columns, **dict(zip(FEATURES, X.T, strict=True)), "other": [None] * N})
    pyarrow.parquet.write_table(table, folder / "rows.parquet", row_group_size=400)
    pyarrow.csv.write_csv(table, folder / "rows.csv")
    (folder / "rows").mkdir()
    for number, cut in enumerate((0, 1000, 2999)):
        length = (1000, 1999, 1)[number]
        pyarrow.parquet.write_table(table.slice(cut, length), folder / "rows" / f"{number}.parquet")
    return folder


def run(work: Path, source: Path, output: Path, roles: Roles | None = None, **settings: object) -> dict[str, object]:
    chosen = Settings(**{"shard_rows": SHARD, **settings})
    return predict.run(work / "model", source, output, roles or Roles(), settings=chosen)


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


@pytest.fixture(scope="module")
def done(work: Path) -> Path:
    """An undisturbed job."""
    run(work, work / "rows.parquet", work / "done")
    return work / "done"


def test_a_folder_holds_what_an_answer_in_memory_says(work: Path, done: Path) -> None:
    X = np.load(work / "X.npy")
    good = np.flatnonzero(np.isfinite(X).all(axis=1))
    expected = CascadePredictor.load(work / "model").examine(X[good])
    table = pyarrow.parquet.read_table(done)
    assert table["id"].to_pylist() == [f"k{row}" for row in good]
    assert table["group"].to_pylist() == [str(row // 10) for row in good]
    np.testing.assert_allclose(table["gate_probability"], expected.gate_proba, rtol=1e-12)
    np.testing.assert_array_equal(table["passed_gate"], expected.passed_gate)
    for k, name in enumerate("ab"):
        np.testing.assert_array_equal(table[name], expected.labels[:, k])
        np.testing.assert_allclose(table[f"{name}_probability"], expected.proba[:, k], rtol=1e-12)
    assert [path.name for path in sorted(done.glob("part-*"))] == [f"part-{n:05d}.parquet" for n in range(5)]


def test_rejected_rows_are_listed_with_number_and_reason(done: Path) -> None:
    table = pyarrow.parquet.read_table(done / "_rejected.parquet")
    assert table["row"].to_pylist() == [3, 700, 1500, 1501, N - 1]
    assert table["id"].to_pylist() == ["k3", "k700", "k1500", "k1501", f"k{N - 1}"]
    assert table["reason"][1].as_py() == "feature 'f1' is infinite"


def test_the_manifest_accounts_for_every_row(work: Path, done: Path) -> None:
    body = json.loads((done / "_manifest.json").read_text())
    assert (body["rows"], body["rejected"], body["finished"]) == (N, 5, True)
    assert sum(shard["rows"] + shard["rejected"] for shard in body["shards"]) == N
    assert body["job"]["model"]["sha256"] == json.loads((work / "model" / "cascade.json").read_text())["sha256"]


@pytest.mark.parametrize("source", ["rows.csv", "rows"])
def test_other_kinds_of_tables_give_the_same_files(work: Path, done: Path, source: str, tmp_path: Path) -> None:
    run(work, work / source, tmp_path / "out")
    parts = {name: bytes for name, bytes in content(done).items() if name.endswith(".parquet")}
    assert {name: content(tmp_path / "out")[name] for name in parts} == parts


def test_arrays_are_named_by_row_number(work: Path, done: Path, tmp_path: Path) -> None:
    X = np.load(work / "X.npy")
    np.savez(tmp_path / "X.npz", X=X)
    for source in (work / "X.npy", tmp_path / "X.npz"):
        summary = run(work, source, tmp_path / source.suffix[1:])
        assert (summary["rows"], summary["rejected"]) == (N, 5)
        table, wanted = (pyarrow.parquet.read_table(folder) for folder in (tmp_path / source.suffix[1:], done))
        assert table["a_probability"].equals(wanted["a_probability"])
        assert table["id"].to_pylist() == [name[1:] for name in wanted["id"].to_pylist()]


def test_the_size_of_shards_moves_no_row(work: Path, done: Path, tmp_path: Path) -> None:
    run(work, work / "rows.parquet", tmp_path / "out", shard_rows=10_000)
    table, wanted = (pyarrow.parquet.read_table(folder) for folder in (tmp_path / "out", done))
    assert table["id"].equals(wanted["id"])
    np.testing.assert_allclose(table["b_probability"], wanted["b_probability"], rtol=1e-12)


def test_a_finished_job_is_left_alone(work: Path, done: Path) -> None:
    before = {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in done.iterdir()}
    summary = run(work, work / "rows.parquet", done)
    assert summary["was_finished"]
    assert summary["rows_with_label"] == sum(
        pyarrow.parquet.read_table(done, columns=["a", "b"]).to_pandas().any(axis=1)
    )
    assert {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in done.iterdir()} == before


class Interruption:
    """Fails at the n-th call of a function of `os`, and counts them."""

    def __init__(self, function: Callable[..., object], at: int, error: BaseException) -> None:
        self.function, self.at, self.error, self.calls = function, at, error, 0

    def __call__(self, *given: object, **options: object) -> object:
        self.calls += 1
        if self.calls == self.at:
            raise self.error
        return self.function(*given, **options)


@pytest.mark.parametrize("name", ["fsync", "replace", "unlink"])
def test_whatever_fails_the_second_start_gives_the_same_bytes(
    work: Path, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(work, work / "rows.parquet", tmp_path / "undisturbed", shard_rows=N // 2)
    errors = [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()]
    at, through = 0, False
    while not through:
        at += 1
        output = tmp_path / str(at)
        with monkeypatch.context() as patched:
            patched.setattr(os, name, Interruption(getattr(os, name), at, errors[at % 2]))
            try:
                run(work, work / "rows.parquet", output, shard_rows=N // 2)
                through = True
            except (OSError, KeyboardInterrupt):
                pass
        run(work, work / "rows.parquet", output, shard_rows=N // 2)
        assert content(output) == content(tmp_path / "undisturbed")
    assert at > 3


def test_killed_jobs_give_the_same_bytes() -> None:
    command = [sys.executable, "benchmarks/kill_batch.py", "--kills", "20", "--rows", "4000"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert (done.returncode, "20 kills" in done.stdout, "0 different" in done.stdout) == (0, True, True), done.stderr


@pytest.mark.skipif(os.getuid() != 0, reason="only root mounts a small file system")
def test_a_full_disk_loses_nothing(work: Path, done: Path, tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=100k", "tmpfs", small], check=False)
    if mounted.returncode:
        pytest.skip("no file system can be mounted")
    try:
        with pytest.raises(OSError, match="No space left"):
            run(work, work / "rows.parquet", small / "out")
        assert 0 < len(list((small / "out").glob("part-*"))) < 5
        subprocess.run(["mount", "-o", "remount,size=10m", small], check=True)
        run(work, work / "rows.parquet", small / "out")
        assert content(small / "out") == content(done)
    finally:
        # Lazily: the kernel may still be closing a file of the job.
        subprocess.run(["umount", "--lazy", small], check=True)


def test_a_second_job_on_the_folder_is_refused(work: Path, done: Path, tmp_path: Path) -> None:
    output = Path(shutil.copytree(done, tmp_path / "out"))
    with (output / ".lock").open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(BusyError, match="another job") as caught:
            run(work, work / "rows.parquet", output)
        assert caught.value.exit_status == 75
    # A lock file that nobody holds is no lock.
    assert run(work, work / "rows.parquet", output)["was_finished"]


def test_another_model_input_or_setting_is_noticed(work: Path, done: Path, tmp_path: Path) -> None:
    output = Path(shutil.copytree(done, tmp_path / "out"))
    learn(7).predictor_.described(FEATURES, {"group": "site", "id": "key"}).save(tmp_path / "model")
    other = Path(shutil.copy2(work / "rows.parquet", tmp_path / "rows.parquet"))
    chosen = Settings(shard_rows=SHARD)
    with pytest.raises(ConfigError, match="the model changed"):
        predict.run(tmp_path / "model", other, output, Roles(), settings=chosen)
    assert run(work, other, output)["was_finished"]
    with pytest.raises(ConfigError, match=r"a setting changed \(shard_rows was 700, now 100\)"):
        run(work, other, output, shard_rows=100)
    with pytest.raises(ConfigError, match="a setting changed"):
        run(work, other, output, Roles(allow_missing=True))
    os.utime(other)
    with pytest.raises(ConfigError, match="the input changed"):
        run(work, other, output)
    assert content(output) == content(done)


def test_starting_over_removes_what_the_job_wrote_and_nothing_else(work: Path, done: Path, tmp_path: Path) -> None:
    output = Path(shutil.copytree(done, tmp_path / "out"))
    for name in ("notes.txt", "part-00099.parquet"):
        (output / name).write_text("mine")
    run(work, work / "rows.parquet", output, shard_rows=2000, fresh=True)
    assert sorted(content(output)) == [
        ".lock", "_manifest.json", "_monitor.json", "_rejected.parquet", "notes.txt", "part-00000.parquet",
        "part-00001.parquet", "part-00099.parquet",
    ]  # fmt: skip


def test_a_folder_of_something_else_is_left_as_it_is(work: Path, tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("mine")
    for fresh in (False, True):
        with pytest.raises(ConfigError, match=r"holds 'thesis\.tex'"):
            run(work, work / "rows.parquet", tmp_path, fresh=fresh)
    assert sorted(content(tmp_path)) == ["thesis.tex"]
    (tmp_path / "file").write_text("mine")
    with pytest.raises(ConfigError, match="is a file"):
        run(work, work / "rows.parquet", tmp_path / "file")


@pytest.mark.parametrize("damage", [Path.unlink, lambda path: path.write_bytes(b"x")])
def test_a_file_that_was_changed_is_not_passed_over(
    work: Path, done: Path, damage: Callable[[Path], object], tmp_path: Path
) -> None:
    output = Path(shutil.copytree(done, tmp_path / "out"))
    for name in ("part-00002.parquet", "_rejected.parquet"):
        kept = (output / name).read_bytes()
        damage(output / name)
        with pytest.raises(DataError, match=name):
            run(work, work / "rows.parquet", output)
        (output / name).write_bytes(kept)
    (output / "_manifest.json").write_text("{}")
    with pytest.raises(DataError, match="was not written by a job"):
        run(work, work / "rows.parquet", output)


def test_too_many_bad_rows_end_the_job_and_a_larger_share_goes_on(work: Path, tmp_path: Path) -> None:
    X = np.load(work / "X.npy")
    X[::4] = np.nan
    np.save(tmp_path / "X.npy", X)
    with pytest.raises(DataError, match=r"`--max-rejected` allows 0\.1 .* 351 of 1400; the first is row 0 \(0\)"):
        run(work, tmp_path / "X.npy", tmp_path / "out")
    listed = pyarrow.parquet.read_table(tmp_path / "out" / "_rejected-00001.parquet")
    assert listed.num_rows == 175
    assert run(work, tmp_path / "X.npy", tmp_path / "out", max_rejected=0.5)["rejected"] == 753
    # Where everything is bad, the few rows of a small input are enough.
    np.save(tmp_path / "few.npy", np.full((5, 4), np.nan))
    with pytest.raises(DataError, match="5 of 5"):
        run(work, tmp_path / "few.npy", tmp_path / "few")
    assert run(work, tmp_path / "few.npy", tmp_path / "few", max_rejected=1)["rows_past_gate"] == 0
    assert pyarrow.parquet.read_table(tmp_path / "few").schema == pyarrow.parquet.read_table(tmp_path / "out").schema


def test_rows_that_the_model_does_not_take_are_found(work: Path, tmp_path: Path) -> None:
    X = np.random.default_rng(3).normal(size=(500, 4))
    X[[7, 300], 1] = np.nan
    np.save(tmp_path / "X.npy", X)
    assert run(work, tmp_path / "X.npy", tmp_path / "out", Roles(allow_missing=True))["rejected"] == 2
    rejected = pyarrow.parquet.read_table(tmp_path / "out" / "_rejected.parquet")
    assert rejected["row"].to_pylist() == [7, 300]
    assert "LogisticRegression does not take" in rejected["reason"][0].as_py()
    X[:100] = np.nan
    np.save(tmp_path / "X.npy", X)
    with pytest.raises(DataError, match="LogisticRegression"):
        run(work, tmp_path / "X.npy", tmp_path / "other", Roles(allow_missing=True))


def test_an_input_that_changes_while_it_is_read_is_noticed(
    work: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = Path(shutil.copy2(work / "rows.parquet", tmp_path / "rows.parquet"))
    decide = CascadePredictor.decide
    monkeypatch.setattr(CascadePredictor, "decide", lambda *given: (os.utime(source), decide(*given))[1])
    with pytest.raises(DataError, match="changed while it was read"):
        run(work, source, tmp_path / "out")


def without_folder(output: Path) -> None:
    shutil.rmtree(output)


def without_part(output: Path) -> None:
    (output / "part-00000.parquet").unlink()


def with_other_part(output: Path) -> None:
    shutil.copy2(output / "part-00001.parquet", output / "part-00000.parquet")


def without_rejected(output: Path) -> None:
    (output / "_rejected-00000.parquet").unlink()


@pytest.mark.parametrize("remove", [without_folder, without_part, with_other_part, without_rejected])
@pytest.mark.parametrize("call", [3, 5])
def test_output_that_is_removed_while_the_job_runs_is_noticed(
    work: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, remove: Callable[[Path], None], call: int
) -> None:
    decide, calls = CascadePredictor.decide, itertools.count(1)

    def remove_and_decide(*given: object) -> object:
        if next(calls) == call:
            remove(tmp_path / "out")
        return decide(*given)

    monkeypatch.setattr(CascadePredictor, "decide", remove_and_decide)
    with pytest.raises(CascadeError, match="while the job ran") as caught:
        run(work, work / "rows.parquet", tmp_path / "out")
    assert caught.value.exit_status == 1
    monkeypatch.undo()
    # Starting over gives the whole output.
    assert run(work, work / "rows.parquet", tmp_path / "out", fresh=True)["rows"] == N


def test_an_input_without_rows_is_refused(work: Path, tmp_path: Path) -> None:
    table = pyarrow.parquet.read_table(work / "rows.parquet")
    pyarrow.parquet.write_table(table.slice(0, 0), tmp_path / "none.parquet")
    with pytest.raises(DataError, match="at least one row"):
        run(work, tmp_path / "none.parquet", tmp_path / "out")
    # Nothing was done, so nothing stands in the way of another input.
    assert run(work, work / "rows.parquet", tmp_path / "out")["rows"] == N


def test_a_flat_model_writes_lists(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(3000, 4))
    Y = (X @ rng.normal(size=(4, 30)) > 2).astype(int)
    model = ManyLabelClassifier(OneVsRestClassifier(LogisticRegression()), decoder="f1")
    model.fit(X, Y).predictor_.save(tmp_path / "model")
    X[5] = np.nan
    np.save(tmp_path / "X.npy", X)
    summary = run(tmp_path, tmp_path / "X.npy", tmp_path / "out", shard_rows=2500)
    assert (summary["rows"], summary["rejected"], summary["shards"]) == (3000, 1, 2)
    table, good = pyarrow.parquet.read_table(tmp_path / "out"), np.delete(X, 5, axis=0)
    predictor = ManyLabelPredictor.load(tmp_path / "model")
    bits = predictor.predict(good)
    columns, _ = predictor.predict_top_k(good, 10)
    names = np.array(predictor.labels)
    assert table["labels"].to_pylist() == [names[bits[[row]].indices].tolist() for row in range(len(good))]
    assert table["top_labels"].to_pylist() == names[columns].tolist()
    assert summary["labels"] == bits.sum()
    with pytest.raises(ConfigError, match=r"top_k was 10, now 3"):
        predict.run(tmp_path / "model", tmp_path / "X.npy", tmp_path / "out", Roles(), None, 3, Settings(2500))


def test_exams_are_those_of_the_answer_in_one_file(work: Path, done: Path, tmp_path: Path) -> None:
    X = np.load(work / "X.npy")
    good = np.isfinite(X).all(axis=1)
    pyarrow.parquet.write_table(
        pyarrow.parquet.read_table(work / "rows.parquet").filter(good), tmp_path / "good.parquet"
    )
    for output, settings in ((tmp_path / "one.parquet", None), (tmp_path / "many", Settings(shard_rows=SHARD))):
        exams = tmp_path / f"{output.name}.exams.parquet"
        summary = predict.run(work / "model", tmp_path / "good.parquet", output, Roles(), exams, None, settings)
        assert summary["exams"] == N / 10
    one, many = (pyarrow.parquet.read_table(tmp_path / f"{name}.exams.parquet") for name in ("one.parquet", "many"))
    assert many.schema == one.schema
    for name in one.schema.names:
        if name.endswith("probability"):
            np.testing.assert_allclose(many[name], one[name], rtol=1e-12)
        else:
            assert many[name].to_pylist() == one[name].to_pylist()
    with pytest.raises(DataError, match="no groups"):
        predict.run(work / "model", work / "X.npy", tmp_path / "out", Roles(), exams, None, Settings())
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (("out.csv", 5, None, False), "need `--output` to be a folder"),
        (("out.csv", None, None, True), "need `--output` to be a folder"),
        (("out.txt", None, None, False), "must end in"),
    ],
)
def test_options_that_do_not_go_together(given: tuple[object, ...], sentence: str) -> None:
    output, *rest = given
    with pytest.raises(ConfigError, match=sentence):
        settings_for(Path(str(output)), *rest)


@pytest.mark.parametrize("wrong", [{"shard_rows": 0}, {"max_rejected": 1.5}])
def test_settings_that_make_no_sense(work: Path, wrong: dict[str, float], tmp_path: Path) -> None:
    with pytest.raises(ConfigError):
        run(work, work / "rows.parquet", tmp_path / "out", **wrong)


def command(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([CASCADE, "predict", *map(str, arguments)], capture_output=True, text=True, check=False)


def test_the_command_tells_how_it_went(work: Path, done: Path, tmp_path: Path) -> None:
    given = (work / "model", work / "rows.parquet", "--output", tmp_path / "out", "--shard-rows", SHARD)
    told = command(*given, "--json")
    assert told.returncode == 6, told.stderr
    summary = json.loads(told.stdout)
    assert {"rows": N, "rejected": 5, "shards": 5, "output": str(tmp_path / "out")}.items() <= summary.items()
    assert summary["rows_per_second"] == pytest.approx(N / summary["seconds"])
    # Bars are for terminals.
    assert "rows/s" not in told.stderr
    assert content(tmp_path / "out") == content(done)
    again = command(*given)
    assert (again.returncode, "finished before" in again.stdout) == (6, True)
    with (tmp_path / "out" / ".lock").open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        refused = command(*given)
    assert (refused.returncode, "Traceback" in refused.stderr) == (75, False)


def test_an_interrupted_command_goes_on(work: Path, tmp_path: Path) -> None:
    output = tmp_path / "out"
    given = [CASCADE, "predict", work / "model", work / "rows.parquet", "--output", output, "--shard-rows", "50"]
    with subprocess.Popen(list(map(str, given)), stderr=subprocess.PIPE, text=True) as process:
        while not (output / "part-00003.parquet").exists():
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        told = process.communicate()[1]
    assert "Traceback" not in told
    assert "interrupted; a batch job, a retraining or a search resumes" in told
    assert process.returncode == 130
    run(work, work / "rows.parquet", output, shard_rows=50)
    run(work, work / "rows.parquet", tmp_path / "undisturbed", shard_rows=50)
    assert content(output) == content(tmp_path / "undisturbed")


MEASURED = """
import sys
from pathlib import Path
from cascade.batch.runner import Settings
from cascade.data.readers.table.columns import Roles
from cascade_pipelines import predict
model, *sources = map(Path, sys.argv[1:])
for source in sources:
    predict.run(model, source, source.with_suffix(""), Roles(), settings=Settings(shard_rows=8192))
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    print(int(status["VmHWM"].split()[0]) / 1024)
"""
"""The most memory that the process ever had, after each job; of resource.getrusage it would be its parent's, too."""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells the most memory of a process alone")
def test_memory_does_not_grow_with_the_rows(work: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    block = pa.table({name: rng.normal(size=50_000) for name in FEATURES})
    sources = [tmp_path / f"{times}.parquet" for times in (1, 12)]
    for times, source in zip((1, 12), sources, strict=True):
        with pyarrow.parquet.ParquetWriter(source, block.schema) as writer:
            for _ in range(times):
                writer.write_table(block)
    given = [sys.executable, "-c", MEASURED, *map(str, (work / "model", *sources))]
    first, larger = map(float, subprocess.run(given, capture_output=True, text=True, check=True).stdout.split())
    # What is read and written in between would be 60 MB.
    assert larger < first + 20, (first, larger)


def test_every_error_has_its_exit_status() -> None:
    assert {kind.exit_status for kind in (CascadeError, ConfigError, DataError, BusyError)} == {1, 2, 3, 75}
