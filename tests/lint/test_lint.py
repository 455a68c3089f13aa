"""What lint says must be so: problem A's published figures, Keras' own weights, and each rule on a case that has it."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import sparse
from scipy.stats import binomtest
from sklearn.utils.class_weight import compute_sample_weight

from cascade.data.any_label import find_any_label
from cascade.data.label_matrix import LabelMatrix
from cascade.data.none_label import find_none_label
from cascade.datasets.phantom.table import LABELS, full_table
from cascade.errors import ConfigError, DataError
from cascade.lint.class_weights import balanced_sample_weight, keras_class_weight
from cascade.lint.implications import implications
from cascade.lint.lint import lint, shared_groups
from cascade.metrics.imbalance import imbalance_ratio, scumble
from cascade.rules.thresholds.certificate import positives_needed, recall_bound
from tests.command import Done


@pytest.fixture(scope="module")
def problem_a() -> np.ndarray:
    combinations, counts = full_table()
    return np.repeat(combinations, counts, axis=0)


def test_the_four_figures_of_problem_a(problem_a: np.ndarray) -> None:
    keras_weight = keras_class_weight(problem_a)
    assert round(keras_weight.empty_share, 3) == 0.856
    assert round(keras_weight.empty_weight_share, 3) == 0.981
    assert keras_weight.unused.tolist() == [LABELS.index("any")]
    sampled = balanced_sample_weight(problem_a)
    assert (round(sampled.top_share, 3), round(sampled.effective_rows, 1)) == (0.654, 4.6)


class Recorder(keras.losses.Loss):
    """Keeps the weights with which Keras calls its loss."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[np.ndarray] = []

    def __call__(self, y_true: object, y_pred: object, sample_weight: object = None) -> object:
        self.seen.append(np.asarray(sample_weight))
        return keras.ops.mean(y_pred)

    def call(self, y_true: object, y_pred: object) -> object:
        return keras.ops.mean(y_pred)


def test_keras_weighs_rows_as_we_say(problem_a: np.ndarray) -> None:
    Y = np.random.default_rng(0).permutation(problem_a)[:512].astype(np.float32)
    count = Y.sum(axis=0)
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(6)])
    loss = Recorder()
    model.compile(loss=loss, optimizer="sgd", run_eagerly=True)
    weights = {k: float(len(Y) / (6 * count[k])) for k in range(6)}
    model.fit(np.zeros((512, 2)), Y, class_weight=weights, batch_size=512, shuffle=False, epochs=1, verbose=0)
    of_row = loss.seen[0].ravel()
    assert of_row.shape == (512,)
    empty = Y.sum(axis=1) == 0
    assert keras_class_weight(Y.astype(np.uint8)).empty_weight_share == pytest.approx(
        of_row[empty].sum() / of_row.sum()
    )


