"""Jobs whose input and output are in an object store: the bytes of a local job, whatever happens on the way."""

from __future__ import annotations

import io
import json
import os
import pickle
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier, Lock
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.feather
import pyarrow.fs
import pyarrow.parquet
import pytest
from PIL import Image
from sklearn.linear_model import LogisticRegression
from sklearn.multioutput import MultiOutputClassifier

from cascade import CascadeClassifier
from cascade.batch.inputs.opening import open_input
from cascade.batch.job import lease as leases
from cascade.batch.job.lease import Lease
from cascade.batch.job.store_output import leased
from cascade.batch.runner import Settings
from cascade.data.readers.table.columns import Roles
from cascade.data.signature import InputSignature
from cascade.errors import BusyError, CascadeError, ConfigError, DataError
from cascade.utils.address import Address, Place, place_of
from cascade_pipelines import predict
from cascade_pipelines.predict_batch import settings_for
from cascade_pipelines.steps.loading import Loading, Opening
from cascade_pipelines.steps.tables import check_format

ROOT = Path(__file__).parents[2]
N, SHARD = 3000, 700
SECRET = "not-for-anybody"
OPENS_AT_MOST = 30.0


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model, and rows of which three are bad, in several formats."""
    folder = tmp_path_factory.mktemp("stores")
    rng = np.random.default_rng(0)
    X = rng.normal(size=(4000, 4))
    Y = (X[:, :2] + rng.normal(size=(4000, 2)) > 2).astype(int)
    labeler = MultiOutputClassifier(LogisticRegression())
    fitted = CascadeClassifier(LogisticRegression(), labeler, label_names=["a", "b"]).fit(X, Y)
    names = ("f0", "f1", "f2", "f3")
    fitted.predictor_.described(names, {"group": "site", "id": "key"}).save(folder / "model")
    X = rng.normal(size=(N, 4))
    X[[3, 1500, N - 1], [0, 2, 0]] = [np.nan, -np.inf, np.nan]
    columns = {"key": [f"k{row}" for row in range(N)], "site": np.arange(N) // 10}
    table = pa.table({**columns, **dict(zip(names, X.T, strict=True))})
    rows = folder / "rows"
    for kind in ("parquet", "csv", "arrow", "jsonl"):
        (rows / kind).mkdir(parents=True)
    for number, (start, stop) in enumerate(((0, 1000), (1000, 2999), (2999, N))):
        part = table.slice(start, stop - start)
        pyarrow.parquet.write_table(part, rows / "parquet" / f"{number}.parquet", row_group_size=400)
        pyarrow.csv.write_csv(part, rows / "csv" / f"{number}.csv")
        pyarrow.feather.write_feather(part, rows / "arrow" / f"{number}.arrow", chunksize=400)
        lines = "".join(json.dumps(row) + "\n" for row in part.to_pylist())
        (rows / "jsonl" / f"{number}.jsonl").write_text(lines)
    return folder


def run(work: Path, source: Place, output: Place, exams: Path | None = None, **settings: Any) -> dict[str, Any]:
    chosen = Settings(**{"shard_rows": SHARD, **settings})
    return predict.run(work / "model", source, output, Roles(), exams, settings=chosen)


def content(folder: Place) -> dict[str, bytes]:
    """Return all files but the manifest, whose digest of the input differs between places."""
    files = {path.name: path.read_bytes() for path in folder.iterdir()}
    return {name: files[name] for name in sorted(files) if name not in ("_manifest.json", ".lock")}


@pytest.fixture(scope="module")
def done(work: Path) -> Path:
    """An undisturbed job on this machine."""
    run(work, work / "rows" / "parquet", work / "done")
    return work / "done"


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Address:
    """A store that is a folder of this machine, and a folder for temporary files."""
    (tmp_path / "bucket").mkdir()
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    files = pyarrow.fs.SubTreeFileSystem(str(tmp_path), pyarrow.fs.LocalFileSystem())
    return Address(files, "bucket", "test")


def upload(folder: Path, target: Address) -> Address:
    for path in sorted(folder.iterdir()):
        (target / path.name).put(path)
    return target


def elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Go on as on another machine, which has other temporary files."""
    (tmp_path / "other").mkdir(exist_ok=True)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "other"))


