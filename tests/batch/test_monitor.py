"""What a batch job tells of its rows: the counts of its files; silent on rows like the training's, not on others."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow.parquet
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.multioutput import MultiOutputClassifier

from cascade import CascadeClassifier, CascadePredictor
from cascade.batch.outputs.tally import SAMPLED_ROWS, Tally
from cascade.batch.runner import Settings
from cascade.data.readers.table.columns import Roles
from cascade.drift import TrainingProfile
from cascade.errors import DataError
from cascade_pipelines import predict

N, SHARD = 4000, 900


def learned(shift: float, n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 4)) + np.array([shift, 0, 0, 0])
    return X, (X[:, :2] + rng.normal(size=(n, 2)) > 2).astype(int)


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("monitor")
    labeler = MultiOutputClassifier(LogisticRegression())
    model = CascadeClassifier(LogisticRegression(), labeler, label_names=["a", "b"]).fit(*learned(0, 8000, 0))
    model.predictor_.save(folder / "model")
    for name, shift in (("like", 0.0), ("other", 1.0)):
        np.save(folder / f"{name}.npy", learned(shift, N, 1)[0])
    return folder


def run(work: Path, name: str, output: Path, model: str = "model", **settings: object) -> dict[str, object]:
    chosen = Settings(**{"shard_rows": SHARD, **settings})
    return predict.run(work / model, work / f"{name}.npy", output, Roles(), settings=chosen)


def test_the_monitor_counts_what_the_files_hold(work: Path, tmp_path: Path) -> None:
    summary = run(work, "like", tmp_path / "out")
    told, table = (
        json.loads((tmp_path / "out" / "_monitor.json").read_text()),
        pyarrow.parquet.read_table(tmp_path / "out"),
    )
    assert (told["rows"], told["rejected"]) == (N, 0)
    assert told["past_gate"] == sum(table["passed_gate"].to_pylist()) == summary["rows_past_gate"]
    assert told["labels"] == {name: sum(table[name].to_pylist()) for name in "ab"}
    profile = TrainingProfile.from_json(told["profile"])
    scores = profile.histogram("gate score")
    starts = range(0, N, SHARD)
    sizes = [min(SHARD, N - start) for start in starts]
    rows = [
        start + np.unique(np.linspace(0, n - 1, min(n, SAMPLED_ROWS)).astype(int))
        for start, n in zip(starts, sizes, strict=True)
    ]
    predictor = CascadePredictor.load(work / "model")
    z = predictor.score(np.load(work / "like.npy")[np.concatenate(rows)]).gate_z
    edges = [-np.inf, *scores.edges, np.inf]
    assert list(scores.counts) == [*np.histogram(z, edges)[0], 0]
    assert scores.edges == predictor.profile.histogram("gate score").edges
    # A folder of Parquet files can still be read as one table.
    assert pyarrow.parquet.read_table(tmp_path / "out").num_rows == N


def test_rows_like_the_trainings_raise_no_warning_and_others_do(work: Path, tmp_path: Path) -> None:
    like, other = (run(work, name, tmp_path / name) for name in ("like", "other"))
    assert like["monitor"] == {"status": "none", "drifted": []}
    assert "warning" not in predict.text(like)
    assert other["monitor"]["status"] == "large"
    assert any(sentence.startswith("feature '0'") for sentence in other["monitor"]["drifted"])
    assert "warning: " in predict.text(other)
    again = run(work, "other", tmp_path / "other")
    assert (again["was_finished"], again["monitor"]) == (True, other["monitor"])


def test_shards_add_up_in_any_size(work: Path, tmp_path: Path) -> None:
    told = []
    for size in (SAMPLED_ROWS, SAMPLED_ROWS // 2):
        run(work, "other", tmp_path / str(size), shard_rows=size)
        told.append((tmp_path / str(size) / "_monitor.json").read_bytes())
    assert told[0] == told[1]
    whole = Tally(3, 1, (1, 0), ((1, 2),))
    assert Tally.from_json(json.loads(json.dumps(whole.to_json()))) == whole
    assert whole + whole == Tally(6, 2, (2, 0), ((2, 4),))


def test_a_monitor_that_was_changed_is_not_passed_over(work: Path, tmp_path: Path) -> None:
    run(work, "like", tmp_path / "out")
    (tmp_path / "out" / "_monitor.json").write_text("{}")
    with pytest.raises(DataError, match=r"_monitor\.json"):
        run(work, "like", tmp_path / "out")
    assert run(work, "like", tmp_path / "out", fresh=True)["monitor"]["status"] == "none"


def test_an_adapted_model_expects_its_own_prevalence(work: Path, tmp_path: Path) -> None:
    """Rows with a label three times as often: a warning from the model as trained, none from the one adapted."""
    X, Y = learned(0, 60_000, 2)
    some, rng = Y.any(axis=1), np.random.default_rng(0)
    rows = np.concatenate([rng.choice(np.flatnonzero(side), n) for side, n in ((some, N // 2), (~some, N // 2))])
    np.save(work / "rich.npy", X[rng.permutation(rows)])
    CascadePredictor.load(work / "model").adapt(prevalence=0.5).save(tmp_path / "adapted")
    plain = run(work, "rich", tmp_path / "plain")
    adapted = predict.run(
        tmp_path / "adapted", work / "rich.npy", tmp_path / "out", Roles(), settings=Settings(shard_rows=SHARD)
    )
    gates = ("gate score", "share past the gate")
    assert any(sentence.startswith(gates) for sentence in plain["monitor"]["drifted"])
    assert not any(sentence.startswith(gates) for sentence in adapted["monitor"]["drifted"])


def test_a_model_without_a_profile_still_counts(work: Path, tmp_path: Path) -> None:
    model = CascadePredictor.load(work / "model")
    del model.provenance["profile"]
    model.save(tmp_path / "old")
    summary = predict.run(
        tmp_path / "old", work / "like.npy", tmp_path / "out", Roles(), settings=Settings(shard_rows=SHARD)
    )
    assert summary["monitor"] == {"status": "no profile", "drifted": []}
    assert json.loads((tmp_path / "out" / "_monitor.json").read_text())["rows"] == N
