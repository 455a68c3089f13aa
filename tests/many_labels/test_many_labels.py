"""Many labels: calibration, decoders and metrics against the truth and against whole matrices."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from scipy.special import expit, logit
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import ndcg_score
from sklearn.multiclass import OneVsRestClassifier
from typer.testing import CliRunner

from cascade import CascadePredictor, KerasClassifier, ManyLabelClassifier, ManyLabelPredictor
from cascade.config.yaml_file import load_config
from cascade.data import read_data
from cascade.datasets.many_labels import ManyLabels, draw_by_count, draw_fixed_number
from cascade.datasets.many_labels_file import read_truth, write_many
from cascade.errors import ConfigError, DataError, ModelRefusedError
from cascade.many_labels.calibration import fit_shared_slope
from cascade.many_labels.decoders import most_probable, thresholds_from
from cascade.many_labels.report import evaluate_many
from cascade.metrics.streamed import StreamedRanking
from cascade.metrics.top_k import at_k, top_columns
from cascade_pipelines.cli.app import app

COUNTS = np.geomspace(60, 1500, 40)


@pytest.fixture(scope="module")
def drawn() -> ManyLabels:
    return draw_by_count(6000, COUNTS, n_features=30, seed=2)


@pytest.fixture(scope="module")
def fitted(drawn: ManyLabels) -> ManyLabelClassifier:
    rows = np.arange(4500)
    linear = OneVsRestClassifier(LogisticRegression(max_iter=300))
    return ManyLabelClassifier(linear, decoder="count").fit(drawn.X[rows], drawn.Y[rows])


TEST = np.arange(4500, 6000)


def test_probabilities_sum_to_the_true_ones(drawn: ManyLabels, fitted: ManyLabelClassifier) -> None:
    p, truth = fitted.predict_proba(drawn.X[TEST]), drawn.proba(TEST).astype(np.float64)
    held = fitted.predictor_.provenance["rows_calibrated"]
    # What is left to chance is how many positives the held-out rows happen to have.
    deviation = np.sqrt((truth * (1 - truth)).sum(axis=0) * len(TEST) / held)
    assert (abs(p.sum(axis=0) - truth.sum(axis=0)) < 3.5 * deviation).mean() > 0.95
    assert p.sum() / truth.sum() == pytest.approx(1, abs=0.02)


def test_a_wrong_scale_is_calibrated_away(drawn: ManyLabels) -> None:
    z = drawn.log_odds(np.arange(6000))
    found = fit_shared_slope(lambda: iter([(z[:3000] / 2 + 3, drawn.Y[:3000]), (z[3000:] / 2 + 3, drawn.Y[3000:])]), 40)
    assert found.slope == pytest.approx(2, abs=0.05)
    np.testing.assert_allclose(found.intercept, -6, atol=0.6)


def test_flat_log_odds_leave_the_sums_of_rare_labels_right() -> None:
    rng = np.random.default_rng(0)
    z = rng.normal(size=(2000, 60)).astype(np.float32) * 3
    share = np.geomspace(0.002, 0.2, 60)
    Y = sparse.csr_array(rng.random(z.shape) < share)
    found = fit_shared_slope(lambda: iter([(z, Y)]), 60)
    excess = expit(found(z)).sum(axis=0) - np.asarray(Y.sum(axis=0)).ravel()
    # The prior pulls intercepts together: by less than half a row, whatever the slope.
    assert abs(excess).max() < 0.5
    assert found.slope == pytest.approx(0.05)


def test_a_label_that_never_occurs_stays_finite() -> None:
    z = np.random.default_rng(0).normal(size=(500, 2)).astype(np.float32)
    Y = sparse.csr_array(np.column_stack([z[:, 0] > 0, np.zeros(500)]))
    found = fit_shared_slope(lambda: iter([(z, Y)]), 2)
    assert np.isfinite(found.intercept).all()
    assert expit(found(z))[:, 1].sum() < 1


def test_as_many_labels_are_predicted_as_there_are(drawn: ManyLabels, fitted: ManyLabelClassifier) -> None:
    bits = fitted.predict(drawn.X[TEST])
    assert sparse.issparse(bits)
    assert bits.sum() / drawn.Y[TEST].sum() == pytest.approx(1, abs=0.05)


@settings(max_examples=25)
@given(seed=st.integers(0, 1000))
def test_the_f1_threshold_has_the_largest_expected_f1(seed: int) -> None:
    z = (np.random.default_rng(seed).normal(size=(80, 1)) * 2 - 1).astype(np.float32)
    ranking = StreamedRanking(1)
    ranking.add(z, np.zeros(z.shape))
    chosen = thresholds_from(ranking.all, "f1").log_odds[0]
    p = expit(z[:, 0].astype(np.float64))

    def expected(limit: float) -> float:
        on = z[:, 0] >= limit
        return float(2 * p[on].sum() / (on.sum() + p.sum()))

    best = max(expected(limit) for limit in z[:, 0])
    # Bins are 0.05 log-odds wide.
    assert expected(chosen) > best - 0.02


@settings(max_examples=25)
@given(seed=st.integers(0, 1000), k=st.integers(1, 6))
def test_the_surest_are_those_that_a_sort_puts_first(seed: int, k: int) -> None:
    rng = np.random.default_rng(seed)
    z, number = rng.normal(size=(7, 6)).astype(np.float32), rng.integers(0, k + 1, 7)
    bits = most_probable(z, number).toarray()
    rank = np.argsort(np.argsort(-z, axis=1), axis=1)
    np.testing.assert_array_equal(bits, rank < number[:, None])


def test_a_threshold_of_one_half_is_that(drawn: ManyLabels) -> None:
    linear = OneVsRestClassifier(LogisticRegression(max_iter=300))
    model = ManyLabelClassifier(linear, decoder=0.3).fit(drawn.X[:4500], drawn.Y[:4500])
    np.testing.assert_array_equal(model.predict(drawn.X[TEST]).toarray(), model.predict_proba(drawn.X[TEST]) >= 0.3)
    assert model.predictor_.decoding.thresholds is not None
    assert model.predictor_.decoding.thresholds.log_odds[0] == pytest.approx(logit(0.3))


def test_keras_metrics_are_those_of_sparse_labels(drawn: ManyLabels) -> None:
    from cascade.estimators.neural.top_k import KINDS, AtK

    z, Y = drawn.log_odds(TEST), drawn.Y[TEST]
    expected = at_k(Y, top_columns(z, 5))
    for kind in KINDS:
        metric = AtK(kind, 5)
        for part in np.array_split(np.arange(len(TEST)), 3):
            metric.update_state(Y[part].toarray().astype(np.float32), z[part])
        assert float(metric.result()) == pytest.approx(getattr(expected, kind), abs=1e-5)
    some = np.flatnonzero(Y.sum(axis=1))
    assert expected.ndcg == pytest.approx(ndcg_score(Y[some].toarray(), z[some], k=5), abs=1e-6)


@pytest.fixture(scope="module")
def network(drawn: ManyLabels) -> ManyLabelClassifier:
    model = KerasClassifier("mlp", {"width": 64}, epochs=6, validation_size=0.1, top_k=3)
    return ManyLabelClassifier(model, decoder="cardinality").fit(drawn.X[:4500], drawn.Y[:4500])


def test_a_head_tells_how_many_labels_a_row_has() -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(4000, 5)).astype(np.float32)
    p = expit(1.5 * X[:, :1] - np.linspace(0.5, 2, 30))
    Y = sparse.csr_array(rng.random(p.shape) < p)
    model = ManyLabelClassifier(KerasClassifier("mlp", epochs=5), decoder="cardinality").fit(X[:3000], Y[:3000])
    number, true = np.asarray(model.predict(X[3000:]).sum(axis=1)).ravel(), p[3000:].sum(axis=1)
    assert number.sum() / true.sum() == pytest.approx(1, abs=0.05)
    assert np.corrcoef(number, true)[0, 1] > 0.9


def test_a_saved_model_answers_as_before(drawn: ManyLabels, network: ManyLabelClassifier, tmp_path: Path) -> None:
    network.save(tmp_path / "model")
    loaded = ManyLabelPredictor.load(tmp_path / "model")
    np.testing.assert_array_equal(loaded.predict_proba(drawn.X[TEST]), network.predict_proba(drawn.X[TEST]))
    assert (loaded.predict(drawn.X[TEST]) != network.predict(drawn.X[TEST])).nnz == 0
    columns, proba = loaded.predict_top_k(drawn.X[TEST], 4)
    assert (np.diff(proba, axis=1) <= 0).all()
    assert columns.shape == (len(TEST), 4)
    with pytest.raises(ModelRefusedError, match="ManyLabelPredictor"):
        CascadePredictor.load(tmp_path / "model")


def test_a_report_scores_the_truth_better_than_chance(drawn: ManyLabels, fitted: ManyLabelClassifier) -> None:
    report = evaluate_many(fitted.predictor_, drawn.X[TEST], drawn.Y[TEST])
    overall = report["overall"]
    ranking = StreamedRanking(40)
    ranking.add(drawn.log_odds(TEST), drawn.Y[TEST])
    best = ranking.micro_average_precision()
    assert 2 * overall["micro_chance"] < overall["micro_average_precision"] < best + 0.02
    assert overall["sum_ratio"]["median"] == pytest.approx(1, abs=0.05)
    assert len(report["labels"]["positives"]) == 40
    json.dumps(report, allow_nan=False)


def test_ten_labels_on_each_row_and_none_above_one_half() -> None:
    drawn = draw_fixed_number(3000, 200, 10, n_features=30, seed=4)
    model = KerasClassifier("mlp", {"width": 64}, epochs=4, validation_size=0)
    halves = ManyLabelClassifier(model, decoder=0.5).fit(drawn.X[:2400], drawn.Y[:2400])
    tens = ManyLabelClassifier(model, decoder={"top": 10}).fit(drawn.X[:2400], drawn.Y[:2400])
    # Ten of two hundred labels: each has a probability far below one half on nearly every row.
    assert halves.predict(drawn.X[2400:]).sum() < 0.2 * 10 * 600
    assert (tens.predict(drawn.X[2400:]).sum(axis=1) == 10).all()


@pytest.mark.parametrize("decoder", [0, 1, 1.5, "half", {"top": 0}, {"top": 1.5}, {"k": 3}, True])
def test_decoders_that_are_none_are_refused(decoder: object) -> None:
    with pytest.raises(ConfigError, match="`decoder` must be"):
        ManyLabelClassifier(LogisticRegression(), decoder=decoder).fit(np.zeros((4, 1)), np.zeros((4, 2)))


@pytest.mark.parametrize("kind", ["network", "linear"])
def test_a_number_of_labels_that_never_varies_is_found(kind: str) -> None:
    drawn = draw_fixed_number(2000, 12, 3, n_features=24, seed=5)
    models = {"network": KerasClassifier("mlp", {"width": 16}, epochs=3), "linear": LogisticRegression(max_iter=300)}
    model = models[kind] if kind == "network" else OneVsRestClassifier(models[kind])
    fitted = ManyLabelClassifier(model, decoder="cardinality").fit(drawn.X[:1500], drawn.Y[:1500])
    assert (fitted.predict(drawn.X[1500:]).sum(axis=1) == 3).mean() > 0.95


def test_a_file_holds_rows_sparse_labels_and_their_truth(tmp_path: Path) -> None:
    out = tmp_path / "c.npz"
    write_many(out, "c", rows=300, labels=50, seed=1)
    data, truth = read_data(out), read_truth(out)
    assert sparse.issparse(data.Y)
    assert (data.Y != truth.Y).nnz == 0
    np.testing.assert_array_equal(data.X, truth.X)
    with pytest.raises(ConfigError, match="exists already"):
        write_many(out, "c", rows=300, labels=50)
    np.savez(tmp_path / "plain.npz", X=data.X, Y=data.Y.toarray())
    with pytest.raises(DataError, match="holds no truth"):
        read_truth(tmp_path / "plain.npz")
    arrays = dict(np.load(out))
    arrays["Y_indices"][3] = 50
    np.savez(tmp_path / "wild.npz", **arrays)
    with pytest.raises(DataError, match="valid CSR"):
        read_data(tmp_path / "wild.npz")


def test_a_mask_beside_sparse_labels_is_refused(tmp_path: Path) -> None:
    write_many(tmp_path / "c.npz", "c", rows=50, labels=4)
    arrays = dict(np.load(tmp_path / "c.npz"))
    np.savez(tmp_path / "masked.npz", **arrays, mask=np.ones((50, 4)))
    with pytest.raises(DataError, match="`mask` needs a dense `Y`"):
        read_data(tmp_path / "masked.npz")


@pytest.mark.parametrize("decoder", ["f1", "count"])
def test_a_label_that_never_occurs_is_never_set(decoder: str) -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(1500, 4)).astype(np.float32)
    Y = np.column_stack([X[:, :3] + rng.normal(size=(1500, 3)) > 1, np.zeros(1500)]).astype(np.uint8)
    model = ManyLabelClassifier(KerasClassifier("mlp", {"width": 16}, epochs=3), decoder=decoder).fit(X, Y)
    assert model.predict(X)[:, 3].sum() == 0
    assert model.predict(X)[:, :3].sum() > 100


CONFIG = """
name: many
data: {path: %s}
flat:
  decoder: count
  model: {kind: logistic_regression, options: {max_iter: 300}}
