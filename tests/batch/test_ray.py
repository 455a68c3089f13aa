"""Jobs on a Ray cluster: the bytes of the local engine, also when machines and drivers are killed on the way."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
from joblib import parallel_config
from sklearn.linear_model import LogisticRegression
from sklearn.multioutput import MultiOutputClassifier

from cascade import BalancedBinaryRelevance, CascadeClassifier
from cascade.batch.engines.engine import Task
from cascade.batch.engines.worker import Opened, Order, Worker, outcome_of
from cascade.batch.inputs.chunk import Chunk
from cascade.batch.inputs.opening import Input
from cascade.batch.runner import Settings, run_job
from cascade.data.readers.table.columns import Roles
from cascade.errors import CascadeError, ConfigError, DataError
from cascade_pipelines import predict
from cascade_pipelines.predict_batch import settings_for
from cascade_pipelines.steps.loading import Loading, Opening
from cascade_pipelines.steps.progress import JobBar

ray = pytest.importorskip("ray")
from ray.cluster_utils import Cluster  # noqa: E402
from ray.util.joblib import register_ray  # noqa: E402

from cascade.batch.engines.ray import RayEngine  # noqa: E402

# Sockets and pipes of Ray's own, and its advice.
pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

ROOT = Path(__file__).parents[2]
FEATURES = ("f0", "f1", "f2", "f3")
N = 3000
SHARD = 100
RAY = {"engine": "ray", "workers": 2}


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """A head that computes nothing, and a machine of one processor."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("PYTHONPATH", str(ROOT))
        nodes = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
        nodes.add_node(num_cpus=1)
        patched.setenv("RAY_ADDRESS", nodes.address)
        ray.init(log_to_driver=False)
        yield nodes
        ray.shutdown()
        nodes.shutdown()


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model, and rows of which three are bad."""
    folder, rng = tmp_path_factory.mktemp("ray"), np.random.default_rng(0)
    X = rng.normal(size=(4000, 4))
    Y = (X[:, :2] + rng.normal(size=(4000, 2)) > 2).astype(int)
    model = CascadeClassifier(LogisticRegression(), MultiOutputClassifier(LogisticRegression())).fit(X, Y)
    model.predictor_.described(FEATURES, {"group": None, "id": "key"}).save(folder / "model")
    new = rng.normal(size=(N, 4))
    new[[3, 700, N - 1], [0, 1, 2]] = np.nan
    np.save(folder / "X.npy", new)
    columns = {"key": [f"k{row}" for row in range(N)], **dict(zip(FEATURES, new.T, strict=True))}
    (folder / "rows").mkdir()
    for number, (start, length) in enumerate([(0, 1000), (1000, 1999), (2999, 1)]):
        table = pa.table(columns).slice(start, length)
        pyarrow.parquet.write_table(table, folder / "rows" / f"{number}.parquet", row_group_size=400)
    return folder


def run(work: Path, source: Path, output: Path, roles: Roles | None = None, **settings: object) -> dict[str, object]:
    chosen = Settings(**{"shard_rows": SHARD, **settings})
    return predict.run(work / "model", source, output, roles or Roles(), settings=chosen)


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


@pytest.fixture(scope="module")
def done(work: Path) -> Path:
    """What this process makes of it."""
    run(work, work / "rows", work / "done")
    return work / "done"


@pytest.mark.parametrize("source", ["rows", "X.npy"])
def test_a_cluster_writes_the_bytes_of_this_process(cluster: Cluster, work: Path, source: str, tmp_path: Path) -> None:
    told = {
        engine: run(work, work / source, tmp_path / engine, **chosen)
        for engine, chosen in {"local": {}, "ray": RAY}.items()
    }
    assert content(tmp_path / "ray") == content(tmp_path / "local")
    assert (told["ray"]["rows"], told["ray"]["rejected"], told["ray"]["shards"]) == (N, 3, N // SHARD)
    assert run(work, work / source, tmp_path / "local", **RAY)["was_finished"]


def test_bad_rows_end_the_job_at_the_same_shard(cluster: Cluster, work: Path, tmp_path: Path) -> None:
    X = np.load(work / "X.npy")
    X[np.arange(1000, N, 2)] = np.nan
    np.save(tmp_path / "X.npy", X)
    sentences = {}
    for engine, chosen in {"local": {}, "ray": RAY}.items():
        with pytest.raises(DataError, match=r"`--max-rejected` allows 0\.1") as caught:
            run(work, tmp_path / "X.npy", tmp_path / engine, **chosen)
        sentences[engine] = str(caught.value).replace(str(tmp_path / engine), "")
    assert sentences["ray"] == sentences["local"]
    assert content(tmp_path / "ray") == content(tmp_path / "local")
    # With a larger share it goes on, on whichever engine.
    run(work, tmp_path / "X.npy", tmp_path / "ray", max_rejected=0.5)
    run(work, tmp_path / "X.npy", tmp_path / "local", max_rejected=0.5, **RAY)
    assert content(tmp_path / "ray") == content(tmp_path / "local")


def test_rows_that_the_model_does_not_take_are_found(cluster: Cluster, work: Path, tmp_path: Path) -> None:
    roles = Roles(allow_missing=True)
    run(work, work / "rows", tmp_path / "local", roles, shard_rows=1000)
    run(work, work / "rows", tmp_path / "ray", roles, shard_rows=1000, **RAY)
    assert content(tmp_path / "ray") == content(tmp_path / "local")
    assert pyarrow.parquet.read_table(tmp_path / "ray" / "_rejected.parquet").num_rows == 3


class SlowInput:
    """An input that notes which process of which machine reads a shard, and takes its time.

    On a machine that is told to, by a file of its name, it takes more than the test has.
    """

    def __init__(self, source: Input, log: Path) -> None:
        self.source, self.log = source, log
        self.n_rows, self.row_bytes, self.fingerprint = source.n_rows, source.row_bytes, source.fingerprint
        self.note("opened")

    def note(self, what: object) -> None:
        with self.log.open("a") as file:
            file.write(f"{ray.get_runtime_context().get_node_id()} {os.getpid()} {what}\n")

    def chunks(self, size: int, first: int) -> Iterator[Chunk]:
        self.note(first // size)
        time.sleep(0.1)
        if self.log.with_name(ray.get_runtime_context().get_node_id()).exists():
            self.log.with_name("held").touch()
            time.sleep(300)
        yield from self.source.chunks(size, first)


@dataclass(frozen=True)
class SlowOpening:
    opening: Opening
    log: Path

    def __call__(self) -> Opened:
        opened = self.opening()
        return opened._replace(source=SlowInput(opened.source, self.log))


def slow_job(work: Path, output: Path, log: Path) -> dict[str, object]:
    opening = Opening(Loading(work / "model", None, "auto", None), work / "rows", Roles(id="key"))
    opened = opening()
    engine = RayEngine(SlowOpening(opening, log), opened.identity, 2, None)
    with closing(JobBar()) as bar:
        return run_job(output, opened.source, opened.predictor, opened.identity, Settings(SHARD), bar, engine)


def wait_for(path: Path) -> None:
    began = time.monotonic()
    while not path.exists():
        assert time.monotonic() - began < 60
        time.sleep(0.02)


def test_a_machine_that_is_killed_changes_nothing(cluster: Cluster, work: Path, done: Path, tmp_path: Path) -> None:
    log, others = tmp_path / "log", {node["NodeID"] for node in ray.nodes()}
    node = cluster.add_node(num_cpus=1)
    (name,) = {node["NodeID"] for node in ray.nodes()} - others
    job = threading.Thread(target=slow_job, args=(work, tmp_path / "out", log))
    job.start()
    wait_for(tmp_path / "out" / "part-00007.parquet")
    (tmp_path / name).touch()
    wait_for(tmp_path / "held")
    cluster.remove_node(node, allow_graceful=False)
    job.join(60)
    assert not job.is_alive()
    assert content(tmp_path / "out") == content(done)
    lines = [line.split() for line in log.read_text().splitlines()]
    assert len({machine for machine, _, _ in lines}) == 2
    made = [int(what) for _, _, what in lines if what != "opened"]
    # The shard at hand was begun again, and nothing else was.
    assert sorted(set(made)) == list(range(N // SHARD))
    assert len(made) == len(set(made)) + 1
    assert sum(what == "opened" for _, _, what in lines) == len({process for _, process, _ in lines})
    assert len({process for _, process, _ in lines}) <= 4


def test_a_driver_that_is_killed_goes_on(cluster: Cluster, work: Path, done: Path, tmp_path: Path) -> None:
    output = tmp_path / "out"
    given = ["predict", work / "model", work / "rows", "--output", output, "--shard-rows", SHARD, "--engine", "ray"]
    command = [sys.executable, "-m", "cascade_pipelines.cli", *map(str, given), "--json"]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL, cwd=ROOT) as process:
        wait_for(output / "part-00002.parquet")
        process.send_signal(signal.SIGKILL)
    assert not json.loads((output / "_manifest.json").read_text())["finished"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert (ended.returncode, "Traceback" in ended.stderr) == (6, False), ended.stderr
    assert json.loads(ended.stdout)["rows"] == N
    assert content(output) == content(done)


class Deadly(SlowInput):
    def chunks(self, size: int, first: int) -> Iterator[Chunk]:
        if first // size == 4:
            os._exit(1)
        return self.source.chunks(size, first)


@dataclass(frozen=True)
class DeadlyOpening(SlowOpening):
    def __call__(self) -> Opened:
        opened = self.opening()
        return opened._replace(source=Deadly(opened.source, self.log))


def test_a_shard_that_kills_its_workers_ends_the_job(
    cluster: Cluster, work: Path, done: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cascade.batch.engines.ray.RETRIES", 1)
    monkeypatch.setattr(sys.modules[__name__], "SlowOpening", DeadlyOpening)
    with pytest.raises(CascadeError, match="shard 4 lost its worker too often"):
        slow_job(work, tmp_path / "out", tmp_path / "log")
    names = [name for name in content(tmp_path / "out") if name.startswith("part")]
    assert names == [f"part-{number:05d}.parquet" for number in range(4)]
    run(work, work / "rows", tmp_path / "out", **RAY)
    assert content(tmp_path / "out") == content(done)


def order_for(work: Path, folder: Path, **versions: str) -> Order:
    opening = Opening(Loading(work / "model", None, "auto", None), work / "rows", Roles(id="key"))
    identity = opening().identity
    identity["versions"].update(versions)
    return Order(Task(folder, 0, SHARD, N, 0.1), opening, json.dumps(identity), "first")


def test_a_machine_that_would_answer_otherwise_is_refused(work: Path, done: Path, tmp_path: Path) -> None:
    output = Path(shutil.copytree(done, tmp_path / "out"))
    outcome = outcome_of(order_for(work, output, numpy="1.0"), 0)
    assert isinstance(outcome, ConfigError)
    assert "numpy was '1.0', now" in str(outcome)
    assert "must be a folder that all machines share" in str(outcome_of(order_for(work, tmp_path), 0))


def test_a_worker_that_lives_on_unseen_touches_no_file_of_the_job(work: Path, done: Path, tmp_path: Path) -> None:
    output = Path(shutil.copytree(done, tmp_path / "out"))
    before = content(output)
    places = {Worker(order_for(work, output)).write(0).place for _ in range(2)}
    assert len(places) == 2
    for place in places:
        assert (place / "part-00000.parquet").read_bytes() == before["part-00000.parquet"]
        shutil.rmtree(place)
    assert content(output) == before


class Placed(LogisticRegression):
    """Remembers which process fitted it."""

    def fit(self, X: np.ndarray, y: np.ndarray, sample_weight: np.ndarray | None = None) -> Placed:
        self.process_ = os.getpid()
        return super().fit(X, y, sample_weight)


def test_labels_are_fitted_on_the_same_cluster(cluster: Cluster) -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(2000, 3))
    Y = (X[:, :2] + rng.normal(size=(2000, 2)) > 2).astype(int)
    local = BalancedBinaryRelevance(Placed(), n_bags=2).fit(X, Y)
    cluster.add_node(num_cpus=1)
    register_ray()
    with parallel_config("ray"):
        there = BalancedBinaryRelevance(Placed(), n_bags=2, n_jobs=2).fit(X, Y)
    assert os.getpid() not in {bag.process_ for bags in there.estimators_ for bag in bags}
    np.testing.assert_array_equal(there.predict_proba(X), local.predict_proba(X))
    np.testing.assert_array_equal(there.prior_shift_, local.prior_shift_)


def test_options_that_do_not_go_together(work: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="need `--output` to be a folder"):
        settings_for(Path("out.csv"), None, None, False, "ray")
    for wrong in ({"engine": "spark"}, {"workers": 2}, {"engine": "ray", "workers": 0}):
        with pytest.raises(ConfigError, match=r"`--(engine|workers)` must be"):
            run(work, work / "rows", tmp_path / "out", **wrong)
    (tmp_path / "rows.csv").write_text("f0,f1,f2,f3\n1,2,3,4\n")
    with pytest.raises(ConfigError, match=r"from the middle; make it \.parquet"):
        run(work, tmp_path / "rows.csv", tmp_path / "out", **RAY)
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ConfigError, match=r'pip install "cascade-multilabel\[ray\]"'):
        run(work, work / "rows", tmp_path / "out", **RAY)
    assert not (tmp_path / "out").exists()