@pytest.mark.parametrize("kind", ["parquet", "csv", "arrow", "jsonl"])
def test_tables_of_a_store_give_the_files_of_local_ones(work: Path, done: Path, store: Address, kind: str) -> None:
    rows = upload(work / "rows" / kind, store / "rows")
    summary = run(work, rows, store / "answers")
    assert (summary["rows"], summary["rejected"], summary["output"]) == (N, 3, "test://bucket/answers")
    found = content(store / "answers")
    if kind == "parquet":
        assert found == content(done)
    parts = [name for name in content(done) if name.endswith(".parquet")]
    assert {name: found[name] for name in parts} == {name: content(done)[name] for name in parts}
    assert run(work, rows, store / "answers")["was_finished"]


def test_one_file_of_a_store_and_exams_of_an_output_in_one(
    work: Path, done: Path, store: Address, tmp_path: Path
) -> None:
    (store / "rows" / "0.parquet").put(work / "rows" / "parquet" / "0.parquet")
    run(work, store / "rows" / "0.parquet", store / "answers", tmp_path / "exams.csv")
    run(work, work / "rows" / "parquet" / "0.parquet", tmp_path / "local", tmp_path / "wanted.csv")
    assert (tmp_path / "exams.csv").read_text() == (tmp_path / "wanted.csv").read_text()
    assert content(store / "answers") == content(tmp_path / "local")


def test_images_in_a_table_of_a_store_are_decoded(store: Address, tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (6, 8, 8), np.uint8)
    images = []
    for number, image in enumerate(pixels):
        target = io.BytesIO()
        Image.fromarray(image).save(target, "PNG")
        images.append({"bytes": target.getvalue() if number != 4 else b"none", "path": f"{number}.png"})
    pyarrow.parquet.write_table(pa.table({"image": images, "part": list("aabbcc")}), tmp_path / "images.parquet")
    (store / "images.parquet").put(tmp_path / "images.parquet")
    signature = InputSignature((8, 8, 1), "uint8")
    found, wanted = (
        list(open_input(place, Roles(group="part"), signature).chunks(4, 0))
        for place in (store / "images.parquet", tmp_path / "images.parquet")
    )
    for chunk, other in zip(found, wanted, strict=True):
        np.testing.assert_array_equal(chunk.X, other.X)
        assert chunk.rejected.equals(other.rejected)
        assert list(chunk.groups) == list(other.groups)
    assert sum(chunk.rejected.num_rows for chunk in found) == 1


def test_a_large_row_group_is_read_in_pieces(work: Path, done: Path, store: Address, monkeypatch: Any) -> None:
    monkeypatch.setattr("cascade.data.readers.table.parquet.AT_ONCE", 0)
    run(work, upload(work / "rows" / "parquet", store / "rows"), store / "answers")
    assert content(store / "answers") == content(done)


def test_a_worker_opens_an_address_from_what_travels_to_it(work: Path, store: Address) -> None:
    rows = upload(work / "rows" / "parquet", store / "rows")
    opening = Opening(Loading(work / "model", None, "auto", None), rows, Roles(group="site", id="key")).absolute()
    opened = pickle.loads(pickle.dumps(opening))()
    assert opened.source.n_rows == N
    assert hash(pickle.loads(pickle.dumps(opening))) == hash(opening)


class Interruption:
    """Ends a job at the n-th write to the store, before or after it."""

    def __init__(self, at: int, error: BaseException, after: bool) -> None:
        self.at, self.error, self.after, self.calls = at, error, after, 0
        self.put = Address._put

    def __call__(self, address: Address, *given: Any) -> None:
        self.calls += 1
        if self.after or self.calls != self.at:
            self.put(address, *given)
        if self.calls == self.at:
            raise self.error