"""


def test_one_command_from_a_config_to_a_report_and_to_predictions(tmp_path: Path) -> None:
    runner = CliRunner()
    source = tmp_path / "c.npz"
    written = runner.invoke(app, ["many-labels", str(source), "--problem", "c", "--rows", "900", "--labels", "30"])
    assert written.exit_code == 0, written.output
    config = tmp_path / "many.yaml"
    config.write_text(CONFIG % source, encoding="utf-8")
    trained = runner.invoke(app, ["train", str(config), "--models", str(tmp_path / "models"), "--json"])
    assert trained.exit_code == 0, trained.output
    report = json.loads(trained.stdout)
    assert report["overall"]["labels"] == 30
    model = str(tmp_path / "models" / "many")
    assert (Path(report["version"]) / "counts.png").stat().st_size > 5000
    out = tmp_path / "answers.parquet"
    predicted = runner.invoke(app, ["predict", model, str(source), "--output", str(out), "--top-k", "3", "--json"])
    assert predicted.exit_code == 0, predicted.output
    import pyarrow.parquet

    table = pyarrow.parquet.read_table(out)
    loaded = ManyLabelPredictor.load(Path(report["version"]) / "model")
    columns, proba = loaded.predict_top_k(read_data(source).X, 3)
    assert table["top_labels"].to_pylist()[5] == [loaded.labels[column] for column in columns[5]]
    np.testing.assert_allclose(np.array(table["top_probabilities"].to_pylist()), proba, rtol=1e-6)
    judged = runner.invoke(app, ["evaluate", model, str(source), "--json"])
    assert judged.exit_code == 0, judged.output
    assert json.loads(judged.stdout)["overall"]["rows"] == 900
    shown = runner.invoke(app, ["models", "show", model])
    assert shown.exit_code == 0, shown.output
    assert "labels: 30" in shown.output


TABLE = """
name: table
data: {path: %s, labels: [a, b], id: name}
flat: {model: {kind: logistic_regression}, decoder: 0.5}
"""


@pytest.fixture
def table(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, 2))
    Y = (X + rng.normal(size=X.shape) > 0.5).astype(int)
    lines = [f"r{i},{x[0]},{x[1]},{y[0]},{y[1]}" for i, (x, y) in enumerate(zip(X, Y, strict=True))]
    (tmp_path / "t.csv").write_text("\n".join(["name,u,v,a,b", *lines]), encoding="utf-8")
    config = tmp_path / "table.yaml"
    config.write_text(TABLE % (tmp_path / "t.csv"), encoding="utf-8")
    return config


def test_a_flat_model_of_a_table_remembers_its_columns(table: Path) -> None:
    import pyarrow.parquet

    runner, models = CliRunner(), table.parent / "models"
    trained = runner.invoke(app, ["train", str(table), "--models", str(models)])
    assert trained.exit_code == 0, trained.output
    out = table.parent / "answers.parquet"
    source = str(table.parent / "t.csv")
    predicted = runner.invoke(app, ["predict", str(models / "table"), source, "--output", str(out)])
    assert predicted.exit_code == 0, predicted.output
    assert pyarrow.parquet.read_table(out)["id"].to_pylist()[:2] == ["r0", "r1"]


@pytest.mark.slow
def test_compare_takes_the_flat_model_as_base_learner(table: Path) -> None:
    done = CliRunner().invoke(app, ["compare", str(table), "--folds", "2", "--models", str(table.parent), "--json"])
    assert done.exit_code == 0, done.output
    names = {row["contender"] for row in json.loads(done.stdout)["contenders"]}
    assert {"flat", "cascade, multi-label, positives"} <= names


def test_flat_stands_alone(table: Path) -> None:
    with pytest.raises(ConfigError, match="`flat` must be given without `gate`"):
        load_config(table, ["gate.epochs=3"])


def test_a_cascade_takes_sparse_labels_of_a_file(tmp_path: Path) -> None:
    write_many(tmp_path / "c.npz", "c", rows=900, labels=4)
    config = tmp_path / "cascade.yaml"
    linear = "{kind: logistic_regression}"
    text = f"name: c\ndata: {{path: {tmp_path / 'c.npz'}}}\ngate: {linear}\nlabeler: {{model: {linear}}}\n"
    config.write_text(text, encoding="utf-8")
    done = CliRunner().invoke(app, ["train", str(config), "--models", str(tmp_path / "models")])
    assert done.exit_code == 0, done.output


def test_a_folder_of_versions_names_the_newest(fitted: ManyLabelClassifier, tmp_path: Path) -> None:
    for version in ("1", "2"):
        fitted.save(tmp_path / "name" / version / "model")
    with pytest.raises(ModelRefusedError, match=r"holds versions, not a model; load one, such as .*2/model"):
        ManyLabelPredictor.load(tmp_path / "name")


@pytest.mark.slow
def test_rows_by_labels_are_never_held_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    import tracemalloc

    from cascade.many_labels import scoring as raw

    monkeypatch.setattr(raw, "MOST_ROWS", 256)
    drawn = draw_by_count(40_000, np.full(2000, 100.0), n_features=24)
    network = KerasClassifier("mlp", {"width": 8, "depth": 1}, epochs=1, batch_size=256)
    tracemalloc.start()
    model = ManyLabelClassifier(network, decoder="count").fit(drawn.X, drawn.Y)
    model.predict(drawn.X)
    evaluate_many(model.predictor_, drawn.X, drawn.Y)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    # Rows x labels would take more even as single bytes; most of it are the bins of the ranking.
    assert peak < 40_000 * 2000