@given(arrays(np.uint8, st.tuples(st.integers(1, 20), st.integers(1, 5)), elements=st.integers(0, 1)))
def test_any_labels_can_be_examined(Y: np.ndarray) -> None:
    facts, findings = lint(Y, groups=np.arange(len(Y)) // 2)
    json.dumps(facts)
    absent = {finding.message.split("'")[1] for finding in findings if finding.code == "absent"}
    assert absent == {f"label_{k}" for k in np.flatnonzero(~Y.any(axis=0))}
    assert 0.0 <= scumble(Y) < 1.0
    assert np.nanmin(imbalance_ratio(Y), initial=1.0) >= 1.0


@given(st.integers(1, 300), st.data())
def test_the_bound_agrees_with_scipys_exact_test(positives: int, data: st.DataObject) -> None:
    kept = data.draw(st.integers(0, positives))
    exact = binomtest(kept, positives, alternative="greater").proportion_ci(0.95, method="exact").low
    assert recall_bound(kept, positives) == pytest.approx(exact, abs=1e-9)


@pytest.mark.parametrize("recall", [0.5, 0.9, 0.95, 0.99])
def test_one_positive_fewer_would_not_do(recall: float) -> None:
    needed = positives_needed(recall)
    assert recall_bound(needed, needed) >= recall > recall_bound(needed - 1, needed - 1)


def codes(Y: np.ndarray, **options: object) -> set[tuple[str, str]]:
    return {(finding.level, finding.code) for finding in lint(Y, **options)[1]}


def test_each_rule_finds_what_it_is_for(problem_a: np.ndarray) -> None:
    found = codes(problem_a, names=LABELS)
    assert {("note", "any"), ("note", "combination"), ("note", "class_weight")} <= found
    assert not any(level == "error" for level, _ in found)
    Y = np.zeros((400, 4), np.uint8)
    Y[:40, 0] = Y[:40, 1] = Y[:20, 2] = 1
    found = codes(Y, groups=np.arange(400) // 20)
    assert {("error", "absent"), ("warning", "duplicate"), ("note", "implied"), ("error", "split")} <= found
    Y[:, 3] = 1
    assert ("error", "constant") in codes(Y)
    stray = problem_a.copy()
    stray[np.flatnonzero(stray[:, 5] == 0)[0], 5] = 1
    messages = [finding.message for finding in lint(stray, LABELS)[1] if finding.level == "warning"]
    assert any("`any` differs from the OR of the others on 1 rows" in message for message in messages)


def test_groups_on_both_sides_are_found() -> None:
    assert shared_groups({"a": np.arange(5), "b": np.arange(5, 9)}) == []
    (finding,) = shared_groups({"a": np.arange(5), "b": np.arange(3, 9), "c": np.arange(90, 99)})
    assert (finding.level, finding.code) == ("error", "leakage")
    assert "2 groups are in both a and b (first: '3')" in finding.message


def test_the_command_ends_with_status_5_when_asked_to(run_here: Callable[..., Done], tmp_path: Path) -> None:
    rows = "\n".join(f"{n / 7},{n % 4 == 0:d},{n % 6 == 0:d},p{n // 4}" for n in range(400))
    (tmp_path / "a.csv").write_text(f"f,a,b,patient\n{rows}\n")
    (tmp_path / "b.csv").write_text(f"f,a,b,patient\n{rows}\n")
    options = ["--labels", "a,b", "--group", "patient"]
    clean = run_here("lint", tmp_path / "a.csv", *options)
    assert (clean.returncode, "Traceback" in clean.stderr) == (0, False), clean.stderr
    assert "provable recall" in clean.stdout
    strict = run_here("lint", tmp_path / "a.csv", *options, "--fail-on", "warning", "--json")
    assert strict.returncode == 5
    assert {"data", "findings"} == set(json.loads(strict.stdout))
    leaking = run_here("lint", tmp_path / "a.csv", tmp_path / "b.csv", *options)
    assert (leaking.returncode, "100 groups are in both" in leaking.stdout) == (5, True)
    assert run_here("lint", tmp_path / "a.csv", *options, "--fail-on", "never").returncode == 0
    wrong = run_here("lint", tmp_path / "a.csv", *options, "--fail-on", "often")
    assert (wrong.returncode, "Traceback" in wrong.stderr) == (2, False)


def test_splits_that_list_their_labels_in_another_order_are_found(
    run_here: Callable[..., Done], tmp_path: Path
) -> None:
    rng = np.random.default_rng(0)
    for name, order in (("a", [0, 1]), ("b", [1, 0])):
        Y = (rng.random((60, 2)) < 0.3).astype(np.uint8)
        names = np.array(["crack", "dent"])[order]
        np.savez(tmp_path / f"{name}.npz", X=rng.random((60, 2)), Y=Y, label_names=names, groups=np.array([name] * 60))
    found = run_here("lint", tmp_path / "a.npz", tmp_path / "b.npz")
    assert (found.returncode, "label-order" in found.stdout) == (5, True), found.stderr


def test_where_every_row_has_a_label_a_gate_is_of_no_use() -> None:
    rng = np.random.default_rng(0)
    Y = rng.random((300, 3)) < 0.5
    Y[~Y.any(axis=1), 0] = True
    _, findings = lint(Y)
    assert any(f.code == "gate" and "every row has a label" in f.message for f in findings)
    Y[:60] = False
    assert not any(f.code == "gate" for f in lint(Y)[1])


def test_findings_of_a_thousand_labels_are_summed_up() -> None:
    Y = np.zeros((50, 200), np.uint8)
    Y[0, :5] = 1
    _, findings = lint(Y)
    absent = [f.message for f in findings if f.code == "absent"]
    assert len(absent) == 13
    assert absent[-1] == "183 more findings of this kind."


def test_a_column_that_means_none_is_named_and_left_out() -> None:
    rng = np.random.default_rng(0)
    Y = (rng.random((300, 3)) < 0.1).astype(np.uint8)
    some = Y.any(axis=1)
    names = ["crack", "dent", "stain", "any", "nothing"]
    marked = np.column_stack([Y, some, ~some])
    for kept in (slice(None), [0, 1, 2, 4]):
        facts, findings = lint(marked[:, kept], np.array(names)[kept], none_label="auto")
        assert [label["label"] for label in facts["labels"]] == [*names[:3], *names[3:4] * (kept == slice(None))]
        assert any("'nothing' is 1 exactly where no other label is" in finding.message for finding in findings)
        assert not any(finding.code == "gate" for finding in findings)
    assert facts["any_label"] is None
    assert lint(marked, names, none_label="auto")[0]["any_label"] == "any"
    with pytest.raises(DataError, match="'crack' must be 1 exactly where"):
        lint(marked, names, none_label="crack")
    with pytest.raises(ConfigError, match="'healthy'"):
        lint(marked, names, none_label="healthy")
    marked[np.flatnonzero(some)[0], 4] = 1
    assert any("except on 1 rows" in finding.message for finding in lint(marked[:, [0, 1, 2, 4]], none_label="auto")[1])


@given(arrays(np.uint8, st.tuples(st.integers(1, 12), st.integers(3, 5)), elements=st.integers(0, 1)))
def test_none_is_the_complement_of_the_or_of_the_others(Y: np.ndarray) -> None:
    others = [np.delete(Y, k, axis=1).any(axis=1) for k in range(Y.shape[1])]
    fits = [k for k in range(Y.shape[1]) if Y[:, k].any() and (Y[:, k] == ~others[k]).all()]
    names = [f"label_{k}" for k in range(Y.shape[1])]
    for values in (Y, sparse.csr_array(Y)):
        found = find_none_label(LabelMatrix(values), names).index
        assert found == (fits[0] if len(fits) == 1 else None)
        # The same for the OR itself.
        ors = [k for k in range(Y.shape[1]) if Y[:, k].any() and (Y[:, k] == others[k]).all()]
        assert find_any_label(LabelMatrix(values), names).index == (ors[0] if len(ors) == 1 else None)


@given(arrays(np.uint8, st.tuples(st.integers(1, 12), st.integers(1, 5)), elements=st.integers(0, 1)))
def test_figures_of_sparse_labels_are_those_of_dense_ones(Y: np.ndarray) -> None:
    dense, sparse_labels = lint(Y), lint(sparse.csr_array(Y))
    # As text, since an undefined figure is NaN, which is not equal to itself.
    assert repr(dense) == repr(sparse_labels)
    pairs = [
        (k, j)
        for k in range(Y.shape[1])
        for j in range(Y.shape[1])
        if k != j and Y[:, k].any() and (Y[:, j] >= Y[:, k]).all()
    ]
    assert list(implications(sparse.csr_array(Y))) == pairs
    expected = compute_sample_weight("balanced", Y)
    weight = balanced_sample_weight(Y)
    assert weight.top_share == pytest.approx(np.sort(expected)[-2:].sum() / expected.sum())
    assert weight.effective_rows == pytest.approx(expected.sum() ** 2 / (expected**2).sum())


def test_ten_thousand_labels_are_examined_without_a_table_of_all_pairs() -> None:
    rng = np.random.default_rng(0)
    popular = np.geomspace(1, 1e-3, 10_000)
    columns = rng.choice(10_000, 25_000, p=popular / popular.sum())
    Y = sparse.csr_array((np.ones(25_000), (rng.integers(0, 5000, 25_000), columns)), shape=(5000, 10_000))
    Y.sum_duplicates()
    Y.data[:] = 1
    tracemalloc.start()
    facts, findings = lint(Y)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (len(facts["labels"]), len(findings) < 100) == (10_000, True)
    # A table of all pairs has 400 MB, a dense label matrix 50 MB.
    assert peak < 40e6


def test_lint_reads_only_labels_and_groups_of_a_table(run_here: Callable[..., Done], tmp_path: Path) -> None:
    frame = pd.DataFrame({"text": 'two lines,\nwith a "quote"', "crack, deep": [0, 1] * 20})
    frame["when"] = pd.Timestamp("2020-01-01")
    frame["dent"], frame["part"] = [1, 0, 0, 0] * 10, np.arange(40) // 2
    frame.to_csv(tmp_path / "t.csv", index=False)
    (tmp_path / "t").mkdir()
    frame[:30].to_parquet(tmp_path / "t" / "0.parquet", index=False)
    frame[30:].to_parquet(tmp_path / "t" / "1.parquet", index=False)
    for name in ("t.csv", "t"):
        done = run_here("lint", tmp_path / name, "--labels", '"crack, deep",dent', "--group", "part")
        assert (done.returncode, "40 rows, 20 groups" in done.stdout) == (0, True), done.stderr