@pytest.mark.parametrize(("after", "moves"), [(False, True), (True, False)])
def test_whatever_fails_the_second_start_gives_the_same_bytes(
    work: Path, store: Address, after: bool, moves: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows, size = upload(work / "rows" / "parquet", store / "rows"), N // 2
    run(work, rows, store / "undisturbed", shard_rows=size)
    at, through = 0, False
    while not through:
        at += 1
        output = store / f"answers{at}"
        with monkeypatch.context() as patched:
            ending = Interruption(at, [OSError(5, "Input/output error"), KeyboardInterrupt()][at % 2], after)
            patched.setattr(Address, "_put", lambda *given, ending=ending: ending(*given))
            try:
                run(work, rows, output, shard_rows=size)
                through = True
            except (OSError, KeyboardInterrupt):
                pass
        with monkeypatch.context() as patched:
            if moves:
                elsewhere(patched, tmp_path)
            run(work, rows, output, shard_rows=size)
        assert content(output) == content(store / "undisturbed")
    # The lease, two manifests, three results, and of two shards predictions, rejected rows and a note.
    assert at > 10


def test_an_unfinished_output_says_so(work: Path, store: Address, monkeypatch: pytest.MonkeyPatch) -> None:
    ending = Interruption(8, KeyboardInterrupt(), after=True)
    with monkeypatch.context() as patched:
        patched.setattr(Address, "_put", lambda *given: ending(*given))
        with pytest.raises(KeyboardInterrupt):
            run(work, work / "rows" / "parquet", store / "answers")
    assert json.loads((store / "answers" / "_manifest.json").read_text())["finished"] is False
    run(work, work / "rows" / "parquet", store / "answers")
    assert json.loads((store / "answers" / "_manifest.json").read_text())["finished"] is True
    assert [name for name in (store / "answers").names() if name.startswith(("_lock", "_shards"))] == []


def test_two_jobs_on_one_output_exclude_each_other(
    work: Path, store: Address, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with leased(store / "answers"):
        with pytest.raises(BusyError, match="test://bucket/answers` is being written") as caught:
            run(work, work / "rows" / "parquet", store / "answers")
        assert caught.value.exit_status == 75
        elsewhere(monkeypatch, tmp_path)
        with pytest.raises(BusyError, match=f"another job on {os.uname().nodename}; .* blocks for 10 minutes"):
            run(work, work / "rows" / "parquet", store / "answers")
    assert run(work, work / "rows" / "parquet", store / "answers")["rows"] == N


def test_of_jobs_that_start_at_once_never_two_have_a_lease(store: Address, tmp_path: Path) -> None:
    rounds, together, alone = 20, Barrier(3), Lock()

    def contend(machine: int) -> list[str]:
        work, seen = tmp_path / f"machine{machine}", []
        work.mkdir()
        for _ in range(rounds):
            together.wait()
            lease = Lease(store / "answers", work)
            try:
                lease.take()
                seen.append("alone" if alone.acquire(blocking=False) else "beside another")
                time.sleep(0.01)
                lease.check()
                alone.release()
            except BusyError:
                seen.append("refused")
            lease.release()
            together.wait()
        return seen

    with ThreadPoolExecutor(3) as pool:
        outcomes = [each for seen in pool.map(contend, range(3)) for each in seen]
    assert len(outcomes) == 3 * rounds
    assert set(outcomes) <= {"alone", "refused"}


def test_a_lease_that_lapsed_is_taken_over_and_its_job_ends(
    work: Path, done: Path, store: Address, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output, put = store / "answers", Address._put
    taken = []

    def take_over(address: Address, *given: Any) -> None:
        put(address, *given)
        if address.name != "00001.json" or taken:
            return
        # As if the first job had been stopped for more than ten minutes.
        (lock,) = (path for path in output.iterdir() if path.name.startswith("_lock."))
        long_ago = time.time() - leases.LAPSED - 1
        os.utime(tmp_path / lock.path, (long_ago, long_ago))
        taken.append(lock)
        with monkeypatch.context() as patched:
            elsewhere(patched, tmp_path)
            assert run(work, work / "rows" / "parquet", output)["rows"] == N

    monkeypatch.setattr(Address, "_put", take_over)
    with pytest.raises(CascadeError, match="taken over by another job"):
        run(work, work / "rows" / "parquet", output)
    assert content(output) == content(done)


def test_a_running_job_gives_signs_of_life(store: Address, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leases, "BEAT", 0.01)
    with leased(store / "answers") as output:
        until = time.monotonic() + 10
        while not any(name.endswith(leases.ALIVE) for name in (store / "answers").names()):
            assert time.monotonic() < until
            time.sleep(0.01)
        output.check()
    assert (store / "answers").names() == []


@pytest.mark.parametrize("damage", ["changed", "removed"])
def test_every_part_is_checked_at_the_end_and_at_a_restart(
    work: Path, store: Address, damage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    output, put = store / "answers", Address._put

    def spoil() -> None:
        part = output / "part-00001.parquet"
        part.unlink() if damage == "removed" else part.write_bytes(b"x")

    def spoiling(address: Address, *given: Any) -> None:
        put(address, *given)
        if address.name == "00003.json":
            spoil()

    with monkeypatch.context() as patched:
        patched.setattr(Address, "_put", spoiling)
        with pytest.raises(CascadeError, match=r"part-00001\.parquet` was removed or changed while the job ran"):
            run(work, work / "rows" / "parquet", output)
    with pytest.raises(DataError, match=r"part-00001\.parquet` is (missing|changed)"):
        run(work, work / "rows" / "parquet", output)
    assert run(work, work / "rows" / "parquet", output, fresh=True)["rows"] == N
    spoil()
    with pytest.raises(DataError, match=r"part-00001\.parquet` is (missing|changed)"):
        run(work, work / "rows" / "parquet", output)


def test_a_part_of_a_job_that_lost_its_lease_is_noticed(
    work: Path, store: Address, monkeypatch: pytest.MonkeyPatch
) -> None:
    output, put = store / "answers", Address._put

    def with_another(address: Address, *given: Any) -> None:
        put(address, *given)
        if address.name == "00003.json":
            (output / "part-00099.parquet").write_bytes(b"x")

    with monkeypatch.context() as patched:
        patched.setattr(Address, "_put", with_another)
        with pytest.raises(CascadeError, match=r"part-00099\.parquet` was removed or changed"):
            run(work, work / "rows" / "parquet", output)
    run(work, work / "rows" / "parquet", output, fresh=True)
    assert "part-00099.parquet" not in content(output)


def test_a_changed_input_is_noticed(work: Path, store: Address, monkeypatch: pytest.MonkeyPatch) -> None:
    rows, put = upload(work / "rows" / "parquet", store / "rows"), Address._put

    def changing(address: Address, *given: Any) -> None:
        put(address, *given)
        if address.name == "00003.json":
            (rows / "2.parquet").put(work / "rows" / "parquet" / "0.parquet")

    with monkeypatch.context() as patched:
        patched.setattr(Address, "_put", changing)
        with pytest.raises(DataError, match="the input changed while it was read"):
            run(work, rows, store / "answers")
    with pytest.raises(ConfigError, match="the input changed"):
        run(work, rows, store / "answers")


def test_a_folder_of_something_else_is_left_as_it_is(work: Path, store: Address) -> None:
    (store / "answers" / "mine.txt").write_bytes(b"x")
    with pytest.raises(ConfigError, match=r"holds 'mine\.txt' and is not a job folder"):
        run(work, work / "rows" / "parquet", store / "answers")
    assert (store / "answers").names() == ["mine.txt"]
    with pytest.raises(ConfigError, match="is a file"):
        run(work, work / "rows" / "parquet", store / "answers" / "mine.txt")


def test_what_a_store_cannot_hold_is_refused_in_one_sentence(work: Path, store: Address, tmp_path: Path) -> None:
    rows = upload(work / "rows" / "csv", store / "rows")
    with pytest.raises(DataError, match="does not exist"):
        run(work, store / "none", tmp_path / "out")
    with pytest.raises(DataError, match="does not exist"):
        run(work, store / "none.csv", tmp_path / "out")
    (store / "images" / "a.png").write_bytes(b"x")
    (store / "images" / "list.csv").write_bytes(b"file\na.png\n")
    for name in ("images", "images/a.png"):
        with pytest.raises(DataError, match=r"must be a table .* or a folder of tables"):
            run(work, store / name, tmp_path / "out")
    with pytest.raises(ConfigError, match="an address needs `--output` to be a folder"):
        predict.run(work / "model", rows, tmp_path / "out.csv", Roles())
    with pytest.raises(ConfigError, match="an output file must be on this machine"):
        check_format(store / "exams.csv")
    with pytest.raises(ConfigError, match="S3, Google or Azure storage"):
        run(work, rows, Address(SimpleNamespace(type_name="hdfs"), "answers", "hdfs"))
    with pytest.raises(ConfigError, match="written over the input"):
        run(work, rows, rows / "answers")
    with pytest.raises(ConfigError, match="needs `--output` to be a shared folder"):
        run(work, work / "rows" / "parquet", store / "answers", engine="ray")


@pytest.mark.parametrize(
    "text",
    [
        f"s3://KEY:{SECRET}/x@bucket/rows",
        f"s3://KEY:{SECRET}@bucket/rows?unknown={SECRET}",
        f"nothing://KEY:{SECRET}@bucket/rows",
    ],
)
def test_an_address_that_cannot_be_opened_keeps_its_secret(text: str) -> None:
    with pytest.raises(ConfigError, match="bucket/rows` must be an address that pyarrow can open") as caught:
        place_of(text)
    assert SECRET not in str(caught.value)
    assert caught.value.__cause__ is None


def test_an_address_shows_neither_credentials_nor_options() -> None:
    text = f"s3://KEY:{SECRET}@bucket/rows/?scheme=http&endpoint_override=127.0.0.1:9&region=none"
    address = place_of(text)
    assert (str(address), repr(address)) == ("s3://bucket/rows", "Address('s3://bucket/rows')")
    assert pickle.loads(pickle.dumps(address)) == address
    assert place_of("file:///a/b.csv") == Path("/a/b.csv")
    assert settings_for(address, None, None, False) is not None


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """A server of S3's protocol on this machine; the query of its addresses."""
    pytest.importorskip("moto")
    pytest.importorskip("flask")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until = time.monotonic() + OPENS_AT_MOST
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                assert process.poll() is None
                assert time.monotonic() < until
                time.sleep(0.1)
        yield f"?scheme=http&endpoint_override=127.0.0.1:{port}&region=us-east-1&allow_bucket_creation=true"
    finally:
        process.terminate()
        process.wait()


def bucket(server: str, name: str) -> Address:
    address = place_of(f"s3://KEY:{SECRET}@{name}/x{server}").parent
    assert isinstance(address, Address)
    address.files.create_dir(name)
    return address


def n_parts(output: Address) -> int:
    return sum(name.startswith("part-") for name in output.stamps())


@pytest.mark.slow
def test_a_killed_job_on_s3_gives_the_same_bytes(work: Path, done: Path, server: str, tmp_path: Path) -> None:
    s3 = bucket(server, "killed")
    upload(work / "rows" / "parquet", s3 / "rows")
    parts = {name: body for name, body in content(done).items() if name.endswith(".parquet")}
    arguments = [f"s3://KEY:{SECRET}@killed/rows/{server}", "--output", f"s3://KEY:{SECRET}@killed/answers{server}"]
    code = "from cascade_pipelines.cli import main; main()"
    command = [sys.executable, "-c", code, "predict", str(work / "model"), *arguments, "--shard-rows", str(SHARD)]
    kills = 0
    for number in range(1, 4):
        environment = {**os.environ, "TMPDIR": str(tmp_path)}
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True)
        # Killed as soon as so many parts are there, whatever it does then.
        while process.poll() is None and n_parts(s3 / "answers") < number:
            time.sleep(0.002)
        process.send_signal(signal.SIGKILL)
        _, errors = process.communicate()
        kills += process.returncode == -signal.SIGKILL
        assert SECRET not in errors
    assert kills >= 2
    last = subprocess.run([*command, "--json"], cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert last.returncode == 6, last.stderr
    assert json.loads(last.stdout)["output"] == "s3://killed/answers"
    found = content(s3 / "answers")
    assert {name: found[name] for name in parts} == parts
    assert not [name for name in found if name.startswith(("_lock", "_shards"))]
    everything = last.stdout + last.stderr + (s3 / "answers" / "_manifest.json").read_text()
    assert SECRET not in everything


@pytest.mark.slow
def test_s3_gives_the_files_of_local_tables_and_notices_another_etag(
    work: Path, done: Path, server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    s3 = bucket(server, "tables")
    for kind in ("parquet", "csv"):
        rows = upload(work / "rows" / kind, s3 / kind)
        run(work, rows, s3 / f"answers-{kind}")
        assert content(s3 / f"answers-{kind}").keys() == content(done).keys()
    assert content(s3 / "answers-parquet") == content(done)
    size, version = (s3 / "parquet" / "0.parquet").version() or (0, "")
    assert size == (work / "rows" / "parquet" / "0.parquet").stat().st_size
    (s3 / "parquet" / "0.parquet").write_bytes(b"0" * size)
    # Where both are written within a second, only the ETag differs.
    assert (s3 / "parquet" / "0.parquet").version() != (size, version)


@pytest.mark.slow
def test_a_store_that_cannot_be_reached_is_no_fault_of_the_data(work: Path, tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    source = place_of(f"s3://KEY:{SECRET}@bucket/rows.csv?scheme=http&endpoint_override=127.0.0.1:{port}&region=none")
    with pytest.raises(OSError) as caught:
        run(work, source, tmp_path / "out")
    assert caught.value.filename == "s3://bucket/rows.csv"
    assert SECRET not in str(caught.value)
